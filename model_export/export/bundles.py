"""Towers as a sealed bundle, written whole or not at all.

A calibration goes into the audio file's read-out alone. Training fits one read-out to both modalities, but only what
is heard is doubtful and crowds around the mean; what a text says is plain, and the read-out already reads it as
written. Stretched by the audio's scale, one prompt in seven of the first released bundle would have left 1..7. The
embeddings, and so every search, are untouched.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from encoders import bundle
from encoders.affect import NEUTRAL
from encoders.audio import SAMPLE_RATE
from model_export import captions
from model_export.errors import ExportError
from model_export.export import example_speech, onnx_graph, onnx_shrink, storage, term_shares
from model_export.export.calibration import Calibration
from model_export.export.example_speech import Speech
from model_export.export.model_card import card
from model_export.export.onnx_graph import INPUTS, Example
from model_export.export.storage import FULL, SMALL
from model_export.export.validation_speech import Heard
from model_export.manifest import Row
from model_export.towers import HOP_DUR, SPAN, WIN_DUR, Exported, Towers

# Samples and tokens that an exported encoder is held to torch on; the second and a little more is what is traced.
SIZES = {"audio": (12_345, SAMPLE_RATE * 2, SAMPLE_RATE * 4), "text": (5, 17, 60)}


def export(
    model: Towers,
    target: Path,
    *,
    name: str,
    version: str,
    licence: str,
    provenance: dict[str, Any],
    calibration: Calibration | None = None,
    heard: Heard | None = None,
    speech: Speech | None = None,
    int8: bool = True,
) -> bundle.Bundle:
    """Write a bundle as the new folder `target`, whole or not at all, and return it.

    The shares of terms are calibrated on what the model has `heard` of validation speakers. `speech` is what float32
    and int8 storage are compared on (default: made voices); without `int8` all is float32.

    Raises:
        ExportError: `target` is there already, or a graph differs from torch (nothing is sealed unchecked).
        BundleError: the sealed bundle does not load.
        OSError: it cannot be written.
    """
    with new_folder(target) as folder:
        checks = _graphs(model, folder, calibration)
        shutil.copyfile(model.tokenizer, folder / bundle.TOKENIZER)
        write_prompts(folder / bundle.PROMPTS)
        stored = settle(folder, speech, tuple(INPUTS) if int8 else ())
        said = {} if calibration is None else {"calibration": _facts(calibration)}
        fitted = shares_of(folder, heard.rows, heard.embedding) if heard else None
        if fitted:
            said["term_shares"] = fitted.facts()
        interval = calibration.interval if calibration else None
        info = bundle.seal(
            folder,
            name=name,
            version=version,
            licence=licence,
            sample_rate=SAMPLE_RATE,
            embedding_dim=model.read_out.in_features,
            win_dur=WIN_DUR,
            hop_dur=HOP_DUR,
            affect_interval=interval.model_dump() if interval else None,
            term_shares=fitted.shares if fitted else None,
            provenance={**provenance, **said, "storage": stored, "float32_difference_to_torch": checks},
        )
        write_card(folder, info)
    return bundle.load(target)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` when all went well; after an error or Ctrl-C nothing is left of it."""
    if target.exists():
        raise ExportError(f"{target} is there already; choose a new folder, so that no bundle in use is overwritten")
    folder = target.with_name(f".{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
    try:
        folder.mkdir(parents=True)
        yield folder
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def calibrated(read_out: nn.Linear, calibration: Calibration) -> nn.Linear:
    """The read-out with the affine map folded in: what it reads, on 1..7, is offset + scale * what was read before."""
    folded = nn.Linear(read_out.in_features, 2)
    scale, offset = torch.from_numpy(calibration.scale), torch.from_numpy(calibration.offset)
    with torch.no_grad():
        folded.weight.copy_(scale[:, None] * read_out.weight)
        # A read-out counts from NEUTRAL in units of SPAN.
        folded.bias.copy_(scale * read_out.bias + (offset + (scale - 1) * NEUTRAL) / SPAN)
    return folded


def _graphs(model: Towers, folder: Path, calibration: Calibration | None) -> dict[str, float]:
    """Write both encoders as float32, and hold them to torch; the largest difference of each."""
    audio, text = Exported(model.audio, model), Exported(model.text, model)
    if calibration:
        audio.read_out = calibrated(model.read_out, calibration)
    modules = {"audio": audio, "text": text}
    vocabulary = model.text.encoder.vocabulary
    return {kind: graph(kind, module, folder, vocabulary) for kind, module in modules.items()}


def graph(kind: str, module: Exported, folder: Path, vocabulary: int) -> float:
    """Write the encoder "audio" or "text" as float32 into a folder; its largest difference to torch.

    Raises:
        ExportError: torch cannot export it, or the file differs from it.
    """
    sizes = SIZES[kind]

    def example(batch: int, size: int, seed: int) -> Example:
        if kind == "audio":
            return onnx_graph.audio_example(batch, size, seed)
        return onnx_graph.text_example(batch, size, seed, vocabulary)

    path = stored_as(folder, kind, FULL)
    onnx_graph.to_onnx(module, example(3, sizes[1] + 7, 0), INPUTS[kind], path)
    examples = [example(batch, size, seed) for seed, (batch, size) in enumerate(itertools.product((1, 2, 5), sizes))]
    return onnx_graph.check(module, path, examples, INPUTS[kind])


def settle(folder: Path, speech: Speech | None, shrinkable: Sequence[str]) -> dict[str, Any]:
    """Give each float32 file of a folder its final name, in the storage that is kept; what was kept, and why.

    Those of `shrinkable`, of "audio" and "text", become int8 where that keeps the ranking on `speech` (default: made
    voices).
    """
    files = {kind: {FULL: stored_as(folder, kind, FULL)} for kind in INPUTS}
    for kind in shrinkable:
        files[kind][SMALL] = stored_as(folder, kind, SMALL)
        onnx_shrink.shrink(files[kind][FULL], files[kind][SMALL])
    chosen = dict.fromkeys(INPUTS, FULL)
    figures: dict[str, Any] = {}
    if shrinkable:
        prompts = bundle.read_prompts(folder / bundle.PROMPTS)
        heard = speech or example_speech.made_voices()
        chosen, figures = storage.choose(files, folder / bundle.TOKENIZER, prompts, heard)
    for kind, stored in files.items():
        stored.pop(chosen[kind]).rename(folder / f"{kind}.onnx")
        for other in stored.values():
            other.unlink()
    return {**chosen, **figures}


def shares_of(folder: Path, rows: Sequence[Row], embedding: npt.NDArray[np.float32]) -> term_shares.Fitted:
    """The shares of terms, fitted on clips with embeddings [n, dim], for the text encoder that lies in a folder."""
    prompts = bundle.read_prompts(folder / bundle.PROMPTS)
    prompted = storage.read(folder / bundle.TEXT, folder / bundle.TOKENIZER, prompts).embedding
    return term_shares.fit(prompts, prompted, rows, embedding)


def reseal(folder: Path, before: bundle.BundleInfo, **changed: object) -> bundle.BundleInfo:
    """Seal a folder as what a bundle said of itself, but for what has changed."""
    return bundle.seal(folder, **(before.model_dump(exclude={"format", "files"}) | changed))


def write_card(folder: Path, info: bundle.BundleInfo) -> None:
    """Write the stub of a sealed bundle's card. Raises BundleError where the bundle does not load."""
    prompts = len(bundle.load(folder).prompts)
    sizes = {file: (folder / file).stat().st_size for file in info.files}
    (folder / bundle.CARD).write_text(card(info, sizes, prompts), encoding="utf-8")


def stored_as(folder: Path, kind: str, stored: str) -> Path:
    """The file of an encoder in one storage, before `settle`."""
    return folder / f"{kind}.{stored}.onnx"


def write_prompts(path: Path) -> None:
    """Write the emotion vocabulary of a bundle, the prompts of `captions.bank`."""
    with path.open("w", encoding="utf-8") as file:
        for caption in captions.bank():
            valence, arousal = (round(float(value), 3) for value in caption.affect)
            line = {"text": caption.text, "term": caption.term, "valence": valence, "arousal": arousal}
            file.write(json.dumps(line) + "\n")


def _facts(found: Calibration) -> dict[str, Any]:
    """A calibration as JSON values; pairs are (valence, arousal)."""
    before, after = found.ccc
    facts: dict[str, Any] = {
        "clips": found.clips,
        "speakers": found.speakers,
        "scale": found.scale.round(4).tolist(),
        "offset": found.offset.round(4).tolist(),
        "ccc_before": before.round(3).tolist(),
        "ccc_after_on_left_out_speakers": after.round(3).tolist(),
    }
    if found.interval is None:
        return facts | {"no_interval": found.reason}
    coverage = found.held_out_coverage
    shown = None if np.isnan(coverage).any() else coverage.round(3).tolist()
    return facts | {"interval_coverage_of_left_out_speakers": shown}
