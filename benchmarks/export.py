"""Size and speed of an exported bundle against torch: `python -m benchmarks.export`.

The default towers with random heads (speed does not depend on what they learned), one thread, one made clip of 3 s and
one prompt. Each figure is the median of ROUNDS; the ways take turns, so that a busy machine slows all alike. The ratio
is against torch in the same run.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from tokenizers import Tokenizer

from encoders.sessions import open_session
from model_export.export import onnx_graph, onnx_shrink
from model_export.export.storage import FULL, SMALL
from model_export.towers import Exported, TowerConfig, Towers, build
from tests.sounds import voice

ROUNDS = 15
SECONDS = 3.0
PROMPT = "calm but a little sad"


def turns(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each way, measured in turns after one round that does not count."""
    spans: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if number:
                spans[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in spans.items()}


def inputs(model: Towers) -> dict[str, onnx_graph.Example]:
    """One clip and one prompt, as each encoder takes them."""
    samples = torch.from_numpy(voice(SECONDS))[None]
    ids = torch.tensor([Tokenizer.from_file(str(model.tokenizer)).encode(PROMPT).ids])
    return {"audio": (samples, torch.tensor([samples.shape[1]])), "text": (ids, torch.ones_like(ids))}


def through(path: Path, names: tuple[str, str], example: onnx_graph.Example) -> Callable[[], object]:
    """Running an exported encoder on one thread."""
    session = open_session(path, threads=1)
    feed = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in zip(names, example, strict=True)}
    return lambda: session.run(None, feed)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(TowerConfig()).eval()
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
    print(f"{'':26}{'MB':>8}{'ms':>9}{'x torch':>9}")
    examples = inputs(model)
    made: dict[str, Callable[[int, int], onnx_graph.Example]] = {
        "audio": onnx_graph.audio_example,
        "text": onnx_graph.text_example,
    }
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for kind, names in onnx_graph.INPUTS.items():
            module = Exported(model.audio if kind == "audio" else model.text, model).eval()
            files = {stored: Path(folder) / f"{kind}.{stored}.onnx" for stored in (FULL, SMALL)}
            onnx_graph.to_onnx(module, made[kind](3, 32_007 if kind == "audio" else 24), names, files[FULL])
            onnx_shrink.shrink(files[FULL], files[SMALL])
            first, second = examples[kind]
            ways: dict[str, Callable[[], object]] = {"torch": lambda m=module, a=first, b=second: m(a, b)}  # type: ignore[misc]
            ways |= {stored: through(path, names, examples[kind]) for stored, path in files.items()}
            medians = turns(ways)
            for name, seconds in medians.items():
                size = f"{files[name].stat().st_size / 1e6:8.1f}" if name in files else " " * 8
                title = f"{kind}, {name if name == 'torch' else f'ONNX, stored {name}'}"
                print(f"{title:26}{size}{seconds * 1000:9.1f}{seconds / medians['torch']:9.2f}")


if __name__ == "__main__":
    main()
