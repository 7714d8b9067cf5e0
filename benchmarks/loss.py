"""Rank-N-Contrast against its formula written down straight: `python -m benchmarks.loss` (or `make bench`).

The straight form compares every candidate with every other for every anchor, [n, n, n] numbers; ours sorts. Both take
unit embeddings [n, 512] and places [n, 2] and give the mean of both directions, float32. Times are the CPU time of one
thread, so that other work on the machine counts little; the median of the rounds. Every measurement is a process of
its own, so that its peak memory is its own: the growth over what the process held before. What would pass the memory
limit (an address space limit on the process) is shown as such, with its size estimated from the largest that fitted,
in proportion to n cubed. Linux only.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

SIZES: Final = (256, 1024, 4096)
WIDTH: Final = 512
TEMPERATURE: Final = 0.2
GIB: Final = 2**30
PATIENCE: Final = 20.0  # CPU seconds of rounds; the round under way is finished


def measure(form: str, size: int, rounds: int, limit: int) -> dict[str, Any]:
    """Median CPU seconds forward and forward with backward, peak bytes and the loss, in this process."""
    # Here, so that the process that only prints the table stays small.
    import torch

    from model_export.losses import LossConfig, Objective, affect_distance

    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    audio, text = torch.nn.functional.normalize(torch.randn(2, size, WIDTH, generator=rng), dim=2)
    audio_place, text_place = torch.rand(2, size, 2, generator=rng) * 6 + 1

    def straight() -> torch.Tensor:
        total = torch.zeros(())
        similarity = audio @ text.T / TEMPERATURE
        distance = affect_distance(audio_place, text_place)
        for s, d in ((similarity, distance), (similarity.T, distance.T)):
            farther = d[:, None, :] >= d[:, :, None]
            candidates = torch.where(farther, s[:, None, :], -torch.inf)
            total = total + (torch.logsumexp(candidates, dim=2) - s).mean() / 2
        return total

    objective = Objective(LossConfig(temperature=TEMPERATURE, alignment=0.0))

    def ours() -> torch.Tensor:
        loss: torch.Tensor = objective(audio, text, audio_place, text_place)
        return loss

    forms = {"ours": ours, "straight": straight}
    audio.requires_grad_()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    Path("/proc/self/clear_refs").write_text("5")  # forgets the high-water mark that the imports left
    before = _memory("VmRSS")
    forward: list[float] = []
    both: list[float] = []
    began = time.process_time()
    while len(both) < rounds and (not both or time.process_time() - began < PATIENCE):
        start = time.process_time()
        loss = forms[form]()
        forward.append(time.process_time() - start)
        loss.backward()  # type: ignore[no-untyped-call]
        both.append(time.process_time() - start)
    return {
        "forward": median(forward),
        "both": median(both),
        "rounds": len(both),
        "peak": max(0, _memory("VmHWM") - before),
        "loss": loss.item(),
    }


def _memory(line: str) -> int:
    """Bytes of a line of /proc/self/status."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{line}:")[1].split()[0]) * 1024


def _in_own_process(form: str, size: int, rounds: int, limit: int) -> dict[str, Any] | None:
    """What `measure` gives; None where the memory does not suffice."""
    command = [sys.executable, "-m", "benchmarks.loss", "--one", form, str(size), "--rounds", str(rounds)]
    done = subprocess.run(
        [*command, "--memory", str(limit / GIB)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    if done.returncode < 0 or "memory" in done.stderr:
        return None
    raise RuntimeError(f"the measurement of {form} at {size} failed:\n{done.stderr}")


def table(rounds: int, limit: int) -> None:
    """Measure and print."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, {time.strftime('%Y-%m-%d')}; one thread, rounds: {rounds}, memory limit: {limit / GIB:.0f} GiB")
    print(f"{'n':>5}  {'':24}{'forward ms':>12}{'with backward':>15}{'peak MiB':>10}{'rounds':>8}")
    fitted: tuple[int, dict[str, Any]] | None = None
    for size in SIZES:
        ours = _in_own_process("ours", size, rounds, limit)
        if ours is None:
            raise RuntimeError(f"{limit / GIB:.1f} GiB do not suffice for the loss at {size}; raise --memory")
        straight = _in_own_process("straight", size, rounds, limit)
        _print(size, "ours", ours)
        if straight is not None:
            if abs(straight["loss"] - ours["loss"]) > 1e-3:
                raise RuntimeError(f"the two forms disagree at {size}: {straight['loss']} and {ours['loss']}")
            _print(size, "straight", straight)
            _print_ratio(straight, ours, "straight / ours")
            fitted = size, straight
        elif fitted is None:
            print(f"{size:5}  straight: does not fit")
        else:
            scale = (size / fitted[0]) ** 3
            guess = {name: fitted[1][name] * scale for name in ("forward", "both", "peak")} | {"rounds": 0}
            print(f"{size:5}  straight: does not fit")
            _print(size, f"estimate from n = {fitted[0]}", guess)
            _print_ratio(guess, ours, "estimate / ours")


def _print(size: int, name: str, found: dict[str, Any]) -> None:
    print(
        f"{size:5}  {name:24}{found['forward'] * 1e3:12.1f}{found['both'] * 1e3:15.1f}"
        f"{found['peak'] / 2**20:10.0f}{found['rounds'] or '':>8}"
    )


def _print_ratio(straight: dict[str, Any], ours: dict[str, Any], name: str) -> None:
    ratios = [straight[key] / max(ours[key], 1e-9) for key in ("forward", "both", "peak")]
    print(f"{'':5}  {name:24}{ratios[0]:12.1f}{ratios[1]:15.1f}{ratios[2]:10.1f}")


def main() -> None:
    """Print the table, or with `--one FORM N` one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("FORM", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=float, help="GiB a measurement may take (default: half of what is free)")
    choices = parser.parse_args()
    free = int(Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1].split()[0]) * 1024
    limit = round(choices.memory * GIB) if choices.memory else free // 2
    if choices.one:
        form, size = choices.one
        print(json.dumps(measure(form, int(size), choices.rounds, limit)))
    else:
        table(choices.rounds, limit)


if __name__ == "__main__":
    main()
