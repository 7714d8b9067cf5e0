"""The audio of a corpus' folder, each recording once however the archive was unpacked."""

import filecmp
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

from model_export.errors import CorpusError
from model_export.manifest import audio_files

Key = TypeVar("Key", bound=Hashable)


def by_key(root: Path, key: Callable[[Path], Key | None]) -> dict[Key, Path]:
    """Every audio file below `root` whose key is not None, in order of their paths.

    Some archives hold a second copy of all their folders inside: a key that comes twice counts once where both files
    hold the same bytes.

    Raises:
        CorpusError: two files of one key that differ (both are named).
    """
    found: dict[Key, Path] = {}
    for path in audio_files(root):
        name = key(path)
        if name is None:
            continue
        first = found.setdefault(name, path)
        if first is not path and not filecmp.cmp(first, path, shallow=False):
            raise CorpusError(
                f"{path} and {first} are one clip by their names, and differ; keep the one that belongs to the corpus"
            )
    return found


def by_stem(root: Path) -> dict[str, Path]:
    """Every audio file below `root` by its stem; CorpusError as in `by_key`."""
    return by_key(root, lambda path: path.stem)
