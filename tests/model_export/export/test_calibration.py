"""Calibration matches spread and means and keeps order; the interval covers unseen speakers as often as it says."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.affect import HIGH, LOW
from model_export.errors import CalibrationError
from model_export.export import calibration
from model_export.export.calibration import calibrate, fit, half_width

Floats = npt.NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def clips(
    seed: int, speakers: int = 8, each: int = 60, squeeze: float = 0.4
) -> tuple[Floats, Floats, list[str], list[str]]:
    """Labels of six emotions, and predictions that crowd around a wrong mean."""
    rng = np.random.default_rng(seed)
    places = np.array([[2, 6], [6, 5.5], [2, 2.5], [4, 3.5], [5.5, 2], [2.5, 5]])
    emotion = rng.integers(len(places), size=speakers * each)
    labels = np.clip(places[emotion] + rng.normal(0, 0.3, (len(emotion), 2)), LOW, HIGH)
    predicted = 3.5 + squeeze * (labels - 4) + rng.normal(0, 0.3, labels.shape)
    return predicted, labels, [f"c/{e}" for e in emotion], [f"s{i // each}" for i in range(len(emotion))]


def concordance(x: Floats, y: Floats) -> float:
    """Lin's concordance correlation coefficient."""
    return float(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


@given(seeds)
@settings(max_examples=20)
def test_with_many_clips_means_and_spreads_agree_and_no_affine_map_has_a_higher_concordance(seed: int) -> None:
    predicted, labels, _, _ = clips(seed, speakers=40, each=100)
    cells = np.zeros(len(labels))
    scale, offset = fit(predicted, labels, cells)
    readings = offset + scale * predicted
    assert readings.mean(axis=0) == pytest.approx(labels.mean(axis=0), abs=0.02)
    assert readings.std(axis=0) == pytest.approx(labels.std(axis=0), rel=0.02)
    rng = np.random.default_rng(seed)
    for axis in range(2):
        best = concordance(readings[:, axis], labels[:, axis])
        for _ in range(20):
            other = readings[:, axis] * rng.uniform(0.5, 1.5) + rng.uniform(-1, 1)
            assert concordance(other, labels[:, axis]) <= best + 1e-3


@given(seeds, st.floats(0.2, 3), st.floats(-2, 2))
@settings(max_examples=30)
def test_moving_and_stretching_labels_and_predictions_moves_and_stretches_the_map(
    seed: int, stretch: float, move: float
) -> None:
    predicted, labels, cells, _ = clips(seed, each=10)
    scale, offset = fit(predicted, labels, np.array(cells))
    again, moved = fit(stretch * predicted + move, stretch * labels + move, np.array(cells))
    assert again == pytest.approx(scale)
    assert moved + again * (stretch * predicted + move) == pytest.approx(stretch * (offset + scale * predicted) + move)


@given(seeds)
@settings(max_examples=20)
def test_calibration_keeps_the_order_of_each_axis(seed: int) -> None:
    predicted, labels, cells, speakers = clips(seed, each=15)
    found = calibrate(predicted, labels, cells, speakers)
    assert (found.scale > 0).all()
    readings = found.offset + found.scale * predicted
    for axis in range(2):
        assert (np.argsort(readings[:, axis]) == np.argsort(predicted[:, axis])).all()
    assert found(predicted) == pytest.approx(np.clip(readings, LOW, HIGH))


def test_every_cell_counts_as_much_as_any_other() -> None:
    """Ten times the clips of one emotion, all alike, change next to nothing."""
    predicted, labels, cells, _ = clips(0, each=200)
    cell = np.array(cells)
    predicted[cell == "c/0"] = 3.5  # an emotion that is not heard
    many = np.concatenate([np.arange(len(cell)), *[np.flatnonzero(cell == "c/0")] * 9])
    scale, offset = fit(predicted, labels, cell)
    again, moved = fit(predicted[many], labels[many], cell[many])
    unbalanced, _ = fit(predicted[many], labels[many], np.zeros(len(many)))
    assert again == pytest.approx(scale, rel=0.02)
    assert moved == pytest.approx(offset, abs=0.1)
    assert np.abs(unbalanced - scale).max() > 0.05


def test_few_clips_are_believed_less() -> None:
    predicted, labels, cells, _ = clips(1, speakers=3, each=200)
    scales = [fit(predicted[:n], labels[:n], np.array(cells[:n]))[0] for n in (6, 20, 60, 600)]
    assert all((scale > 1).all() for scale in scales)
    distance = [float(np.abs(np.log(scale)).mean()) for scale in scales]
    assert distance == sorted(distance)
    assert distance[0] < 0.35 * distance[-1]


@given(st.lists(st.floats(0, 6), min_size=1, max_size=200), st.floats(0.5, 0.99))
def test_the_half_width_is_the_finite_sample_quantile(residuals: list[float], level: float) -> None:
    n = len(residuals)
    rank = math.ceil((n + 1) * level - 1e-6)
    expected = sorted(residuals)[rank - 1] if rank <= n else math.inf
    assert half_width(np.array(residuals), np.full(n, 1 / n), level) == expected


def test_the_half_width_covers_exchangeable_data_as_often_as_it_says() -> None:
    """Vovk's guarantee: the chance that a new residual is within is at least the level, whatever n."""
    rng = np.random.default_rng(0)
    rounds = 2000
    for n, level in ((19, 0.9), (30, 0.9), (100, 0.8)):
        draws = rng.gamma(1.0, size=(rounds, n + 1))
        covered = np.mean([draw[n] <= half_width(draw[:n], np.full(n, 1 / n), level) for draw in draws])
        error = 3 * math.sqrt(level * (1 - level) / rounds)
        assert level - error <= covered <= level + 1 / (n + 1) + error


def test_new_speakers_are_covered_as_often_as_the_interval_says() -> None:
    covered = []
    for seed in range(15):
        predicted, labels, cells, speakers = clips(seed, speakers=10, each=40)
        known = np.array([s not in {"s0", "s1"} for s in speakers])
        found = calibrate(predicted[known], labels[known], np.array(cells)[known], np.array(speakers)[known])
        assert found.interval is not None
        off = np.abs(labels[~known] - found(predicted[~known]))
        covered.append(off <= (found.interval.valence, found.interval.arousal))
    share = np.mean(covered)  # of 15 x 80 clips on two axes
    assert 0.9 - 3 * math.sqrt(0.09 / 1200) <= share <= 0.95


def test_a_speaker_with_many_clips_has_no_more_say_than_one_with_few() -> None:
    predicted, labels, cells, speakers = clips(2, speakers=6, each=50)
    rng = np.random.default_rng(2)
    noisy = np.array(speakers) == "s0"
    predicted[noisy] += rng.normal(0, 0.6, (noisy.sum(), 2))
    many = np.concatenate([np.arange(len(labels)), *[np.flatnonzero(noisy)] * 9])
    few = calibrate(predicted, labels, cells, speakers).interval
    more = calibrate(predicted[many], labels[many], np.array(cells)[many], np.array(speakers)[many]).interval
    assert few is not None
    assert more is not None
    assert more.valence == pytest.approx(few.valence, rel=0.15)


def test_speakers_unlike_each_other_show_in_the_coverage() -> None:
    predicted, labels, cells, speakers = clips(3, speakers=5, each=60)
    alike = calibrate(predicted, labels, cells, speakers)
    assert alike.held_out_coverage.min() > 0.85
    odd = predicted + 2.0 * (np.array(speakers) == "s4")[:, None]
    unlike = calibrate(odd, labels, cells, speakers)
    assert unlike.held_out_coverage.max() < alike.held_out_coverage.min()


def test_the_concordance_after_is_that_of_speakers_the_map_has_not_seen() -> None:
    predicted, labels, cells, speakers = clips(4)
    before, after = calibrate(predicted, labels, cells, speakers).ccc
    assert (after > before + 0.1).all()


def test_too_few_speakers_or_clips_give_a_map_and_a_reason_instead_of_an_interval() -> None:
    predicted, labels, cells, speakers = clips(5, speakers=2)
    two = calibrate(predicted, labels, cells, speakers)
    assert two.interval is None
    assert "3 speakers" in two.reason
    assert "2" in two.reason
    assert np.isnan(two.held_out_coverage).all()
    one = calibrate(predicted[:60], labels[:60], cells[:60], speakers[:60])
    assert one.interval is None
    assert (one.scale > 1).all()
    predicted, labels, cells, speakers = clips(5, speakers=4, each=2)
    eight = calibrate(predicted, labels, cells, speakers)
    assert eight.interval is None
    assert "8 clips are too few" in eight.reason


def test_many_speakers_are_left_out_in_groups() -> None:
    predicted, labels, cells, speakers = clips(6, speakers=60, each=10)
    found = calibrate(predicted, labels, cells, speakers)
    assert found.speakers == 60
    assert len(np.unique(calibration._folds(np.array(speakers)))) == calibration.FOLDS
    assert found.interval is not None
    assert found.held_out_coverage == pytest.approx([0.9, 0.9], abs=0.05)


def test_what_cannot_be_calibrated_is_said() -> None:
    predicted, labels, cells, speakers = clips(7, each=5)
    with pytest.raises(CalibrationError, match="predicted valence does not rise"):
        calibrate(8 - predicted, labels, cells, speakers)
    with pytest.raises(CalibrationError, match="one arousal"):
        calibrate(predicted, np.column_stack([labels[:, 0], np.full(len(labels), 4.0)]), cells, speakers)
    with pytest.raises(CalibrationError, match="predicted valence does not rise"):
        calibrate(np.full_like(predicted, 4.0), labels, cells, speakers)
    with pytest.raises(CalibrationError, match="not numbers"):
        calibrate(predicted, np.where(labels == labels[0], np.nan, labels), cells, speakers)
    with pytest.raises(CalibrationError, match="do not fit"):
        calibrate(predicted[:-1], labels, cells, speakers)
    with pytest.raises(CalibrationError, match="no validation clips"):
        calibrate(np.zeros((0, 2)), np.zeros((0, 2)), [], [])
    with pytest.raises(CalibrationError, match="level"):
        calibrate(predicted, labels, cells, speakers, level=1.0)


def test_the_interval_of_readings_as_they_are_covers_new_speakers_of_the_same_kind() -> None:
    rng = np.random.default_rng(7)
    labels = rng.uniform(LOW, HIGH, (4000, 2))
    readings = labels + rng.normal(scale=(0.5, 1.0), size=labels.shape)
    speakers = np.repeat(np.arange(40), 100)
    known = speakers < 20
    interval, reason = calibration.conformal(readings[known], labels[known], speakers[known])
    assert interval is not None
    assert reason == ""
    covered = np.abs(labels - readings)[~known] <= (interval.valence, interval.arousal)
    np.testing.assert_allclose(covered.mean(axis=0), 0.9, atol=0.03)
    none, why = calibration.conformal(readings[:200], labels[:200], speakers[:200])
    assert none is None
    assert "needs 3 speakers, and there are 2" in why
