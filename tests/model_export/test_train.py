"""The loop learns order, and a run can be exported and measured from the command line."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from model_export import captions, corpora, data, manifest, train
from model_export.errors import TrainingError
from model_export.towers import Towers


def test_a_few_steps_bring_the_order_of_affect_into_the_space(towers: Towers) -> None:
    config = train.Config(manifests=(), temperature=0.2)
    rng = torch.Generator().manual_seed(0)
    affect = 1 + 6 * torch.rand(24, 2, generator=rng)
    # Sentence vectors that hold the affect, behind a random rotation.
    rotation = torch.randn(2, 32, generator=rng)
    vectors = affect @ rotation
    text_parameters = [*towers.text.projection.parameters(), *towers.read_out.parameters()]
    audio = torch.nn.Linear(2, 16)
    optimiser = torch.optim.Adam([*text_parameters, *audio.parameters()], lr=1e-2)
    towers.train()
    history = []
    for _ in range(60):
        sound = torch.nn.functional.normalize(audio(affect), dim=1)
        loss = train.loss_of(towers, config, sound, towers.text.project(vectors), affect, affect)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append(loss.item())
    assert history[-1] < 0.8 * history[0]
    assert (towers.affect(sound) - affect).abs().mean() < 0.8


def test_the_rate_warms_up_and_ends_at_nothing() -> None:
    config = train.Config(manifests=(), steps=100, warm_up=0.1)
    rates = [train._rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[100] == pytest.approx(0.0, abs=1e-9)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_batches_are_drawn_alike_for_the_same_seed(ravdess: Path) -> None:
    clips = data.load(corpora.prepare("ravdess", ravdess)[:16])
    pool = captions.pool(frames_each=1, blends=50)
    config = train.Config(manifests=(), batch=6, extra_captions=5, crop_seconds=(0.3, 0.5))
    one, two = (iter(train.Batches(clips, pool, config)) for _ in range(2))
    for _ in range(2):
        (samples, lengths, affect, chosen), again = next(one), next(two)
        torch.testing.assert_close(samples, again[0])
        assert np.array_equal(chosen, again[3])
        assert samples.shape[0] == len(lengths) == len(affect) == 6
        assert len(chosen) == 11


def test_too_few_clips_and_a_single_emotion_are_refused(ravdess: Path, tmp_path: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)
    path = tmp_path / "manifest.csv"
    manifest.write(rows, path)
    with pytest.raises(TrainingError, match="fewer than a batch"):
        train.train(train.Config(manifests=(str(path),), batch=500), tmp_path / "run")
    manifest.write([row for row in rows if row.emotion == "anger"], path)
    with pytest.raises(TrainingError, match="one emotion"):
        train.train(train.Config(manifests=(str(path),), batch=2), tmp_path / "run")


def test_a_checkpoint_is_refused_when_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(TrainingError, match=r"checkpoint\.pt"):
        train.load(path)
    torch.save({"model": {}}, path)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        train.load(path)
    for content in (b"", b"no archive at all"):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="not a checkpoint"):
            train.load(path)


def cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotionrank", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_a_corpus_to_a_measured_bundle(ravdess: Path, tmp_path: Path) -> None:
    table, run, made = tmp_path / "ravdess.csv", tmp_path / "run", tmp_path / "bundle"
    assert cli("corpus", "prepare", "ravdess", ravdess, "--output", table).returncode == 0
    trained = cli("train", table, "--run", run, "--steps", "3", "--batch", "8", "--validate-every", "2")
    assert trained.returncode == 0, trained.stderr
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entry["step"] for entry in log] == [2, 3]
    assert cli("export", run / "checkpoint.pt", "--output", made, "--licence", "none").returncode == 0
    again = cli("export", run / "checkpoint.pt", "--output", made, "--licence", "none")
    assert (again.returncode, "is there already" in again.stderr) == (2, True), "never over a bundle in use"
    assert cli("train", table, "--run", run).returncode == 2, "never over a run"
    assert "too few" in cli("evaluate", table, "--bundle", made).stderr, "never on speakers it was trained on"
    table.write_text(table.read_text(encoding="utf-8").replace(",ravdess,", ",other,"), encoding="utf-8")
    measured = cli("evaluate", table, "--bundle", made, "--json")
    assert measured.returncode == 0, measured.stderr
    scores = json.loads(measured.stdout)
    assert scores["clips"] == 32
    assert -1 <= scores["affect"]["arousal"]["tau"] <= 1
    provenance = json.loads((made / "bundle.json").read_text(encoding="utf-8"))["provenance"]
    assert provenance["corpora"] == ["ravdess"]
    assert len(provenance["validation_speakers"]) == 1
