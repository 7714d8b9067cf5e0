"""ONNX Runtime sessions, opened with settings that behave beside other work on the same cores.

ONNX Runtime sizes its pool by the machine, ignoring CPU affinity and container limits, and its threads spin while
they wait; both hurt as soon as several sessions, workers or FAISS share the cores. Its memory arena grows with
every new input length and every call side by side, and never shrinks: it is off. That costs nothing for windows
of up to 4 s, and a third more time, for half the memory, at 30 s.
"""

import math
import os
from pathlib import Path
from typing import Final

import onnxruntime as ort

from encoders.errors import BundleInvalid

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Return how many cores this process may keep busy: its affinity and its container's limit, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cpus, cpu_quota(_CGROUPS, _OWN_CGROUP))))


def cpu_quota(cgroups: Path, own: Path) -> float:
    """Return the tightest limit, in cores, on the control group that `own` names and on those above it.

    `cgroups` is where the groups are mounted (version 2, or version 1's "cpu" folder); infinity without a limit.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return math.inf
    quota = math.inf
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number == "0":
            root = cgroups
        elif "cpu" in controllers.split(","):
            root = cgroups / "cpu"
        else:
            continue
        folder = root / group.strip("/")
        for place in (folder, *folder.parents):
            quota = min(quota, _limit(place))
            if place == root:
                break
    return quota


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Open the ONNX model at `path` to run on `threads` cores. Raises BundleInvalid where it cannot be opened."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class but this
        raise BundleInvalid(
            f"ONNX Runtime {ort.__version__} cannot open {path}: {error}. Upgrade it, or export the bundle again."
        ) from error


def _limit(folder: Path) -> float:
    """Return the limit in cores that one control group sets."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        micros = int((folder / "cpu.cfs_quota_us").read_text())
        return micros / int((folder / "cpu.cfs_period_us").read_text()) if micros > 0 else math.inf
    except (OSError, ValueError):
        return math.inf
