"""An encoder is stored small only where it ranks the same: taus, the ten best clips, and what is tried first."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper

from encoders.affect import Affect
from encoders.bundle import Prompt
from model_export.backbones import minilm_folder
from model_export.export import onnx_shrink, storage
from model_export.export.example_speech import Speech, made_voices

DIM = 8
scores = arrays.arrays(np.float32, (4, 30), elements=st.integers(-1000, 1000).map(float), unique=True)


@given(scores)
def test_the_same_scores_find_the_same_clips(found: np.ndarray) -> None:
    assert storage.top_overlap(found, found) == 1.0
    assert storage.top_overlap(2 * found + 1, found) == 1.0
    assert storage.top_overlap(-found, found) == 0.0


def test_the_overlap_is_the_share_in_common_and_nothing_for_no_numbers() -> None:
    full = np.arange(30, dtype=np.float32)[None].repeat(2, axis=0)
    other = full.copy()
    other[0, 29] = -1  # one of the ten best clips of one of the two prompts
    assert storage.top_overlap(other, full) == 0.95
    other[0, 29] = np.nan
    assert storage.top_overlap(other, full) == 0.0


def test_the_tau_difference_is_that_of_the_worse_axis() -> None:
    rng = np.random.default_rng(0)
    labels = rng.uniform(1, 7, (50, 2))
    full = labels.astype(np.float32)
    assert storage.tau_difference(full, full, labels) == 0.0
    assert storage.tau_difference(full * 0.5 + 1, full, labels) == 0.0
    turned = full.copy()
    turned[:, 1] *= -1
    assert storage.tau_difference(turned, full, labels) == pytest.approx(2.0)
    flat = np.full_like(full, 4.0)
    assert storage.tau_difference(flat, full, labels) == pytest.approx(1.0)
    turned[0, 0] = np.nan
    assert storage.tau_difference(turned, full, labels) == float("inf")


def voice_model(path: Path, weights: np.ndarray) -> Path:
    """An audio encoder of one matrix: its embedding is four samples, its affect two more, through the weights."""
    nodes = [
        helper.make_node("Slice", ["samples", "start", "end", "axis"], ["head"]),
        helper.make_node("MatMul", ["head", "weights"], ["raw"]),
        helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=1, p=2),
        helper.make_node("Slice", ["raw", "zero", "two", "axis"], ["pair"]),
        helper.make_node("Add", ["pair", "four"], ["affect"]),
    ]
    constants: dict[str, np.ndarray] = {
        "start": np.array([0], np.int64),
        "end": np.array([len(weights)], np.int64),
        "axis": np.array([1], np.int64),
        "zero": np.array([0], np.int64),
        "two": np.array([2], np.int64),
        "four": np.array(4.0, np.float32),
        "weights": weights,
    }
    return saved(path, nodes, constants, [("samples", TensorProto.FLOAT), ("lengths", TensorProto.INT64)])


def words_model(path: Path, table: np.ndarray) -> Path:
    """A text encoder of one table: the mean over the tokens' rows."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axis"], ["raw"], keepdims=0),
        helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=1, p=2),
        helper.make_node("Slice", ["raw", "zero", "two", "axis"], ["pair"]),
        helper.make_node("Add", ["pair", "four"], ["affect"]),
    ]
    constants: dict[str, np.ndarray] = {
        "axis": np.array([1], np.int64),
        "zero": np.array([0], np.int64),
        "two": np.array([2], np.int64),
        "four": np.array(4.0, np.float32),
        "table": table,
    }
    return saved(path, nodes, constants, [("input_ids", TensorProto.INT64), ("attention_mask", TensorProto.INT64)])


def saved(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], inputs: list[tuple[str, int]]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info(name, kind, ["batch"] if name == "lengths" else ["batch", "n"])
            for name, kind in inputs
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]) for name in ("embedding", "affect")],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


PROMPTS = [
    Prompt(word, word, Affect(1 + k % 6, 6 - k % 5)) for k, word in enumerate(["calm", "angry", "sad", "glad", "warm"])
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, dict[str, Path]]:
    """Both encoders as float32, with matrices large enough to be shrunk, and shrunk."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((onnx_shrink.SMALLEST_MATRIX // DIM, DIM)).astype(np.float32) / 20
    table = rng.standard_normal((30_522, DIM)).astype(np.float32)
    found = {
        "audio": {
            storage.FULL: voice_model(tmp_path / "a.full.onnx", weights),
            storage.SMALL: tmp_path / "a.small.onnx",
        },
        "text": {storage.FULL: words_model(tmp_path / "t.full.onnx", table), storage.SMALL: tmp_path / "t.small.onnx"},
    }
    for of in found.values():
        onnx_shrink.shrink(of[storage.FULL], of[storage.SMALL])
    return found


TOKENIZER = minilm_folder() / "tokenizer.json"


def test_what_ranks_the_same_is_stored_small(files: dict[str, dict[str, Path]]) -> None:
    for kind, smaller in (("audio", 0.3), ("text", 0.6)):
        sizes = [files[kind][stored].stat().st_size for stored in (storage.SMALL, storage.FULL)]
        assert sizes[0] < smaller * sizes[1]
    chosen, figures = storage.choose(files, TOKENIZER, PROMPTS, made_voices(60))
    assert chosen == {"audio": "int8", "text": "int8"}
    assert figures["examples"] == "60 made voices"
    (tried,) = figures["tried"]
    assert tried["kept"]
    assert tried["top10_overlap"] >= storage.LEAST_OVERLAP
    assert tried["clip_affect_tau_difference"] <= storage.MOST_TAU


def test_an_encoder_that_ranks_differently_stays_float32(files: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    other = np.random.default_rng(1).standard_normal((onnx_shrink.SMALLEST_MATRIX // DIM, DIM)).astype(np.float32)
    voice_model(tmp_path / "other.onnx", other)
    onnx_shrink.shrink(tmp_path / "other.onnx", files["audio"][storage.SMALL])
    chosen, figures = storage.choose(files, TOKENIZER, PROMPTS, made_voices(60))
    assert chosen == {"audio": "float32", "text": "int8"}
    assert [tried["kept"] for tried in figures["tried"]] == [False, True]


def test_an_encoder_that_gives_no_numbers_is_never_kept(files: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    words_model(tmp_path / "broken.onnx", np.full((30_522, DIM), np.nan, np.float32))
    onnx_shrink.shrink(tmp_path / "broken.onnx", files["text"][storage.SMALL])
    chosen, figures = storage.choose(files, TOKENIZER, PROMPTS, made_voices(40))
    assert chosen["text"] == "float32"
    assert None in [tried["prompt_affect_tau_difference"] for tried in figures["tried"]]


def test_a_clip_is_heard_as_a_library_hears_it(files: dict[str, dict[str, Path]]) -> None:
    """The mean over its windows, renormalised; affect cut to the scale."""
    voices = made_voices(3)
    whole = Speech(voices.labels[:1], [[voices.windows[0][0], voices.windows[1][0]]], "one clip of two windows")
    apart = storage.hear(files["audio"][storage.FULL], voices)
    together = storage.hear(files["audio"][storage.FULL], whole)
    mean = apart.embedding[:2].mean(axis=0)
    np.testing.assert_allclose(together.embedding[0], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(together.affect[0], apart.affect[:2].mean(axis=0), atol=1e-6)
    assert ((apart.affect >= 1) & (apart.affect <= 7)).all()
