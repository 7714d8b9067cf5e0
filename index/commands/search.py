"""`emotionrank search`: a prompt, and the speech that feels as it says."""

from typing import Annotated

import typer

from encoders.encoder import Encoder
from index import filters, present, query
from index.commands.shared import BundleOption, JsonOption, LibraryOption
from index.open import open_store

search = typer.Typer(add_completion=False)


@search.command()
def _search(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", show_default=False, help="How the speech should feel.")],
    library: LibraryOption,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="Leave out the first so many.")] = 0,
    min_score: Annotated[float | None, typer.Option(help="Only hits with at least this cosine.")] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="JSON",
            help='Only clips that a filter keeps, such as \'{"speaker": "03", "duration": {"gte": 1}}\'.',
        ),
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="Every segment is a hit of its own, not only a clip's best.")
    ] = False,
    bundle: BundleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a library for speech that feels as a prompt says."""
    condition = filters.loads(only) if only is not None else None
    encoder = Encoder.load(bundle)
    with open_store(library, bundle=encoder.bundle, read_only=True) as store:
        hits = query.search(
            store,
            encoder,
            query.Query([query.TextPart(prompt)], k, offset, min_score, condition, not segments),
        )
    if as_json:
        present.print_json(present.hits_json(hits, k, offset))
    else:
        present.print_hits(hits, offset)
