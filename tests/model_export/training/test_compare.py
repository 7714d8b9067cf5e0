"""Kinds of loss are compared run by run, over seeds, on what each run did not hear."""

import json
from pathlib import Path

import pytest

from model_export.training import compare
from model_export.training.config import Config
from tests.model_export.training.conftest import changed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_kind_and_seed_is_trained_and_measured_once(config: Config, tmp_path: Path) -> None:
    config = changed(
        config, towers={"train_audio": "frozen"}, features={"versions": 1, "folder": ""}, optimisation={"steps": 3}
    )
    config = changed(config, data={"validation_share": 0.5})
    path = compare.compare(config, tmp_path, ("rnc", "sup_con"), (), (0, 1))
    found = json.loads(path.read_text(encoding="utf-8"))
    assert [(run["kind"], run["seed"]) for run in found["runs"]] == [
        ("rnc", 0),
        ("sup_con", 0),
        ("rnc", 1),
        ("sup_con", 1),
    ]
    for run in found["runs"]:
        assert run["clips"] == 12
        assert run["speakers"] == 3
        assert -1 <= run["graded_valence"] <= 1
        assert run["mmd"] >= 0
    assert len(list((tmp_path / "features").glob("audio-*/statistics.f16"))) == 1, "all runs share the features"
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/best.pt")}
    compare.compare(config, tmp_path, ("rnc", "sup_con"), (), (0, 1))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/best.pt")} == trained, "nothing is trained twice"


def test_the_lead_is_paired_by_seed() -> None:
    runs = [
        _run(kind, 0.2, seed, base + 0.1 * seed) for kind, base in (("rnc", 0.5), ("sup_con", 0.3)) for seed in range(3)
    ]
    found = compare.summary(runs)
    assert found["means"]["rnc"]["graded_valence"]["mean"] == pytest.approx(0.6)
    low, high = found["means"]["rnc"]["graded_valence"]["interval"]
    assert high - low == pytest.approx(2 * 4.3027 * 0.1 / 3**0.5, abs=1e-3), "Student's t of three"
    lead = {"mean": 0.2, "interval": [0.2, 0.2]}
    assert found["lead"] == {"rnc over sup_con": {"graded_valence": lead, "graded_arousal": lead}}
    assert compare.summary(runs[::3])["means"]["rnc"]["graded_valence"]["interval"] is None


def test_each_kind_is_judged_at_its_own_best_temperature() -> None:
    runs = [
        _run("rnc", 0.1, 0, 0.6),
        _run("rnc", 0.2, 0, 0.5),
        _run("sup_con", 0.1, 0, 0.1),
        _run("sup_con", 0.2, 0, 0.4),
    ]
    found = compare.summary(runs)
    assert found["best_temperature"] == {"rnc": 0.1, "sup_con": 0.2}
    assert found["lead"]["rnc over sup_con"]["graded_valence"]["mean"] == pytest.approx(0.2)


def _run(kind: str, temperature: float, seed: int, tau: float) -> dict[str, object]:
    graded = {"graded_valence": tau, "graded_arousal": tau}
    return {"kind": kind, "temperature": temperature, "seed": seed, "step": 5, **graded}
