"""Sessions keep to the cores that the process may use."""

import math
import os
from pathlib import Path

import onnxruntime as ort
import pytest

from encoders.errors import BundleInvalid
from encoders.sessions import available_cpus, cpu_quota, open_session


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_there_is_a_core_and_no_more_than_the_affinity_has() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))


def test_narrowing_the_affinity_is_seen() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, math.inf),
        ({"cpu.max": "max 100000"}, math.inf),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4),
        ({"cpu.max": "200000 100000", "a/b/cpu.max": "800000 100000"}, 2),
        ({"a/b/cpu.max": "nonsense"}, math.inf),
    ],
)
def test_the_tightest_limit_above_the_process_counts(tmp_path: Path, limits: dict[str, str], cores: float) -> None:
    for name, text in limits.items():
        _write(tmp_path / "fs" / name, text)
    _write(tmp_path / "own", "0::/a/b\n")
    assert cpu_quota(tmp_path / "fs", tmp_path / "own") == cores


def test_limits_of_control_groups_version_1_count(tmp_path: Path) -> None:
    _write(tmp_path / "own", "3:cpuset:/\n2:cpu,cpuacct:/docker/x\n")
    _write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "250000\n")
    _write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")
    assert cpu_quota(tmp_path / "fs", tmp_path / "own") == 2.5
    _write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "-1\n")
    assert cpu_quota(tmp_path / "fs", tmp_path / "own") == math.inf


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "nothing") == math.inf


def test_a_file_that_is_no_model_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path / "audio.onnx", "no model")
    with pytest.raises(BundleInvalid, match=r"audio\.onnx.*export the bundle again"):
        open_session(tmp_path / "audio.onnx", 1)
    assert capfd.readouterr() == ("", "")


def test_sessions_have_the_threads_that_were_asked_for() -> None:
    from encoders import bundle

    options = open_session(bundle.default_path() / bundle.AUDIO, 1).get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
