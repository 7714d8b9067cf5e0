"""What is exported computes what torch computes, and forgets nothing on the way to a bundle."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from encoders import bundle
from encoders.encoder import Encoder
from model_export import captions, export
from model_export.errors import ExportError
from model_export.towers import Exported, Towers
from tests.model_export.conftest import small_towers
from tests.sounds import voice

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)


@pytest.fixture(scope="module")
def towers_once() -> Towers:
    return small_towers(seed=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, towers_once: Towers) -> bundle.Bundle:
    target = tmp_path_factory.mktemp("export") / "bundle"
    return export.export(towers_once, target, name="small", version="0.1", licence="none", provenance={"seed": 1})


def run(path: Path, **inputs: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    embedding, affect = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return embedding, affect


def test_each_encoder_is_one_file_with_the_contracts_names(made: bundle.Bundle) -> None:
    assert sorted(path.name for path in made.path.iterdir()) == [
        "audio.onnx",
        "bundle.json",
        "prompts.jsonl",
        "text.onnx",
        "tokenizer.json",
    ]
    for kind, names in (("audio", ["samples", "lengths"]), ("text", ["input_ids", "attention_mask"])):
        graph = onnx.load(made.path / f"{kind}.onnx").graph
        assert [value.name for value in graph.input] == names
        assert [value.name for value in graph.output] == ["embedding", "affect"]


def test_the_bundle_says_where_it_comes_from(made: bundle.Bundle) -> None:
    assert made.info.provenance["seed"] == 1
    assert len(made.prompts) == len(captions.bank())
    assert (made.info.win_dur, made.info.hop_dur, made.info.embedding_dim) == (4.0, 2.0, 16)


def test_small_matrices_rank_as_the_full_ones(made: bundle.Bundle, towers_once: Towers) -> None:
    for batch, size in ((1, 9000), (1, 40_000)):
        samples, lengths = export.audio_example(batch, size)
        with torch.inference_mode():
            expected = towers_once.audio(samples, lengths).numpy()
        found, _ = run(made.path / "audio.onnx", samples=samples, lengths=lengths)
        assert float((expected * found).sum()) > 0.995
    ids, attention = export.text_example(4, 12)
    with torch.inference_mode():
        expected = towers_once.text(ids, attention).numpy()
    found, _ = run(made.path / "text.onnx", input_ids=ids, attention_mask=attention)
    assert float((expected * found).sum(axis=1).min()) > 0.999


def test_a_text_is_the_same_alone_and_in_a_batch(made: bundle.Bundle) -> None:
    ids, attention = export.text_example(5, 20)
    together, affects = run(made.path / "text.onnx", input_ids=ids, attention_mask=attention)
    for row in range(5):
        length = int(attention[row].sum())
        alone, affect = run(
            made.path / "text.onnx",
            input_ids=ids[row : row + 1, :length],
            attention_mask=attention[row : row + 1, :length],
        )
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
        np.testing.assert_allclose(affect[0], affects[row], atol=1e-4)


def test_the_serving_side_runs_what_was_exported(made: bundle.Bundle) -> None:
    encoder = Encoder.load(made.path, threads=1)
    encoded = encoder.embed_samples(voice(1.0))
    assert encoded.embedding.shape == (1, 16)
    assert np.linalg.norm(encoder.embed_prompts(["a calm voice"]).embedding) == pytest.approx(1.0, abs=1e-5)


def test_a_graph_that_differs_from_torch_is_not_released(tmp_path: Path, towers_once: Towers) -> None:
    module = Exported(towers_once.text, towers_once)
    names = ("input_ids", "attention_mask")
    export.to_onnx(module, export.text_example(3, 9), names, tmp_path / "text.onnx")
    examples = [export.text_example(2, 7)]
    assert export.check(module, tmp_path / "text.onnx", examples, names)["float32_largest_difference"] < 1e-5
    assert export.check_small(module, tmp_path / "text.onnx", examples, names)["int8_smallest_cosine"] > 0.99999
    other = small_towers(seed=2)
    with pytest.raises(ExportError, match=r"text\.onnx differs"):
        export.check(Exported(other.text, other), tmp_path / "text.onnx", examples, names)
    with pytest.raises(ExportError, match="shrunk"):
        export.check_small(Exported(other.text, other), tmp_path / "text.onnx", examples, names)


def test_a_graph_that_computes_no_numbers_is_not_released(tmp_path: Path) -> None:
    broken = small_towers(seed=3)
    with torch.no_grad():
        broken.read_out.bias.fill_(float("nan"))
    module, names = Exported(broken.text, broken), ("input_ids", "attention_mask")
    export.to_onnx(module, export.text_example(3, 9), names, tmp_path / "text.onnx")
    with pytest.raises(ExportError, match="differs"):
        export.check(module, tmp_path / "text.onnx", [export.text_example(2, 7)], names)


def test_sound_is_the_same_alone_and_padded_beside_another(made: bundle.Bundle) -> None:
    samples, lengths = export.audio_example(3, 30_000)
    together, affects = run(made.path / "audio.onnx", samples=samples, lengths=lengths)
    for row in range(3):
        alone, affect = run(
            made.path / "audio.onnx", samples=samples[row : row + 1, : lengths[row]], lengths=lengths[row : row + 1]
        )
        np.testing.assert_allclose(alone[0], together[row], atol=2e-5)
        np.testing.assert_allclose(affect[0], affects[row], atol=2e-4)
