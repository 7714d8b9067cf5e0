"""`emotionrank search`: a prompt, clips, recordings, points of the plane, and the speech that feels like them."""

from typing import Annotated

import typer

from encoders.audio import DEFAULT_MAX_DURATION
from encoders.encoder import Encoder
from index import filters, hints, present, query
from index.commands import parts
from index.commands.shared import BundleOption, DurationOption, FilterOption, JsonOption, LibraryOption
from index.open import open_store

search = typer.Typer(add_completion=False)

_QUERY = "The query"
_HITS = "The hits"


@search.command()
def _search(
    library: LibraryOption,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", show_default=False, help="How the speech should feel.")
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLIP|FILE",
            rich_help_panel=_QUERY,
            help="More like this: a clip of the library (its id) or a recording (a file).",
        ),
    ] = None,
    affect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="V,A",
            rich_help_panel=_QUERY,
            help="Near this point: valence and arousal, each 1..7 with 4 neutral, such as 6,2.5.",
        ),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("--with", metavar="PROMPT", rich_help_panel=_QUERY, help="Another prompt.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PROMPT", rich_help_panel=_QUERY, help="Less of this; counts minus a half."),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=POINTS",
            rich_help_panel=_QUERY,
            help="Then move the whole: arousal=-1 is calmer by a point of the scale, valence=+1 more positive.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, rich_help_panel=_HITS, help="How many hits.")] = 10,
    offset: Annotated[int, typer.Option(min=0, rich_help_panel=_HITS, help="Leave out the first so many.")] = 0,
    min_score: Annotated[
        float | None, typer.Option(rich_help_panel=_HITS, help="Only hits with at least this cosine.")
    ] = None,
    only: FilterOption = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=FROM..TO",
            rich_help_panel=_HITS,
            help="Only moments that lie there themselves: arousal=5..7. A filter looks at the clip's mean.",
        ),
    ] = None,
    distinct: Annotated[
        bool,
        typer.Option(
            "--distinct", rich_help_panel=_HITS, help="Leave out hits that are nearly the same sound as a better one."
        ),
    ] = False,
    segments: Annotated[
        bool,
        typer.Option(
            "--segments", rich_help_panel=_HITS, help="Every segment is a hit of its own, not only a clip's best."
        ),
    ] = False,
    bundle: BundleOption = None,
    max_duration: DurationOption = DEFAULT_MAX_DURATION,
    as_json: JsonOption = False,
) -> None:
    """Search a library for speech that feels as a prompt says, or like a clip, a recording, a point of the plane.

    The parts of a query are summed. Each option for one may be repeated, and each part may begin with its
    weight and a star: --like 0.5*voice.wav. For example, like this clip, but calmer and not bored:

    emotionrank search --like 0f343b0931126a20 --shift arousal=-1.5 --without "a bored voice" --library DIR
    """
    wanted = parts.parts(
        prompt, more=more or (), without=without or (), like=like or (), affect=affect or (), max_duration=max_duration
    )
    asked = query.Query(
        wanted,
        k,
        offset,
        min_score,
        filter=filters.loads(only) if only is not None else None,
        region=parts.region(region or ()),
        group_by_clip=not segments,
        shift=parts.shift(shift or ()),
        distinct=distinct,
    )
    encoder = Encoder.load(bundle)
    with open_store(library, bundle=encoder.bundle, read_only=True) as store:
        hits = query.search(store, encoder, asked)
        advice = hints.of_filter(store, asked.filter)
    if as_json:
        present.print_json(present.hits_json(hits, k, offset, advice))
    else:
        present.print_hits(hits, offset)
        present.list_hints(advice)
