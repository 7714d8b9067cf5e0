"""A run learns, can be stopped at any time and goes on to the same weights, and refuses what it cannot do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from model_export import manifest, training
from model_export.errors import CorpusError, StoppedError, TrainingError
from model_export.training import checkpoint, loop, setup
from model_export.training.config import Config, from_file, to_dict, to_toml
from model_export.training.sources import Waveforms
from model_export.training.watch import read_log
from tests.model_export.training.conftest import changed


def last(run: Path) -> dict[str, Any]:
    return checkpoint.read(run / checkpoint.LAST, checkpoint.LAST)


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Hold what two files of a run hold to each other, bit for bit."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        if key in ("weights", "average", "optimiser"):
            torch.testing.assert_close(value, other[key], rtol=0, atol=0, msg=key)
        else:
            assert value == other[key], key


def cli(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emotionrank", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_is_a_folder_with_all_that_it_was(config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert training.train(config, run) == run / "best.pt"
    lines = read_log(run)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if "valence" in line] == [2, 4, 6]
    assert from_file(str(run / "config.toml")) == config
    assert (run / "training.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert list((run / "tensorboard").iterdir())
    model, saved = training.load(run)
    assert not model.training
    best = max(lines, key=lambda line: (line.get("valence", -9) + line.get("arousal", -9), -line["step"]))
    assert saved["step"] == best["step"]
    assert saved["validation"] == pytest.approx({name: best[name] for name in ("valence", "arousal")}, abs=1e-5)
    assert saved["provenance"]["corpora"] == ["made"]
    assert len(saved["provenance"]["validation_speakers"]) == 1
    with pytest.raises(TrainingError, match="holds a run already"):
        training.train(config, run)


@pytest.mark.parametrize("audio", ["last-1", "frozen"])
def test_what_is_trained_moves_and_what_is_frozen_does_not(config: Config, tmp_path: Path, audio: str) -> None:
    config = changed(config, towers={"train_audio": audio, "train_text": "last-1"}, loss={"learn_temperature": True})
    torch.manual_seed(config.seed)
    before = setup.Learner(config)
    training.train(config, tmp_path / "run")
    weights = last(tmp_path / "run")["weights"]
    assert weights.keys() == checkpoint.trained(before).keys()
    assert any("text.encoder" in name for name in weights)
    assert any("audio.encoder" in name for name in weights) == (audio == "last-1")
    still = [name for name, weight in checkpoint.trained(before).items() if torch.equal(weight, weights[name])]
    # Keys' offsets cancel in the softmax of attention.
    assert [name for name in still if not name.endswith("key.bias")] == []
    training.load(tmp_path / "run")


@pytest.mark.parametrize("kind", ["rnc", "cross_entropy", "sup_con"])
def test_every_loss_trains_on_kept_features(config: Config, tmp_path: Path, kind: str) -> None:
    config = changed(
        config,
        towers={"train_audio": "frozen"},
        loss={"kind": kind, "rating_spread": True},
        features={"folder": str(tmp_path / "features"), "versions": 2},
        optimisation={"steps": 40, "validate_every": 40},
    )
    training.train(config, tmp_path / "run")
    losses = [line["loss"] for line in read_log(tmp_path / "run")]
    assert losses[-1] < losses[4]


def test_kept_features_are_computed_once_and_are_those_of_the_tower(config: Config, tmp_path: Path) -> None:
    config = changed(
        config, towers={"train_audio": "frozen"}, features={"folder": str(tmp_path / "features"), "versions": 3}
    )
    rows_of = setup.read(config)
    setting = setup.prepare(config, rows_of, tmp_path, torch.device("cpu"))
    tower = setting.learner.towers.audio.eval()
    (kept,) = setting.source.plain(setting.held)
    fresh = Waveforms.of(setting.rows, config)
    with torch.inference_mode():
        expected = tower.statistics(*fresh.plain(setting.held))
    torch.testing.assert_close(kept, expected, rtol=2e-3, atol=2e-3)

    (file,) = (tmp_path / "features").glob("audio-*/statistics.f16")
    whole, changed_at = file.read_bytes(), file.stat().st_mtime_ns
    again = setup.prepare(changed(config, loss={"kind": "sup_con"}), rows_of, tmp_path, torch.device("cpu"))
    assert torch.equal(again.source.plain(setting.held)[0], kept)
    assert file.stat().st_mtime_ns == changed_at, "nothing is computed twice"
    # A computation that was cut off goes on from the last whole clip.
    file.write_bytes(whole[: len(whole) // 2 + 5])
    setup.prepare(config, rows_of, tmp_path, torch.device("cpu"))
    assert len(file.read_bytes()) == len(whole)
    setup.prepare(changed(config, augmentation={"gain_db": 3.0}), rows_of, tmp_path, torch.device("cpu"))
    assert len(list((tmp_path / "features").glob("audio-*/statistics.f16"))) == 2, "another augmentation, another key"


def test_a_full_disk_is_said_and_leaves_the_checkpoint_before(config: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    short = changed(config, optimisation={"steps": 2})
    training.train(short, run)
    before = (run / checkpoint.LAST).read_bytes()
    (run / "last.partial").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"last\.pt.*No space left.*untouched"):
        checkpoint.save(run / checkpoint.LAST, {"much": torch.zeros(100_000)})
    assert (run / checkpoint.LAST).read_bytes() == before
    assert not (run / "last.partial").exists()


def test_early_stopping_ends_a_run_that_gets_no_better(config: Config, tmp_path: Path) -> None:
    hopeless = changed(
        config,
        optimisation={"steps": 60, "patience": 2, "head_rate": 1e-12, "encoder_rate": 1e-12, "validate_every": 1},
    )
    training.train(hopeless, tmp_path / "run")
    assert len(read_log(tmp_path / "run")) == 3
    assert training.load(tmp_path / "run")[1]["step"] == 1
    training.train(hopeless, tmp_path / "run", resume=True)
    assert len(read_log(tmp_path / "run")) == 3, "it is finished"


def stopped_after(step: int, config: Config, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, with a Ctrl-C in the middle of a step."""
    gradient = loop.step_gradient

    def interrupted(*arguments: Any) -> torch.Tensor:
        if arguments[1].step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return gradient(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "step_gradient", interrupted)
        with pytest.raises(StoppedError, match=f"after step {step}.*--resume"):
            loop.train(config, run)


@pytest.mark.parametrize("audio", ["last-1", "frozen"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audio: str
) -> None:
    config = changed(
        config,
        towers={"train_audio": audio, "dropout": 0.3},
        loss={"learn_temperature": True},
        optimisation={"micro_batch": 3},
    )
    one, other = tmp_path / "one", tmp_path / "other"
    training.train(config, one)
    stopped_after(3, config, other, monkeypatch)
    assert last(other)["step"] == 3
    torch.manual_seed(77)  # whatever else happened in the process
    training.train(config, other, resume=True)
    same(last(other), last(one))
    same(*(checkpoint.read(run / checkpoint.BEST, checkpoint.BEST) for run in (other, one)))
    assert read_log(other) == read_log(one)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_that_was_killed_ends_as_one_that_was_not(config: Config, tmp_path: Path) -> None:
    config = changed(config, optimisation={"steps": 60, "validate_every": 30, "checkpoint_every": 1})
    (tmp_path / "run.toml").write_text(to_toml(config), encoding="utf-8")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = cli("train", "--config", tmp_path / "run.toml", "--run", killed)
    until = time.monotonic() + 100
    while not (killed / "last.pt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert 0 < last(killed)["step"] < 60
    training.train(config, killed, resume=True)
    training.train(config, whole)
    same(last(killed), last(whole))
    assert read_log(killed) == read_log(whole)


def test_a_run_goes_on_only_as_what_it_was(
    config: Config, tmp_path: Path, material: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="no run to resume"):
        training.train(config, run, resume=True)
    table = tmp_path / "made.csv"
    rows = manifest.read(material / "made.csv")
    manifest.write(rows, table)
    config = Config.of({**to_dict(config), "manifests": [str(table)]}, "made")
    stopped_after(2, config, run, monkeypatch)
    with pytest.raises(TrainingError, match=r"optimisation\.batch: 8 and 9"):
        training.train(changed(config, optimisation={"batch": 9}), run, resume=True)
    manifest.write(rows[1:], table)
    with pytest.raises(TrainingError, match=r"made\.csv: other clips or labels"):
        training.train(config, run, resume=True)


def test_checkpoints_of_other_backbones_or_none_are_refused(config: Config, tmp_path: Path) -> None:
    training.train(changed(config, optimisation={"steps": 2}), tmp_path / "run")
    path = tmp_path / "run" / "best.pt"
    saved = checkpoint.read(path, checkpoint.BEST)
    for wrong, said in (
        ({"kind": checkpoint.LAST}, r"this is a last\.pt"),
        ({"frozen": "0" * 64}, "other frozen weights"),
        ({"average": {}}, "not a checkpoint"),
        ({"config": {"towers": {"width": 3}}}, "towers.width"),
        ({"step": None, "form": 1}, "not a checkpoint"),
    ):
        torch.save({**saved, **wrong}, path)
        with pytest.raises(TrainingError, match=said):
            training.load(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        training.load(path)
    for content in (b"", b"no archive at all"):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="not a checkpoint"):
            training.load(path)
    with pytest.raises(TrainingError, match=r"nowhere"):
        training.load(tmp_path / "nowhere")


def with_rows(config: Config, rows: list[manifest.Row], folder: Path) -> Config:
    manifest.write(rows, folder / "changed.csv")
    return Config.of({**to_dict(config), "manifests": [str(folder / "changed.csv")]}, "changed")


def test_data_that_cannot_work_is_refused(config: Config, tmp_path: Path, material: Path) -> None:
    rows = manifest.read(material / "made.csv")
    angry = [row for row in rows if row.emotion == "anger"]
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="fewer than a batch of 500"):
        training.train(changed(config, optimisation={"batch": 500}), run)
    with pytest.raises(TrainingError, match=r"one emotion \(anger\)"):
        training.train(changed(with_rows(config, angry, tmp_path), optimisation={"batch": 2}), run)
    with pytest.raises(TrainingError, match="no manifest"):
        training.train(Config(), run)
    for name in ("lost-1.wav", "lost-2.wav"):
        rows.append(manifest.Row(tmp_path / name, "made", "made-9", "anger", 2.0, 6.0))
    with pytest.raises(CorpusError, match=r"2 of 26 files are missing(.|\n)*lost-1.wav(.|\n)*lost-2.wav"):
        training.train(with_rows(config, rows, tmp_path), run)
    with pytest.raises(CorpusError, match="named twice"):
        training.train(with_rows(config, [*rows[:24], rows[3]], tmp_path), run)
    assert not (run / "last.pt").exists()


def test_rows_without_affect_are_left_out_aloud(
    config: Config, tmp_path: Path, material: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = manifest.read(material / "made.csv")
    nan = float("nan")
    rows.append(manifest.Row(tmp_path / "unlabelled.wav", "made", "made-0", "anger", nan, nan))
    rows.append(manifest.Row(tmp_path / "cut.wav", "made", "made-0", "anger", 2.0, 6.0, complete=False))
    found = setup.read(with_rows(config, rows, tmp_path))
    assert sum(map(len, found.values())) == 24
    said = capsys.readouterr().err
    assert "1 clips that have no valence and arousal (1 of made)" in said
    assert "1 clips that are incomplete" in said


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_command_says_what_to_do(config: Config, tmp_path: Path, material: Path) -> None:
    (tmp_path / "c.toml").write_text(to_toml(config), encoding="utf-8")
    process = cli("train", material / "made.csv", "--config", tmp_path / "c.toml", "--run", tmp_path / "run",
                  "--set", "optimisation.steps=2", "--set", "optimisation.stepps=2")  # fmt: skip
    _, said = process.communicate()
    assert (process.returncode, "optimisation.stepps" in said, "Traceback" in said) == (2, True, False)
    process = cli("train", material / "made.csv", "--config", tmp_path / "c.toml", "--run", tmp_path / "run",
                  "--set", "optimisation.steps=100000")  # fmt: skip
    until = time.monotonic() + 100
    while not (tmp_path / "run" / "last.pt").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert f"emotionrank train --run {tmp_path / 'run'} --resume" in said
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert last(tmp_path / "run")["step"] == log[-1]["step"]
