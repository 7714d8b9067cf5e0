"""Training in several processes under `torchrun`: each embeds its share of a batch, the loss sees the whole.

Every rank gathers all embeddings and computes the same loss on them. The gradient of the gathered embeddings is
therefore whole on each rank, and what an encoder's weights receive is the part that its own clips gave. `gather` hands
that part back multiplied by the number of ranks, and `average_gradients` takes the mean over the ranks: together the
sum, and for weights inside the loss, whose gradient is whole everywhere, the value that they had. So the gradient is
that of one process with the same batch.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed

from model_export.errors import TrainingError

T = TypeVar("T")


def rank() -> int:
    """The number of this process, 0 outside `torchrun`."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """The number of processes, 1 outside `torchrun`."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def device_of(name: str) -> torch.device:
    """The device of a configuration: "auto" is this rank's GPU where there is one, else the CPU.

    Raises:
        TrainingError: no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f'device {name!r} cannot be used here ({error}); set device = "auto"') from error
    return device


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the processes that `torchrun` started, for as long as the block lasts; nothing outside `torchrun`."""
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized()
    if alone:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(total: int) -> slice:
    """The positions of `total` things that are this rank's: contiguous, so that `gather` restores the order."""
    each = -(-total // ranks())
    return slice(min(total, rank() * each), min(total, (rank() + 1) * each))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, each: int) -> Tensor:
        """Equal shares of all ranks, one after the other: [ranks * each, dim]."""
        ctx.each = each
        parts = [torch.empty_like(own) for _ in range(ranks())]
        distributed.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The part of this rank, times the number of ranks (see the module)."""
        (whole,) = gradients
        return whole[rank() * ctx.each : (rank() + 1) * ctx.each] * ranks(), None


def gather(own: Tensor, total: int) -> Tensor:
    """All ranks' embeddings [total, dim] in order, from this rank's `share`; gradients flow back to it."""
    if ranks() == 1:
        return own
    each = -(-total // ranks())
    padded = torch.nn.functional.pad(own, (0, 0, 0, each - len(own)))
    return cast(Tensor, _Gather.apply(padded, each))[:total]  # type: ignore[no-untyped-call]


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over the ranks."""
    if ranks() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= ranks()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def everyones(own: T) -> list[T]:
    """What every rank has, in the order of the ranks."""
    if ranks() == 1:
        return [own]
    all_of_them: list[T | None] = [None] * ranks()
    distributed.all_gather_object(all_of_them, own)
    return cast(list[T], all_of_them)


def anyone(own: bool) -> bool:
    """Whether the answer of any rank is yes."""
    return any(everyones(own)) if ranks() > 1 else own
