"""Micro-batches and several processes give the gradient of the whole batch in one process."""

import socket
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model_export.losses import LossConfig, Objective
from model_export.training import gradients


class Problem:
    """Two encoders with dropout, their inputs, and a loss that compares all with all and has a weight of its own."""

    def __init__(self, dropout: float = 0.0) -> None:
        torch.manual_seed(3)
        self.audio = nn.Sequential(nn.Linear(5, 12), nn.Dropout(dropout), nn.Tanh(), nn.Linear(12, 6))
        self.text = nn.Sequential(nn.Linear(4, 6), nn.Dropout(dropout))
        self.objective = Objective(LossConfig(learn_temperature=True))
        self.clips, self.captions = torch.randn(7, 5), torch.randn(11, 4)
        self.places = 1 + 6 * torch.rand(11, 3)

    def loss(self, audio: Tensor, text: Tensor) -> Tensor:
        """Rank all against all."""
        audio, text = nn.functional.normalize(audio), nn.functional.normalize(text)
        value: Tensor = self.objective(audio, text, self.places[:7], self.places)
        return value

    @property
    def weights(self) -> list[nn.Parameter]:
        """All weights, those of the loss too."""
        return [w for module in (self.audio, self.text, self.objective) for w in module.parameters()]

    def gradient(self) -> Tensor:
        """All gradients in a row."""
        return torch.cat([w.grad.reshape(-1) for w in self.weights if w.grad is not None])


def in_parts(size: int) -> list[Tensor]:
    """Loss and gradient with at most `size` clips at a time."""
    made = Problem()
    parts = [partial(made.audio, made.clips[k : k + size]) for k in range(0, 7, size)]
    value = gradients.backward(parts, [partial(made.text, made.captions)], made.loss, seed=1)
    return [value, made.gradient()]


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_micro_batches_give_the_gradient_of_the_whole_batch(size: int) -> None:
    assert len(in_parts(7)[1]) == sum(weight.numel() for weight in Problem().weights)
    torch.testing.assert_close(in_parts(size), in_parts(7))


def test_dropout_is_the_same_when_a_part_is_embedded_again() -> None:
    made = Problem(dropout=0.5)
    halves = [partial(made.audio, made.clips[:4]), partial(made.audio, made.clips[4:])]
    gradients.backward(halves, [partial(made.text, made.captions)], made.loss, seed=9)
    at_once = Problem(dropout=0.5)
    embedded = []
    for k, part in enumerate((at_once.clips[:4], at_once.clips[4:])):
        torch.manual_seed(9 + k)
        embedded.append(at_once.audio(part))
    torch.manual_seed(11)
    at_once.loss(torch.cat(embedded), at_once.text(at_once.captions)).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(made.gradient(), at_once.gradient())


PROCESS = """
    import sys, torch
    from model_export.training import distributed, gradients
    from tests.model_export.training.test_gradients import Problem

    torch.set_num_threads(1)
    with distributed.joined(torch.device("cpu")):
        made = Problem()
        own, mine = (distributed.share(n) for n in (7, 11))
        value = gradients.backward(
            [lambda: made.audio(made.clips[own][:2]), lambda: made.audio(made.clips[own][2:])],
            [lambda: made.text(made.captions[mine])],
            lambda a, b: made.loss(distributed.gather(a, 7), distributed.gather(b, 11)),
            seed=1,
        )
        distributed.average_gradients(made.weights)
        torch.save([value, made.gradient()], f"{sys.argv[1]}.{distributed.rank()}")
"""


@pytest.mark.timeout(300)
def test_two_processes_give_the_gradient_of_one(tmp_path: Path) -> None:
    alone = in_parts(7)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script, out = tmp_path / "process.py", tmp_path / "out"
    script.write_text(textwrap.dedent(PROCESS), encoding="utf-8")
    here = Path(__file__).parents[3]
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(out)],
            cwd=here,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(here),
                "OMP_NUM_THREADS": "1",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "WORLD_SIZE": "2",
                "RANK": str(rank),
            },
        )
        for rank in range(2)
    ]
    assert [process.wait(280) for process in started] == [0, 0]
    for rank in range(2):
        torch.testing.assert_close(torch.load(f"{out}.{rank}"), alone)
