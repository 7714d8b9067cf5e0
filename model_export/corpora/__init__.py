"""One adapter a corpus: its official folder layout -> the rows of a manifest.

An adapter is a function `rows(root) -> list[Row]`. It goes by the stems of file names, and raises CorpusError, naming
the folder and what was expected in it, when the layout is another.
"""

from collections.abc import Callable
from pathlib import Path

from model_export.corpora import (
    crema_d,
    emns,
    emodb,
    emogator,
    esd,
    iemocap,
    msp_improv,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    tess,
)
from model_export.errors import CorpusError
from model_export.manifest import Row

ADAPTERS: dict[str, Callable[[Path], list[Row]]] = {
    "crema-d": crema_d.rows,
    "emns": emns.rows,
    "emodb": emodb.rows,
    "emogator": emogator.rows,
    "esd": esd.rows,
    "iemocap": iemocap.rows,
    "msp-improv": msp_improv.rows,
    "msp-podcast": msp_podcast.rows,
    "nemo": nemo.rows,
    "ravdess": ravdess.rows,
    "savee": savee.rows,
    "tess": tess.rows,
}


def prepare(name: str, root: Path) -> list[Row]:
    """The rows of the corpus `name` that lies at `root`.

    Raises:
        CorpusError: an unknown name, a folder that is not there, or another layout.
    """
    adapter = ADAPTERS.get(name)
    if adapter is None:
        raise CorpusError(f"no adapter for the corpus {name!r}; there are: {', '.join(sorted(ADAPTERS))}")
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; give the folder that holds the corpus {name}")
    found = adapter(root)
    if not found:
        raise CorpusError(f"{root}: no clips of {name} found; give the folder that its official archive unpacks to")
    return found
