"""A part of a build: `1/4` to `4/4` are four shards that many machines, or jobs of any scheduler, build at once.

Which shard a recording belongs to depends on its name alone (its path below the folder that is built, or as its
manifest gives it), so that every recording is in exactly one shard, on whichever machine and wherever the recordings
are mounted there. A recording stays in its shard when others come or go.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from index.errors import SourceError
from index.sources import Recording

MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` (from 1) of `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, recording: Recording) -> bool:
        """Say whether a recording belongs to the shard."""
        digest = blake2b(recording.name.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


def parse(text: str) -> Shard:
    """Read `i/n`. Raises SourceError."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.count <= MAX:
        raise SourceError(
            f"the shard {text!r} must be i/n, i from 1 to n, n up to {MAX:,}: --shard 1/4 to --shard 4/4."
        )
    return shard
