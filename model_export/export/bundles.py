"""Towers as a sealed bundle, written whole or not at all.

A calibration goes into the audio file's read-out alone. Training fits one read-out to both modalities, but only what
is heard is doubtful and crowds around the mean; what a text says is plain, and the read-out already reads it as
written. Stretched by the audio's scale, one prompt in seven of the first released bundle would have left 1..7. The
embeddings, and so every search, are untouched.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from encoders import bundle
from encoders.affect import NEUTRAL
from encoders.audio import SAMPLE_RATE
from model_export import captions
from model_export.errors import ExportError
from model_export.export import example_speech, onnx_graph, onnx_shrink, storage
from model_export.export.calibration import Calibration
from model_export.export.example_speech import Speech
from model_export.export.model_card import card
from model_export.export.onnx_graph import INPUTS, Example
from model_export.export.storage import FULL, SMALL
from model_export.towers import HOP_DUR, SPAN, WIN_DUR, Exported, Towers


def export(
    model: Towers,
    target: Path,
    *,
    name: str,
    version: str,
    licence: str,
    provenance: dict[str, Any],
    calibration: Calibration | None = None,
    speech: Speech | None = None,
    int8: bool = True,
) -> bundle.Bundle:
    """Write a bundle as the new folder `target`, whole or not at all, and return it.

    `speech` is what float32 and int8 storage are compared on (default: made voices); without `int8` all is float32.

    Raises:
        ExportError: `target` is there already, or a graph differs from torch (nothing is sealed unchecked).
        BundleError: the sealed bundle does not load.
        OSError: it cannot be written.
    """
    with new_folder(target) as folder:
        checks = _graphs(model, folder, calibration)
        shutil.copyfile(model.tokenizer, folder / bundle.TOKENIZER)
        write_prompts(folder / bundle.PROMPTS)
        stored = _settle(folder, speech, int8)
        said = {} if calibration is None else {"calibration": _facts(calibration)}
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
            provenance={**provenance, **said, "storage": stored, "float32_difference_to_torch": checks},
        )
        made = bundle.load(folder)
        sizes = {file: (folder / file).stat().st_size for file in info.files}
        (folder / bundle.CARD).write_text(card(info, sizes, len(made.prompts)), encoding="utf-8")
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

    def text_example(batch: int, tokens: int, seed: int) -> Example:
        return onnx_graph.text_example(batch, tokens, seed, model.text.encoder.vocabulary)

    encoders: list[tuple[str, Exported, Callable[[int, int, int], Example], tuple[int, int, int]]] = [
        ("audio", audio, onnx_graph.audio_example, (12_345, SAMPLE_RATE * 2, SAMPLE_RATE * 4)),
        ("text", text, text_example, (5, 17, 60)),
    ]
    checks = {}
    for kind, module, example, sizes in encoders:
        path = _file(folder, kind, FULL)
        onnx_graph.to_onnx(module, example(3, sizes[1] + 7, 0), INPUTS[kind], path)
        examples = [
            example(batch, size, seed) for seed, (batch, size) in enumerate(itertools.product((1, 2, 5), sizes))
        ]
        checks[kind] = onnx_graph.check(module, path, examples, INPUTS[kind])
    return checks


def _settle(folder: Path, speech: Speech | None, int8: bool) -> dict[str, Any]:
    """Give each encoder its final name in the storage that is kept; what was kept, and why."""
    chosen = dict.fromkeys(INPUTS, FULL)
    figures: dict[str, Any] = {}
    if int8:
        files = {}
        for kind in INPUTS:
            files[kind] = {FULL: _file(folder, kind, FULL), SMALL: _file(folder, kind, SMALL)}
            onnx_shrink.shrink(files[kind][FULL], files[kind][SMALL])
        prompts = bundle.read_prompts(folder / bundle.PROMPTS)
        heard = speech or example_speech.made_voices()
        chosen, figures = storage.choose(files, folder / bundle.TOKENIZER, prompts, heard)
    for kind, kept in chosen.items():
        _file(folder, kind, kept).rename(folder / f"{kind}.onnx")
        for other in {FULL, SMALL} - {kept}:
            _file(folder, kind, other).unlink(missing_ok=True)
    return {**chosen, **figures}


def _file(folder: Path, kind: str, stored: str) -> Path:
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
