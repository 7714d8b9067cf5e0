"""How much of a pretrained encoder is kept, and trained: "frozen", "last-N" (its last N blocks) or "all"."""

from torch import nn

from model_export.errors import BackboneError


def train_only(encoder: nn.Module, mode: str, name: str) -> None:
    """Let gradients reach what the mode names of an encoder with `blocks`; "all" is every parameter, the stem's too.

    Raises:
        BackboneError: an unknown mode, or an N outside 1..blocks; `name` says of which encoder.
    """
    word, _, number = mode.partition("-")
    if mode not in ("frozen", "all") and not (word == "last" and number.isascii() and number.isdigit()):
        raise BackboneError(f'"{mode}" is no way to train {name}: use "frozen", "last-N" (such as "last-3") or "all"')
    encoder.requires_grad_(mode == "all")
    if word != "last":
        return
    blocks = encoder.blocks
    assert isinstance(blocks, nn.ModuleList)
    if not 1 <= int(number) <= len(blocks):
        raise BackboneError(
            f'"{mode}" of {name}: it has {len(blocks)} blocks, so N is 1..{len(blocks)}; or use "frozen" or "all"'
        )
    for block in list(blocks)[-int(number) :]:
        block.requires_grad_(True)


def keep_first(encoder: nn.Module, blocks: int, name: str) -> None:
    """Drop all but the first blocks of an encoder with `blocks` and `states`; 0 keeps every one.

    The upper blocks of a speech recogniser have turned from the voice to the words: without them the encoder is
    smaller and faster, and loses little of how speech feels.

    Raises:
        BackboneError: more blocks than there are; `name` says of which encoder.
    """
    present = encoder.blocks
    assert isinstance(present, nn.ModuleList)
    if not 0 <= blocks <= len(present):
        raise BackboneError(f"audio_blocks = {blocks}: {name} has {len(present)} blocks; 0 keeps them all")
    if blocks:
        encoder.blocks = present[:blocks]
        encoder.states = blocks + 1  # type: ignore[assignment]


def settle(module: nn.Module) -> None:
    """Put the frozen parts of a module into evaluation mode: no dropout where nothing is learned."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
    else:
        for child in module.children():
            settle(child)
