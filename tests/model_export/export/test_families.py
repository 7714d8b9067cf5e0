"""Every family of backbones exports to a graph that agrees with torch at any length and batch size."""

from pathlib import Path
from typing import Any

import pytest
import torch

from model_export import backbones
from model_export.export import onnx_graph
from model_export.towers import AudioTower, Exported, TextTower, Towers
from tests.model_export.backbones import small

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)

slow = pytest.mark.slow


def around(audio: backbones.SpeechEncoder, text: backbones.TextEncoder, pool: str = "statistics") -> Towers:
    torch.manual_seed(0)
    return Towers(AudioTower(audio, 16, 0.0, pool), TextTower(text, 16, 0.0), 16, Path("tokenizer.json")).eval()


@pytest.mark.parametrize(
    ("kind", "shape", "pool"),
    [
        ("wavlm", small.BASE, "attentive"),
        pytest.param("wavlm", small.LARGE, "statistics", marks=slow),
        pytest.param("hubert", small.BASE, "mean", marks=slow),
        pytest.param("hubert", small.LARGE, "statistics", marks=slow),
        pytest.param("wav2vec2", small.BASE, "statistics", marks=slow),
        pytest.param("wav2vec2", small.LARGE, "statistics", marks=slow),
        pytest.param("whisper", {}, "attentive", marks=slow),
    ],
)
def test_a_speech_encoder_exports(kind: str, shape: dict[str, Any], pool: str, tmp_path: Path) -> None:
    made = small.whisper_model() if kind == "whisper" else small.wave_model(kind, shape)
    encoder = backbones.speech(small.saved(made, tmp_path))
    model = around(encoder, backbones.TextEncoder(small.text_model("bert"), 32), pool)
    module, names, path = Exported(model.audio, model).eval(), ("samples", "lengths"), tmp_path / "audio.onnx"
    onnx_graph.to_onnx(module, onnx_graph.audio_example(3, 32_007), names, path)
    sizes = ((1, 1_600), (1, 9_000), (2, 64_000), (5, 20_001))
    examples = [onnx_graph.audio_example(batch, size, seed) for seed, (batch, size) in enumerate(sizes)]
    examples.append((examples[1][0][:, :700], torch.tensor([120])))
    assert onnx_graph.check(module, path, examples, names) < 1e-4


@pytest.mark.parametrize(
    "kind", ["mpnet", *(pytest.param(kind, marks=slow) for kind in ("bert", "roberta", "distilbert"))]
)
def test_a_text_encoder_exports(kind: str, tmp_path: Path) -> None:
    small.tokenizer(tmp_path)
    encoder, _ = backbones.text(small.saved(small.text_model(kind), tmp_path))
    model = around(backbones.WhisperEncoder(64, 1, 1), encoder)
    module, names, path = Exported(model.text, model).eval(), ("input_ids", "attention_mask"), tmp_path / "text.onnx"
    onnx_graph.to_onnx(module, onnx_graph.text_example(3, 24, 0, encoder.vocabulary), names, path)
    sizes = ((1, 3), (1, 128), (2, 17), (5, 60))
    examples = [
        onnx_graph.text_example(batch, size, seed, encoder.vocabulary) for seed, (batch, size) in enumerate(sizes)
    ]
    assert onnx_graph.check(module, path, examples, names) < 1e-4
