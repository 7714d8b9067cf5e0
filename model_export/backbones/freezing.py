"""How much of a pretrained encoder is trained: "frozen", "last-N" (its last N blocks) or "all"."""

from torch import nn

from model_export.errors import BackboneError


def blocks_trained(mode: str, blocks: int, name: str) -> int | None:
    """The number of trained blocks that a mode asks of an encoder with `blocks` of them; None is everything.

    Raises:
        BackboneError: an unknown mode, or an N outside 1..blocks.
    """
    if mode == "all":
        return None
    if mode == "frozen":
        return 0
    word, _, number = mode.partition("-")
    if word != "last" or not (number.isascii() and number.isdigit()):
        raise BackboneError(f'"{mode}" is no way to train {name}: use "frozen", "last-N" (such as "last-3") or "all"')
    if not 1 <= int(number) <= blocks:
        raise BackboneError(
            f'"{mode}" of {name}: it has {blocks} blocks, so N is 1..{blocks}; or use "frozen" or "all"'
        )
    return int(number)


def train_only(encoder: nn.Module, blocks: nn.ModuleList, mode: str, name: str) -> None:
    """Let gradients reach what the mode names and nothing else; "all" is every parameter, the stem's too.

    Raises:
        BackboneError: see `blocks_trained`.
    """
    trained = blocks_trained(mode, len(blocks), name)
    encoder.requires_grad_(trained is None)
    if trained:
        for block in list(blocks)[-trained:]:
            block.requires_grad_(True)


def settle(module: nn.Module) -> None:
    """Put the frozen parts of a module into evaluation mode: no dropout where nothing is learned."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
    else:
        for child in module.children():
            settle(child)
