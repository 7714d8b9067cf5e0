"""The text stage: prompts of all requests through one thread, batched as they queue up, and remembered.

Batching pays for text: a prompt among sixteen costs two thirds of one alone, and what comes out does not depend on what
is beside it. No timer waits for company: when the encoder is free it takes all that has queued up meanwhile, so that a
prompt that comes alone is encoded at once. A round takes ROUND characters at most, of COMPANY requests, and a SHARE of
each, so that a request with hundreds of prompts holds up no search, and searches do not all wait for the encoder
together and then for a core.

Prompts that were encoded lately are remembered. What a round raises reaches those who asked for it, a prompt that
cannot be used only its own request; the stage itself goes on.

It has no bound of its own: whoever uses it holds a seat of a lane.
"""

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.encoder import Encoded, Encoder
from encoders.errors import PromptError
from service.inference import callers
from service.inference.lanes import close
from service.observing import timing
from service.observing.metrics import Metrics

ROUND: Final = 2_000
COMPANY: Final = 5
SHARE: Final = 500


class _Row(NamedTuple):
    """What a prompt is encoded to."""

    embedding: npt.NDArray[np.float32]
    affect: npt.NDArray[np.float32]


@dataclass(eq=False)
class _Asked:
    """A request's prompts that are not encoded yet, in `waiting`, and the rows of those that are."""

    texts: Sequence[str]
    rows: dict[str, _Row]
    waiting: deque[str]
    done: Future[Encoded] = field(default_factory=Future)
    spent: timing.Timing | None = field(default_factory=timing.current)
    since: float = field(default_factory=time.perf_counter)  # when it was queued, or last encoded for

    def take(self, characters: int) -> list[str]:
        """Take prompts of that many characters off `waiting`; one at least."""
        taken = [self.waiting.popleft()]
        left = characters - len(taken[0])
        while self.waiting and (left := left - len(self.waiting[0])) >= 0:
            taken.append(self.waiting.popleft())
        return taken

    def hand_out(self, texts: Sequence[str], rows: Mapping[str, _Row | PromptError], failure: Exception | None) -> None:
        """Take what became of some of its prompts; tell who asked when that was the last, or one cannot be used."""
        for text in texts:
            row = failure or rows[text]
            if isinstance(row, Exception):
                self.waiting.clear()
                self.done.set_exception(row)
                return
            self.rows[text] = row
        if not self.waiting:
            self.finish()

    def finish(self) -> None:
        rows = [self.rows[text] for text in self.texts]
        if len(rows) == 1:  # a search's; stacking takes as long as all the rest of this module does for a prompt
            self.done.set_result(Encoded(rows[0].embedding[None], rows[0].affect[None]))
            return
        self.done.set_result(Encoded(np.stack([row.embedding for row in rows]), np.stack([row.affect for row in rows])))


class Texts:
    """The stage of one encoder; `remembered` is how many prompts it remembers. Any thread may use it."""

    def __init__(self, encoder: Encoder, remembered: int, metrics: Metrics) -> None:
        self._encoder = encoder
        self._metrics = metrics
        self._remembered = remembered
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Row] = OrderedDict()  # the least lately used first
        self._queue: deque[_Asked] = deque()
        self._busy = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="emotionrank-texts")

    @property
    def waiting(self) -> int:
        """How many requests wait for the encoder now."""
        return len(self._queue)

    async def embed(self, texts: Sequence[str]) -> Encoded:
        """Encode prompts: a row each, in the order given.

        Raises PromptError as `Encoder.embed_prompts` does; ClientDisconnect for a caller that hung up while waiting.
        """
        waits = self._busy
        asked = self.ask(texts)
        if asked.done():
            return asked.result()
        return await (callers.begun_only_for_callers(asked) if waits else asyncio.wrap_future(asked))

    def ask(self, texts: Sequence[str]) -> Future[Encoded]:
        """Queue prompts; the future is done at once when all of them are remembered."""
        with self._lock:
            rows = {text: row for text in texts if (row := self._recall(text)) is not None}
            if timing.current() is not None:  # a request's, and not what the service asks by itself
                self._metrics.cached(len(rows), of=len(set(texts)))
            asked = _Asked(texts, rows, deque(dict.fromkeys(text for text in texts if text not in rows)))
            if not asked.waiting:
                asked.done.set_running_or_notify_cancel()
                asked.finish()
                return asked.done
            self._queue.append(asked)
            if not self._busy:
                self._busy = True
                self._pool.submit(self._rounds)
        return asked.done

    def forget(self, text: str) -> None:
        """Forget a prompt, so that it is encoded the next time that it is asked for."""
        with self._lock:
            self._known.pop(text, None)

    def close(self) -> None:
        """Finish what is queued, unless it takes too long."""
        close(self._pool, lambda: self._busy)

    def _rounds(self) -> None:
        """Encode until nothing is queued."""
        while round_ := self._next():
            began = time.perf_counter()
            rows: dict[str, _Row | PromptError] = {}
            failure: Exception | None = None
            try:
                counts = any(asked.spent is not None for asked, _ in round_)
                rows = self._encode([text for _, texts in round_ for text in texts], counts=counts)
            except Exception as error:  # whatever it is, those who asked must hear of it, and the stage go on
                failure = error
            ended = time.perf_counter()
            for asked, texts in round_:
                if asked.spent is not None:
                    asked.spent.add("queue", asked.since, began)
                    asked.spent.add("encode", began, ended)
                asked.since = ended
                asked.hand_out(texts, rows, failure)
            with self._lock:
                self._queue.extend(asked for asked, _ in round_ if asked.waiting)

    def _next(self) -> list[tuple[_Asked, list[str]]]:
        """Take what the next round encodes off the queue: fairly, and for callers that are still there."""
        round_: list[tuple[_Asked, list[str]]] = []
        left = ROUND
        with self._lock:
            while self._queue and left > 0 and len(round_) < COMPANY:
                asked = self._queue.popleft()
                if not asked.done.running() and not asked.done.set_running_or_notify_cancel():
                    continue
                texts = asked.take(min(SHARE, left))
                left -= sum(map(len, texts))
                round_.append((asked, texts))
            self._busy = bool(round_)
        return round_

    def _encode(self, texts: Sequence[str], *, counts: bool) -> dict[str, _Row | PromptError]:
        """Encode each prompt once; one that cannot be used has its error for a row.

        It counts as a batch unless only the service itself asked.
        """
        found: dict[str, _Row | PromptError] = {}
        usable = []
        for text in dict.fromkeys(texts):
            with self._lock:
                remembered = self._recall(text)
            if remembered is not None:  # by an earlier round, since it was queued
                found[text] = remembered
                continue
            try:
                usable.append((text, self._encoder.tokens(text)))
            except PromptError as error:
                found[text] = error
        if usable:
            if counts:
                self._metrics.batch(len(usable))
            encoded = self._encoder.embed_tokens([tokens for _, tokens in usable])
            for (text, _), embedding, affect in zip(usable, encoded.embedding, encoded.affect, strict=True):
                found[text] = row = _Row(embedding.copy(), affect.copy())  # or it would keep the whole round in memory
                self._remember(text, row)
        return found

    def _recall(self, text: str) -> _Row | None:
        row = self._known.get(text)
        if row is not None:
            self._known.move_to_end(text)
        return row

    def _remember(self, text: str, row: _Row) -> None:
        with self._lock:
            self._known[text] = row
            self._known.move_to_end(text)
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
