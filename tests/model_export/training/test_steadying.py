"""What no training touched is given a say, by a ridge regression that is exact, and nothing else of a run changes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.encoder import Encoder
from model_export import manifest, steadying
from model_export.errors import CorpusError, TrainingError
from model_export.export import export
from model_export.steadying import ridge, steady
from model_export.training import checkpoint, train
from model_export.training.config import Config
from tests.model_export.training.conftest import changed

pytestmark = pytest.mark.filterwarnings(
    # torch's exporter speaks of its own internals
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:.*The axis name.*:UserWarning",
)


def test_the_ridge_is_that_of_its_definition_stretched_to_the_spread_of_its_targets(config: Config) -> None:
    rng = np.random.default_rng(0)
    heard = rng.normal(size=(40, 2, 3, 4)).astype(np.float16)
    targets, counted = rng.normal(size=(40, 5)), rng.uniform(0.5, 2, size=40)
    found = ridge(heard, targets, counted, changed(config, steady={"share": 0.7, "penalty": 0.3}))
    x = np.concatenate([heard[:, 0].reshape(40, 12), heard[:, 1].reshape(40, 12)]).astype(np.float64)
    y, w = np.tile(targets, (2, 1)), np.tile(counted, 2) / counted.sum() / 2
    mean = w @ x
    deviation = np.sqrt(w @ (x - mean) ** 2)
    # The same as least squares with rows added that pull each weight towards zero.
    z = np.concatenate([np.sqrt(w)[:, None] * (x - mean) / deviation, np.sqrt(0.3) * np.eye(12)])
    aim = np.concatenate([np.sqrt(w)[:, None] * (y - w @ y), np.zeros((12, 5))])
    slope = np.linalg.lstsq(z, aim, rcond=None)[0] / deviation[:, None]
    slope *= np.sqrt((w @ (y - w @ y) ** 2).sum() / (w @ ((x - mean) @ slope) ** 2).sum())
    asked = rng.normal(size=(6, 12))
    with torch.inference_mode():
        said = found(torch.from_numpy(asked).float()).numpy()
    np.testing.assert_allclose(said, 0.7 * (w @ y + (asked - mean) @ slope), atol=1e-5)


@pytest.mark.timeout(300)
def test_a_steadied_run_is_the_run_and_the_ridge(config: Config, material: Path, tmp_path: Path) -> None:
    best = train(config, tmp_path / "run")
    rows = manifest.read(material / "made.csv")
    chosen = changed(config, features={"versions": 2, "folder": ""}, optimisation={"batch": 4})
    after, saved = checkpoint.load(steady(best, rows, tmp_path / "steadied", chosen))
    before, was = checkpoint.load(best)
    assert after.audio.steady is not None
    assert after.audio.steady.in_features == 2 * 2 * before.audio.encoder.width, "the stem and the block left alone"
    about = saved["provenance"].pop("steadying")
    assert saved["provenance"] == was["provenance"]
    held = set(was["provenance"]["validation_speakers"])
    assert about["clips"] == sum(row.speaker not in held for row in rows)

    samples, lengths = torch.randn(2, 9000), torch.tensor([9000, 7000])
    with torch.inference_mode():
        trained = before.audio(samples, lengths)
        first = before.audio.statistics(samples, lengths)[:, :2].flatten(1)
        expected = torch.nn.functional.normalize(trained + after.audio.steady(first), dim=1)
        torch.testing.assert_close(after.audio(samples, lengths), expected)
    assert (expected - trained).abs().max() > 1e-3

    sealed = export(after, tmp_path / "bundle", name="small", version="1", licence="none", provenance={}, int8=False)
    heard = Encoder.load(sealed.path, threads=1).embed_samples(samples[0].numpy()).embedding
    np.testing.assert_allclose(heard, expected[:1].numpy(), atol=1e-4)
    with pytest.raises(TrainingError, match="steadied already"):
        steady(tmp_path / "steadied", rows, tmp_path / "again", chosen)
    with pytest.raises(CorpusError, match="can be learnt from"):
        steady(best, rows[:3], tmp_path / "few", chosen)


@pytest.mark.parametrize("trained", ["all", "last-2"])
def test_without_a_block_left_alone_there_is_nothing_to_steady_by(config: Config, trained: str) -> None:
    with pytest.raises(TrainingError, match="trains every block"):
        steadying.untrained(changed(config, towers={"train_audio": trained}))
