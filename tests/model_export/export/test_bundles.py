"""What is exported computes what torch computes, and forgets nothing on the way to a bundle."""

import resource
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from encoders import bundle
from encoders.affect import HIGH, LOW
from encoders.encoder import Encoder
from encoders.errors import OutputError
from model_export import captions, export
from model_export.commands.shared import writing
from model_export.corpora import prepare
from model_export.errors import ExportError
from model_export.export import example_speech, onnx_graph
from model_export.export.bundles import calibrated, new_folder
from model_export.export.calibration import Calibration, calibrate
from model_export.export.validation_speech import Heard
from model_export.manifest import Row
from model_export.towers import Exported, TowerConfig, Towers, build, read_affect
from tests.model_export.conftest import small_towers
from tests.sounds import media, voice

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)

TEXT = onnx_graph.INPUTS["text"]


@pytest.fixture(scope="module")
def towers_once() -> Towers:
    return small_towers(seed=1)


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    """A calibration that doubles the spread of valence and moves arousal."""
    rng = np.random.default_rng(0)
    labels = rng.uniform(LOW, HIGH, (600, 2))
    return calibrate(labels * [0.5, 1.0] + [2.0, -0.5], labels, np.zeros(600), np.repeat(np.arange(6), 100))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, towers_once: Towers, fitted: Calibration) -> bundle.Bundle:
    target = tmp_path_factory.mktemp("export") / "bundle"
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 1, (40, 16))
    rows = [Row(Path("a.wav"), "c", f"c-{i % 4}", ("anger", "sadness")[i % 2], 4.0, 4.0) for i in range(40)]
    heard = Heard(rows, np.zeros((40, 2)), (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32))
    return export.export(
        towers_once,
        target,
        name="small",
        version="0.1",
        licence="none",
        provenance={"seed": 1, "corpora": ["a", "b"]},
        calibration=fitted,
        heard=heard,
    )


def run(path: Path, **inputs: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    embedding, affect = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return embedding, affect


def test_each_encoder_is_one_file_with_the_contracts_names(made: bundle.Bundle) -> None:
    assert sorted(path.name for path in made.path.iterdir()) == [
        "README.md",
        "audio.onnx",
        "bundle.json",
        "prompts.jsonl",
        "text.onnx",
        "tokenizer.json",
    ]
    for kind, names in onnx_graph.INPUTS.items():
        graph = onnx.load(made.path / f"{kind}.onnx").graph
        assert tuple(value.name for value in graph.input) == names
        assert [value.name for value in graph.output] == ["embedding", "affect"]


def test_the_bundle_says_where_it_comes_from(made: bundle.Bundle, fitted: Calibration) -> None:
    known = made.info.provenance
    assert known["seed"] == 1
    assert len(made.prompts) == len(captions.bank())
    assert (made.info.win_dur, made.info.hop_dur, made.info.embedding_dim) == (4.0, 2.0, 16)
    assert made.info.affect_interval == fitted.interval
    shares = known["term_shares"]
    assert isinstance(shares, dict)
    assert shares["clips"] == 40
    assert (made.info.term_shares is None) == ("no_temperature" in shares)
    assert isinstance(known["calibration"], dict)
    assert known["calibration"]["scale"] == fitted.scale.round(4).tolist()
    assert isinstance(known["storage"], dict)
    assert "made voices" in str(known["storage"]["examples"])


def test_the_card_holds_the_facts(made: bundle.Bundle) -> None:
    text = (made.path / "README.md").read_text(encoding="utf-8")
    interval = made.info.affect_interval
    assert interval is not None
    for fact in (
        "small 0.1",
        "none",
        "a, b",
        f"{len(made.prompts)} prompts",
        f"{interval.valence:.2f}",
        "6 validation",
    ):
        assert fact in text, fact


def test_calibration_moves_what_is_heard_and_leaves_texts_and_embeddings(
    made: bundle.Bundle, towers_once: Towers, fitted: Calibration
) -> None:
    samples, lengths = onnx_graph.audio_example(4, 30_000)
    with torch.inference_mode():
        embedding = towers_once.audio(samples, lengths)
        raw = towers_once.affect(embedding).numpy()
    found, affect = run(made.path / "audio.onnx", samples=samples, lengths=lengths)
    np.testing.assert_allclose(affect, fitted.offset + fitted.scale * raw, atol=0.02)
    np.testing.assert_allclose(found, embedding.numpy(), atol=0.02)
    assert np.abs(affect - raw).min(axis=0).max() > 0.3
    ids, attention = onnx_graph.text_example(4, 12)
    with torch.inference_mode():
        expected = towers_once.affect(towers_once.text(ids, attention)).numpy()
    np.testing.assert_allclose(
        run(made.path / "text.onnx", input_ids=ids, attention_mask=attention)[1], expected, atol=0.02
    )


def test_the_folded_read_out_is_the_affine_map_of_the_old_one(towers_once: Towers, fitted: Calibration) -> None:
    embedding = torch.nn.functional.normalize(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.inference_mode():
        before = towers_once.affect(embedding).numpy()
        after = read_affect(calibrated(towers_once.read_out, fitted), embedding).numpy()
    np.testing.assert_allclose(after, fitted.offset + fitted.scale * before, atol=1e-5)


def test_a_bundle_without_calibration_says_so(tmp_path: Path, towers_once: Towers) -> None:
    plain = export.export(
        towers_once, tmp_path / "plain", name="p", version="1", licence="none", provenance={}, int8=False
    )
    assert plain.info.affect_interval is None
    assert plain.info.provenance["storage"] == {"audio": "float32", "text": "float32"}
    assert "not calibrated" in (plain.path / "README.md").read_text(encoding="utf-8")
    samples, lengths = onnx_graph.audio_example(2, 20_000)
    with torch.inference_mode():
        expected = towers_once.affect(towers_once.audio(samples, lengths)).numpy()
    found = run(plain.path / "audio.onnx", samples=samples, lengths=lengths)[1]
    np.testing.assert_allclose(found, expected, atol=onnx_graph.TOLERANCE)


def test_a_text_is_the_same_alone_and_in_a_batch(made: bundle.Bundle) -> None:
    ids, attention = onnx_graph.text_example(5, 20)
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


def test_sound_is_the_same_alone_and_padded_beside_another(made: bundle.Bundle) -> None:
    samples, lengths = onnx_graph.audio_example(3, 30_000)
    together, affects = run(made.path / "audio.onnx", samples=samples, lengths=lengths)
    for row in range(3):
        alone, affect = run(
            made.path / "audio.onnx", samples=samples[row : row + 1, : lengths[row]], lengths=lengths[row : row + 1]
        )
        np.testing.assert_allclose(alone[0], together[row], atol=2e-5)
        np.testing.assert_allclose(affect[0], affects[row], atol=4e-4)


def test_the_serving_side_runs_what_was_exported(made: bundle.Bundle) -> None:
    encoder = Encoder.load(made.path, threads=1)
    _, affect = encoder.embed_clip(media(voice(1.0)))
    around = encoder.affect_range(affect)
    assert around is not None
    assert around.low.valence <= affect.valence <= around.high.valence
    assert np.linalg.norm(encoder.embed_prompts(["a calm voice"]).embedding) == pytest.approx(1.0, abs=1e-5)


def test_a_graph_that_differs_from_torch_is_not_released(tmp_path: Path, towers_once: Towers) -> None:
    module = Exported(towers_once.text, towers_once)
    onnx_graph.to_onnx(module, onnx_graph.text_example(3, 9), TEXT, tmp_path / "text.onnx")
    examples = [onnx_graph.text_example(2, 7)]
    assert onnx_graph.check(module, tmp_path / "text.onnx", examples, TEXT) < 1e-5
    other = small_towers(seed=2)
    with pytest.raises(ExportError, match=r"text\.onnx differs"):
        onnx_graph.check(Exported(other.text, other), tmp_path / "text.onnx", examples, TEXT)


def test_a_graph_that_computes_no_numbers_is_not_released(tmp_path: Path) -> None:
    broken = small_towers(seed=3)
    with torch.no_grad():
        broken.read_out.bias.fill_(float("nan"))
    module = Exported(broken.text, broken)
    onnx_graph.to_onnx(module, onnx_graph.text_example(3, 9), TEXT, tmp_path / "text.onnx")
    with pytest.raises(ExportError, match="differs"):
        onnx_graph.check(module, tmp_path / "text.onnx", [onnx_graph.text_example(2, 7)], TEXT)


def test_a_bundle_that_is_there_is_never_touched(tmp_path: Path, towers_once: Towers) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "README.md").write_text("mine")
    with pytest.raises(ExportError, match="is there already"):
        export.export(towers_once, target, name="b", version="1", licence="none", provenance={})
    assert [path.read_text() for path in tmp_path.rglob("*.md")] == ["mine"]


def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".bundle.partial").mkdir()
    (tmp_path / ".bundle.partial" / "audio.onnx").write_bytes(b"half")
    with new_folder(tmp_path / "bundle") as folder:
        assert list(folder.iterdir()) == []
        (folder / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "new"]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> None:
        with new_folder(tmp_path / "deep" / "bundle") as folder:
            (folder / "audio.onnx").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, towers_once: Towers) -> None:
    """A limit on the size of files stands for the full disk: writing fails in the middle of an encoder."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"bundle: cannot be written"), writing(tmp_path / "bundle"):
            export.export(towers_once, tmp_path / "bundle", name="b", version="1", licence="none", provenance={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.corpus
@pytest.mark.timeout(900)
def test_on_real_speech_the_bundle_computes_what_torch_computes(real_corpora: Path, tmp_path: Path) -> None:
    """The real backbones with a random head, on one clip of each emotion of RAVDESS."""
    torch.manual_seed(0)
    model = build(TowerConfig()).eval()
    rows = [row for row in prepare("ravdess", real_corpora / "ravdess") if row.speaker == "ravdess-01"]
    speech = example_speech.from_rows(rows, most=40)
    full = export.export(model, tmp_path / "full", name="f", version="1", licence="none", provenance={}, int8=False)
    small = export.export(
        model, tmp_path / "small", name="s", version="1", licence="none", provenance={}, speech=speech
    )
    encoder, shrunk = (Encoder.load(made.path, threads=1) for made in (full, small))
    for windows in speech.windows[:8]:
        with torch.inference_mode():
            expected = model.audio(torch.from_numpy(windows[0])[None], torch.tensor([windows[0].size])).numpy()
        np.testing.assert_allclose(encoder.embed_samples(windows[0]).embedding, expected, atol=1e-4)
        assert float((shrunk.embed_samples(windows[0]).embedding * expected).sum()) > 0.99
    stored = small.info.provenance["storage"]
    assert isinstance(stored, dict)
    assert stored["examples"] == "40 clips of ravdess"
    sizes = [sum(path.stat().st_size for path in made.path.glob("*.onnx")) for made in (full, small)]
    assert sizes[1] < sizes[0]
