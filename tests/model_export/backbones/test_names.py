"""A name gives the model that it names or an error that says what to do; never half a model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from model_export import backbones
from model_export.errors import BackboneError
from tests.model_export.backbones import small


@pytest.mark.parametrize("name", ["/no/such/folder", "./here", "~/nothing", "models/some/where"])
def test_a_folder_that_is_not_there_is_said_at_once(name: str) -> None:
    with pytest.raises(BackboneError, match="there is no folder"):
        backbones.speech(name)
    with pytest.raises(BackboneError, match="there is no folder"):
        backbones.text(name)


def test_a_name_without_a_network_asks_for_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for read in (backbones.speech, backbones.text):
        with pytest.raises(BackboneError, match=r'"owner/a-name" is no folder here.*give its folder$'):
            read("owner/a-name")


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_an_error_and_no_hang() -> None:
    code = (
        "from model_export import backbones\n"
        "from model_export.errors import BackboneError\n"
        "for read in (backbones.speech, backbones.text):\n"
        "    try:\n        read('microsoft/wavlm-base')\n"
        "    except BackboneError as error:\n        print(error)\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith('"microsoft/wavlm-base" is no folder here')
        assert line.endswith("download the model where there is a network and give its folder")


def test_a_folder_without_a_model_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no config\.json"):
        backbones.speech(str(tmp_path))
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BackboneError, match="no readable model"):
        backbones.speech(str(tmp_path))
    with pytest.raises(BackboneError, match="is a file"):
        backbones.text(str(tmp_path / "config.json"))
    for read in (backbones.speech, backbones.text):
        with pytest.raises(BackboneError, match="is empty"):
            read("")


def test_a_model_of_an_unknown_family_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r'"bert" is no speech encoder.*whisper, wavlm, hubert, wav2vec2'):
        backbones.speech(small.saved(small.text_model("bert"), tmp_path))


def test_a_model_with_code_of_its_own_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    settings = {"model_type": "ser", "auto_map": {"AutoConfig": "code.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "code.py").write_text("raise SystemExit", encoding="utf-8")
    with pytest.raises(BackboneError, match=r'no "ser".*save that one by itself'):
        backbones.speech(str(tmp_path))


def test_missing_foreign_and_broken_weights_are_refused(tmp_path: Path) -> None:
    name = small.saved(small.wave_model("hubert", small.BASE), tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    kept = {key: value for key, value in weights.items() if "layers.1" not in key}
    save_file(kept, path, {"format": "pt"})
    with pytest.raises(BackboneError, match=r"weights are not in its file \(such as encoder\.layers\.1"):
        backbones.speech(name)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    save_file(weights, path, {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": 64}), encoding="utf-8")
    with pytest.raises(BackboneError, match="no readable model"):
        backbones.speech(name)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    path.write_bytes(b"nothing")
    with pytest.raises(BackboneError, match="no readable model"):
        backbones.speech(name)
    path.unlink()
    with pytest.raises(BackboneError, match="no readable model"):
        backbones.speech(name)


@pytest.mark.parametrize("prefix", ["wavlm.", "ssl_model."])
@pytest.mark.parametrize("old", [False, True])
def test_weights_of_a_fine_tuned_model_are_found_under_their_prefix(prefix: str, old: bool, tmp_path: Path) -> None:
    """The weight norm of older files has other names; a wrapper's config names the encoder inside."""
    model = small.wave_model("wavlm", small.LARGE)
    inner, name = small.saved(model, tmp_path / "inner"), small.saved(model, tmp_path / "tuned")
    weights = {prefix + key: value for key, value in load_file(tmp_path / "inner" / "model.safetensors").items()}
    if old:
        names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        for new, before in names.items():
            weights = {key.replace(new, before): value for key, value in weights.items()}
        assert any(key.endswith("weight_g") for key in weights)
    weights["classifier.weight"] = torch.zeros(3, 32)
    save_file(weights, tmp_path / "tuned" / "model.safetensors", {"format": "pt"})
    if prefix == "ssl_model.":
        settings = {"model_type": "ser", "ssl_type": inner, "auto_map": {"AutoConfig": "code.Config"}}
        (tmp_path / "tuned" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = backbones.speech(name)
    states, _ = found(torch.ones(1, 4_000), torch.tensor([4_000]))
    expected, _ = backbones.WaveEncoder(model)(torch.ones(1, 4_000), torch.tensor([4_000]))
    torch.testing.assert_close(states, expected)
