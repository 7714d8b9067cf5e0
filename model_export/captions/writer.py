"""Captions that a language model writes from a clip's labels, over any OpenAI-compatible chat endpoint.

The model is told valence, arousal, dominance and the corpus' emotion, never the audio, the transcript or a name. The
prompt is `writer_prompt.txt`, with a version. Every good answer goes at once into a cache of JSON lines, keyed by
prompt version, model, row and label, so that a run that was stopped goes on where it was and changed labels are asked
anew. An answer that breaks the rules is asked for again, then listed; one clip that fails fails alone.
"""

import json
import math
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from encoders.errors import OutputError
from model_export.captions.caption import Caption
from model_export.captions.chat import AnswerError, Chat, UnreachableError
from model_export.captions.column import of_row
from model_export.errors import CorpusError
from model_export.manifest import Row

PROMPT = Path(__file__).with_name("writer_prompt.txt")
LONGEST = 300
# How often an answer that breaks the rules is asked for again.
_CHANCES = 3

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to ask, how many captions each clip gets, and how many clips are asked for at a time."""

    chat: Chat
    each: int = 1
    parallel: int = 4


@dataclass(frozen=True, slots=True)
class Written:
    """The captions of each row (none where it has no labels or failed), and why rows failed: (row's position, why)."""

    captions: list[list[Caption]]
    failures: list[tuple[int, str]]


def write(rows: Sequence[Row], settings: Settings, cache: Path, progress: Callable[[], None] = lambda: None) -> Written:
    """Captions for every labelled row, from the cache where it has them; `progress` is called once a labelled row.

    Raises:
        EndpointError: the endpoint answers nobody; what was answered before is in the cache.
        CorpusError: the cache is not one.
        OutputError: the cache cannot be written.
    """
    store = _Cache(cache)
    found: list[list[Caption]] = [[] for _ in rows]
    failures: list[tuple[int, str]] = []
    keys = _row_keys(rows)
    with ThreadPoolExecutor(max(1, settings.parallel)) as executor:
        waiting = {
            executor.submit(_of_row, row, key, settings, store): position
            for position, (row, key) in enumerate(zip(rows, keys, strict=True))
            if row.labelled
        }
        try:
            for done in as_completed(waiting):
                position = waiting[done]
                try:
                    found[position] = [of_row(rows[position], text) for text in done.result()]
                except AnswerError as error:
                    failures.append((position, str(error)))
                progress()
        except BaseException:
            # Ctrl-C or an endpoint that answers nobody: ask nothing more, what is written stays in the cache.
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return Written(found, sorted(failures))


def prompt(row: Row, number: int) -> list[dict[str, str]]:
    """The messages that ask for the `number`-th caption of a row."""
    _, system, user = _template()
    known = "not known" if math.isnan(row.dominance) else f"{row.dominance:.1f}"
    values = {"valence": f"{row.valence:.1f}", "arousal": f"{row.arousal:.1f}", "dominance": known}
    asked = user.format(**values, emotion=row.emotion or "not known", number=number)
    return [{"role": "system", "content": system}, {"role": "user", "content": asked}]


def version() -> str:
    """The version of the prompt."""
    return _template()[0]


def fault(text: str, row: Row) -> str:
    """What is wrong with an answer as a caption of this row, "" when nothing is."""
    if not text:
        return "is empty"
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    # Short names ("03", "a") would be found by chance.
    names = [row.path.name, row.path.stem, row.speaker, row.speaker.removeprefix(f"{row.corpus}-")]
    for name in names:
        if len(name) > 2 and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            return "names the file or the speaker"
    if re.search(r"\d", text):
        return "holds numbers; a caption says in words what the labels say"
    return ""


def tidy(answer: str) -> str:
    """An answer on one line, without the quotation marks that models put around it, and no ` | ` of its own."""
    text = " ".join(answer.replace("|", ",").split())
    return text[1:-1].strip() if len(text) > 1 and text[0] + text[-1] in ('""', "“”", "''") else text


def _of_row(row: Row, name: str, settings: Settings, store: "_Cache") -> list[str]:
    chat = settings.chat
    texts = []
    for number in range(1, settings.each + 1):
        key = (version(), chat.model, f"{name}#{number}", _label(row))
        kept = store.get(key)
        # The rules may be stricter than when an answer was kept.
        if kept is None or fault(kept, row):
            kept = _ask(row, number, chat, store)
            store.put(key, kept)
        texts.append(kept)
    return list(dict.fromkeys(texts))


def _ask(row: Row, number: int, chat: Chat, store: "_Cache") -> str:
    why = ""
    for _ in range(_CHANCES):
        try:
            text = tidy(chat.ask(prompt(row, number)))
        except UnreachableError as error:
            # Once an answer has come, a lost connection is this clip's bad luck and not a wrong address.
            if store.answered:
                raise AnswerError(str(error)) from error
            raise
        store.answered = True
        why = fault(text, row)
        if not why:
            return text
    raise AnswerError(f"the model's answer {why} ({text[:80]!r}), {_CHANCES} times")


@once
def _template() -> tuple[str, str, str]:
    head, rest = PROMPT.read_text(encoding="utf-8").split("# system\n")
    system, user = rest.split("# user\n")
    return head.removeprefix("version:").strip(), system.strip(), user.strip()


def _label(row: Row) -> str:
    return f"{row.valence:.2f} {row.arousal:.2f} {row.dominance:.2f} {row.emotion}"


def _row_keys(rows: Sequence[Row]) -> list[str]:
    """A name for each row that does not change when the corpus is moved: its corpus, speaker, file and its turn."""
    turns: dict[str, int] = {}
    keys = []
    for row in rows:
        name = "/".join((row.corpus, row.speaker, row.path.parent.name, row.path.name))
        turns[name] = turns.get(name, 0) + 1
        keys.append(name if turns[name] == 1 else f"{name}@{turns[name]}")
    return keys


class _Cache:
    """Answers by their key; `put` writes each through at once. `answered` says whether the endpoint ever did."""

    def __init__(self, path: Path) -> None:
        self.path, self.answered, self.lock = path, False, threading.Lock()
        self.kept: dict[Key, str] = {}
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise CorpusError(f"{path}: the cache cannot be read ({error.strerror or error})") from error
        # A run that was killed may leave half a line at the end: it is asked for again.
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), 1):
            try:
                entry = json.loads(line)
                key = (entry["prompt"], entry["model"], entry["row"], entry["label"])
                self.kept[key] = str(entry["caption"])
            except (ValueError, LookupError, TypeError) as error:
                raise CorpusError(f"{path}, line {number}: no cached caption; mend or remove the line") from error
        if len(whole) < len(data):
            self._write(lambda: path.write_bytes(whole))

    def get(self, key: Key) -> str | None:
        return self.kept.get(key)

    def put(self, key: Key, text: str) -> None:
        fields = dict(zip(("prompt", "model", "row", "label"), key, strict=True)) | {"caption": text}
        with self.lock:
            self.kept[key] = text
            self._write(lambda: self._append(json.dumps(fields, ensure_ascii=False) + "\n"))

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _write(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            raise OutputError(f"{self.path}: the cache cannot be written ({error.strerror or error})") from error
