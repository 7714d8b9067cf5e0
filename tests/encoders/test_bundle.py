"""A bundle is sealed once, checked whenever it is loaded, and known by its fingerprint."""

import json
import shutil
from pathlib import Path

import pytest

from encoders import bundle
from encoders.affect import Affect
from encoders.errors import BundleInvalid, BundleNotFound
from encoders.terms import TermShares

FIELDS: dict[str, object] = {
    "name": "test",
    "version": "1.0",
    "licence": "CC0-1.0",
    "embedding_dim": 512,
    "win_dur": 4.0,
    "hop_dur": 2.0,
    "provenance": {"seed": 7, "corpora": ["a", "b"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a bundle that is not sealed yet."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / bundle.AUDIO).write_bytes(b"audio model")
    (folder / bundle.TEXT).write_bytes(b"text model")
    (folder / bundle.TOKENIZER).write_text("{}")
    lines = [
        {"text": "an angry voice", "term": "anger", "valence": 2.0, "arousal": 6.0},
        {"text": "a calm voice", "term": "calm", "valence": 5.0, "arousal": 2.5},
    ]
    (folder / bundle.PROMPTS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / bundle.CARD).write_text("# A model card")
    return folder


def _edit(folder: Path, **changes: object) -> None:
    info = json.loads((folder / bundle.INFO).read_text())
    (folder / bundle.INFO).write_text(json.dumps(info | changes))


def test_a_sealed_bundle_loads_with_its_prompts(folder: Path) -> None:
    info = bundle.seal(folder, **FIELDS)
    loaded = bundle.load(folder)
    assert loaded.info == info
    assert loaded.info.win_dur == 4.0
    assert loaded.info.provenance == FIELDS["provenance"]
    assert set(loaded.info.files) == set(bundle.REQUIRED)
    assert loaded.prompts[0] == bundle.Prompt("an angry voice", "anger", Affect(2.0, 6.0))
    assert len(loaded.prompts) == 2
    assert loaded.file(bundle.AUDIO) == folder / "audio.onnx"


def test_a_bundle_may_state_how_far_off_its_affect_is(folder: Path) -> None:
    bundle.seal(folder, **FIELDS | {"affect_interval": {"level": 0.9, "valence": 2.0, "arousal": 1.25}})
    interval = bundle.load(folder).info.affect_interval
    assert interval is not None
    around = interval.around(Affect(2.5, 6.0))
    assert around == (0.9, Affect(1.0, 4.75), Affect(4.5, 7.0))


def test_a_bundle_may_state_how_terms_get_their_shares(folder: Path) -> None:
    bundle.seal(folder, **FIELDS | {"term_shares": {"temperature": 0.2, "terms": ["anger"]}})
    assert bundle.load(folder).info.term_shares == TermShares(temperature=0.2, terms=("anger",))


def test_a_bundle_without_an_interval_is_written_as_it_always_was(folder: Path) -> None:
    bundle.seal(folder, **FIELDS)
    assert not {"affect_interval", "term_shares"} & set(json.loads((folder / bundle.INFO).read_text()))
    assert bundle.load(folder).info.affect_interval is None


def test_the_fingerprint_is_the_same_for_the_same_bundle_elsewhere(folder: Path, tmp_path: Path) -> None:
    bundle.seal(folder, **FIELDS)
    before = bundle.load(folder).fingerprint
    shutil.copytree(folder, tmp_path / "copy")
    bundle.seal(tmp_path / "copy", **FIELDS)
    assert bundle.load(tmp_path / "copy").fingerprint == before
    assert len(before) == 64


def test_another_model_or_field_is_another_fingerprint(folder: Path) -> None:
    bundle.seal(folder, **FIELDS)
    first = bundle.load(folder).fingerprint
    bundle.seal(folder, **FIELDS | {"hop_dur": 1.0})
    second = bundle.load(folder).fingerprint
    (folder / bundle.TEXT).write_bytes(b"another text model")
    bundle.seal(folder, **FIELDS)
    assert len({first, second, bundle.load(folder).fingerprint}) == 3


def test_mending_the_model_card_keeps_the_bundle(folder: Path) -> None:
    bundle.seal(folder, **FIELDS)
    before = bundle.load(folder).fingerprint
    (folder / bundle.CARD).write_text("# A model card, mended")
    assert bundle.load(folder).fingerprint == before


@pytest.mark.parametrize("name", bundle.REQUIRED)
def test_a_changed_file_is_found(folder: Path, name: str) -> None:
    bundle.seal(folder, **FIELDS)
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleInvalid, match=f"damaged: {name}"):
        bundle.load(folder)


@pytest.mark.parametrize("name", bundle.REQUIRED)
def test_a_missing_file_is_found_at_loading_and_at_sealing(folder: Path, name: str) -> None:
    bundle.seal(folder, **FIELDS)
    (folder / name).unlink()
    with pytest.raises(BundleInvalid, match=f"incomplete: {name}"):
        bundle.load(folder)
    with pytest.raises(BundleInvalid, match=name):
        bundle.seal(folder, **FIELDS)


def test_no_bundle_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"nowhere.*EMOTIONRANK_BUNDLE"):
        bundle.load(tmp_path / "nowhere")


def test_another_format_says_so(folder: Path) -> None:
    bundle.seal(folder, **FIELDS)
    _edit(folder, format=2)
    with pytest.raises(BundleInvalid, match="another format than 1"):
        bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"hop_dur": 5.0},
        {"win_dur": 0},
        {"sample_rate": 44_100},
        {"affect_scale": [0, 1]},
        {"surprise": True},
        {"files": {}},
        {"files": {"../../secret": "0" * 64}},
        {"licence": ""},
        {"affect_interval": {"level": 1.0, "valence": 1, "arousal": 1}},
        {"affect_interval": {"level": 0.9, "valence": -1, "arousal": 1}},
        {"affect_interval": {"level": 0.9, "valence": 1}},
        {"term_shares": {"temperature": 0, "terms": ["anger"]}},
        {"term_shares": {"temperature": 0.1, "terms": []}},
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(folder: Path, changes: dict[str, object]) -> None:
    bundle.seal(folder, **FIELDS)
    _edit(folder, **changes)
    with pytest.raises(BundleInvalid, match=str(folder)):
        bundle.load(folder)


def test_bundle_json_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / bundle.INFO).write_bytes(b"\xff{")
    with pytest.raises(BundleInvalid, match=r"bundle\.json"):
        bundle.load(folder)


@pytest.mark.parametrize(
    "line",
    ['{"text": "x"}', "no json", '{"text": "x", "term": "y", "valence": 8, "arousal": 1}', "\n"],
)
def test_a_prompt_line_that_is_wrong_is_named_before_sealing(folder: Path, line: str) -> None:
    with (folder / bundle.PROMPTS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BundleInvalid, match="line 3"):
        bundle.seal(folder, **FIELDS)


def test_sealing_refuses_a_wrong_field(folder: Path) -> None:
    with pytest.raises(BundleInvalid, match="embedding_dim"):
        bundle.seal(folder, **FIELDS | {"embedding_dim": 0})
    assert not (folder / bundle.INFO).exists()


def test_the_default_is_the_released_bundle_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOTIONRANK_BUNDLE", str(tmp_path))
    assert bundle.default_path() == tmp_path
    monkeypatch.delenv("EMOTIONRANK_BUNDLE")
    assert bundle.default_path().parts[-2:] == ("models", "emotionrank-base")
