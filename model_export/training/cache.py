"""What a frozen backbone says of a clip or a caption never changes, so it is computed once and kept on disk.

    <folder>/audio-<key>/statistics.f16   float16 [clips, versions, layers, features], appended clip by clip
    <folder>/audio-<key>/key.json         what the key stands for
    <folder>/text-<key>.npy               float32 [captions, width]

The key is a hash of all that the numbers depend on: the frozen weights, the files (path, size, time of change), the
pooling, the augmentation and the form of this cache. The file's length says how far a stopped computation came, and
the next run goes on from there. Runs that share a folder wait for each other instead of computing twice.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model_export.errors import TrainingError
from model_export.manifest import Row
from model_export.towers import AudioTower
from model_export.training import watch
from model_export.training.config import Config
from model_export.training.sources import Indices, Waveforms

_FORM = 1
_BLOCK = 128  # clips between two writes; sorted by length inside, so that little is padded
_BATCH = 16


def fingerprint(module: nn.Module) -> str:
    """SHA-256 of the names and values of the weights that are not trained."""
    digest = hashlib.sha256()
    for name, weight in sorted(module.named_parameters()):
        if not weight.requires_grad:
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _key(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _alone(folder: Path, key: str) -> Iterator[None]:
    """Wait until no other run works on this key; the disk's errors become a sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise TrainingError(
            f"{folder}: features cannot be kept there ({error.strerror or error}); what is there stays valid: free "
            "some space, or choose another features.folder, and run again"
        ) from error


@dataclass(frozen=True, slots=True)
class Features:
    """A `Source` of kept statistics: the first version of a clip is the clip as it is, the others are augmented."""

    statistics: npt.NDArray[np.float16]

    def draw(self, clips: Indices, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Statistics [n, layers, features] of a random version of each clip."""
        return self._of(clips, rng.integers(self.statistics.shape[1], size=len(clips)))

    def plain(self, clips: Indices) -> tuple[Tensor, ...]:
        """Statistics [n, layers, features] of the clips as they are."""
        return self._of(clips, np.zeros(len(clips), dtype=np.int64))

    def embed(self, tower: AudioTower, heard: tuple[Tensor, ...]) -> Tensor:
        """Unit embeddings [n, dim]."""
        return tower.project(*heard)

    def _of(self, clips: Indices, versions: Indices) -> tuple[Tensor, ...]:
        return (torch.from_numpy(self.statistics[clips, versions].astype(np.float32)),)


def features(tower: AudioTower, rows: Sequence[Row], config: Config, folder: Path, device: torch.device) -> Features:
    """The statistics of every row's clip, computed where they are not kept yet.

    Raises:
        CorpusError: a clip cannot be decoded.
        BackboneError: the pooling is learned, so that there is nothing to keep.
        TrainingError: the folder cannot be written.
    """
    versions = config.features.versions
    files = [(str(row.path), (stat := row.path.stat()).st_size, stat.st_mtime_ns) for row in rows]
    about = {
        "form": _FORM,
        "backbone": config.towers.audio,
        "weights": fingerprint(tower),
        "pooling": config.towers.pooling,
        "augmentation": [asdict(config.augmentation), config.data.crop_seconds] if versions > 1 else [],
        "versions": versions,
        "clips": len(files),
        "files": _key({"files": files}),
    }
    home = folder / f"audio-{_key(about)}"
    path = home / "statistics.f16"
    with torch.inference_mode():
        layers, size = tower.statistics(torch.zeros(1, 16_000, device=device), torch.tensor([16_000], device=device))[
            0
        ].shape
    each = versions * layers * size * np.dtype(np.float16).itemsize
    with _alone(folder, home.name):
        home.mkdir(exist_ok=True)
        (home / "key.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        done = path.stat().st_size // each if path.exists() else 0
        if done < len(rows):
            source = Waveforms.of(rows, config)
            done -= done % _BLOCK  # blocks are whole, or their seeds would shift
            with path.open("r+b" if path.exists() else "wb") as file, watch.progress() as bar:
                file.truncate(done * each)
                file.seek(done * each)
                for start in bar.track(range(done, len(rows), _BLOCK), description="features of the frozen backbone"):
                    block = np.arange(start, min(start + _BLOCK, len(rows)))
                    computed = [_version(tower, source, block, version, device) for version in range(versions)]
                    file.write(np.stack(computed, axis=1).tobytes())
                    file.flush()
    kept = np.memmap(path, dtype=np.float16, mode="r", shape=(len(rows), versions, layers, size))
    return Features(kept)


def _version(
    tower: AudioTower, source: Waveforms, block: Indices, version: int, device: torch.device
) -> npt.NDArray[np.float16]:
    """Statistics [block, layers, features] of one version of some clips."""
    order = sorted(range(len(block)), key=lambda i: len(source.samples[int(block[i])]))
    out: list[npt.NDArray[np.float16]] = [np.empty(0, np.float16)] * len(block)
    tower.eval()
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        # Seeded by the place in the list, so that a stopped computation goes on as it would have.
        rng = np.random.default_rng((version, int(block[0]), start))
        samples, lengths = source.draw(block[part], rng) if version else source.plain(block[part])
        with torch.inference_mode():
            statistics = tower.statistics(samples.to(device), lengths.to(device))
        for i, row in zip(part, statistics.cpu().numpy().astype(np.float16), strict=True):
            out[i] = row
    return np.stack(out)


def kept_array(path: Path, compute: Callable[[], Tensor]) -> Tensor:
    """The tensor that a file holds, else what `compute` gives, written there."""
    with _alone(path.parent, path.stem):
        if not path.exists():
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, compute().numpy())
            partial.replace(path)
        return torch.from_numpy(np.load(path))
