"""Embeddings kept between evaluations: one archive a bundle, by the sha256 of each clip's bytes.

A cached embedding can therefore never be that of another bundle or of another sound.
"""

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from encoders.affect import Affect
from encoders.encoder import Vectors
from encoders.errors import AudioNotFound, OutputError
from model_export.errors import CorpusError


class Vector(NamedTuple):
    """What the encoders made of one clip: embedding float32 [dim], affect on 1..7."""

    embedding: Vectors
    affect: Affect


@dataclass(slots=True)
class Cache:
    """The embeddings by one bundle; `get` may be called from several threads."""

    path: Path
    vectors: dict[str, Vector] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def open(cls, folder: Path, fingerprint: str) -> Self:
        """Read what the folder, made where it is missing, holds of a bundle.

        Raises CorpusError for a damaged archive, OutputError for a folder that cannot be written.
        """
        cache = cls(folder / f"{fingerprint[:32]}.npz")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot keep embeddings: {error.strerror}.") from None
        if not cache.path.exists():
            return cache
        try:
            with np.load(cache.path) as file:
                for key, embedding, affect in zip(file["sha256"], file["embedding"], file["affect"], strict=True):
                    cache.vectors[str(key)] = Vector(embedding, Affect(*affect.tolist()))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise CorpusError(f"{cache.path}: not a cache of embeddings ({error}); delete it") from error
        return cache

    def get(self, clip: Path, make: Callable[[Path], tuple[Vectors, Affect]]) -> Vector:
        """What is kept for the clip's bytes, else what `make` makes of it. Raises what `make` raises."""
        try:
            with clip.open("rb") as file:
                key = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise AudioNotFound(f"{clip} cannot be read: {error.strerror}.") from None
        vector = self.vectors.get(key)
        if vector is None:
            vector = self.vectors[key] = Vector(*make(clip))
            self.changed = True
        return vector

    def save(self) -> None:
        """Write the archive, whole or not at all, where anything is new; OutputError where that cannot be done."""
        if not self.changed:
            return
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        vectors = list(self.vectors.values())
        try:
            with draft.open("wb") as file:
                np.savez(
                    file,
                    sha256=np.array(list(self.vectors), dtype=np.str_),
                    embedding=np.array([vector.embedding for vector in vectors], dtype=np.float32),
                    affect=np.array([vector.affect for vector in vectors], dtype=np.float32),
                )
            draft.replace(self.path)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}. Embeddings are not kept.") from None
        finally:
            draft.unlink(missing_ok=True)
        self.changed = False
