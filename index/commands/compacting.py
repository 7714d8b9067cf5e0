"""What `compact`, `rebuild` and the end of a large build have in common: the plan, said first, and the bar."""

import sys
from typing import Final

from encoders.encoder import Encoder
from index.commands.shared import in_time, steps_bar
from index.local import choice
from index.local.library import LocalStore
from index.prompts import PromptBank
from index.records import Compaction
from index.store import Store

RECALL: Final = 0.95

_LONG: Final = 5.0  # seconds from which on a plan is worth saying


def compact(
    store: Store, encoder: Encoder, *, rebuild: bool = False, memory: int | None = None, recall: float = RECALL
) -> Compaction:
    """Compact or rebuild a library, with the prompts of its bundle; say on stderr what a long one will take."""
    if isinstance(store, LocalStore):
        plan = choice.choose(store.count().segments, encoder.bundle.info.embedding_dim, memory)
        if plan.seconds_to_build >= _LONG:
            print(
                f"{plan.kind}: {in_time(plan.seconds_to_build)} to make; searching takes "
                f"{plan.resident_bytes / 1e6:,.0f} MB of memory, up to {plan.memory_bytes / 1e6:,.0f} MB with the "
                f"embeddings. {plan.reason}.",
                file=sys.stderr,
            )
    work = store.rebuild if rebuild else store.compact
    with steps_bar() as progress:
        return work(PromptBank(encoder).embeddings(), memory=memory, recall=recall, progress=progress)
