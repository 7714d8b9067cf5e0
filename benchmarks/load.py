"""The service under load: `python -m benchmarks.load --library FOLDER` (made by `benchmarks.library make`).

    python -m benchmarks.segments embed CORPUS... --output real.npz
    python -m benchmarks.library make real.npz FOLDER --segments 100000
    python -m benchmarks.load --library FOLDER --output load.json

`emotionrank serve` runs in a process of its own, with its defaults but for what --serve adds; this process asks over
loopback. Of text search, audio search and describe it takes:

- the overhead: one caller, in turn with the same call inside this process (the same encoder, the same library);
- throughput and percentiles against the number of callers, each of which asks again as soon as it is answered; the most
  that was answered in a second is the *capacity*;
- requests at random times at 80 % of the capacity, and at twice the capacity, where some have to be refused.

`--parts inside`, `callers` and `overload` measure one of these (the last one with the capacity of 8 callers). A caller
is itself late on cores that the service keeps busy: the tables say by how much (`asked late`), and how long refusals
took by the service's own clock (`its own`).

Every prompt is asked once (so that none is remembered) but where the table says otherwise. Recordings are made voices
of 5 s as 16-bit WAV. It prints the tables, then what must hold.
"""

import argparse
import gc
import io
import itertools
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.asking import REFUSED, Outcome, closed, in_turn, opened, request
from encoders.encoder import Encoder
from index import hints, query
from index.describe import describe
from index.open import open_store
from index.prompts import PromptBank
from index.store import Store
from tests.sounds import media, voice

CALLERS: Final = (1, 2, 4, 8, 16)
BUSY: Final = 8  # callers that find the capacity where no other number is tried
SECONDS: Final = 5.0  # of a recording
PARTS: Final = ("inside", "callers", "overload")
_HEAD: Final = """| request | load | answered/s | p50 ms | p99 ms | refused | refusals p99 ms | its own | late p99 ms |
|---|---|---|---|---|---|---|---|---|"""
_BOUNDARY: Final = "3f1c1f0a"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, and the same work inside this process."""

    name: str
    requests: Iterator[bytes]
    inside: Callable[[], object] | None
    factor: float = 0.0  # the median over HTTP may be this many times the one inside, and
    beyond: float = 0.0  # so many milliseconds
    steady: bool = False  # percentiles under load must hold


def main() -> None:
    """Measure, print the tables, and keep it all as JSON."""
    parser = argparse.ArgumentParser(description="The service under load.")
    parser.add_argument("--library", type=Path, required=True, help="a library to search in")
    parser.add_argument("--kinds", nargs="*", default=["text", "remembered", "audio", "describe"])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to measure of each kind")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=200, help="of the comparison with the call inside")
    parser.add_argument("--serve", nargs="*", default=[], help="more flags of `serve`, as queue=8")
    parser.add_argument("--output", type=Path, help="write the figures here, as JSON")
    arguments = parser.parse_args()
    encoder = Encoder.load(threads=1)
    flags = [f"--{flag}" for flag in arguments.serve]
    with open_store(arguments.library, bundle=encoder.bundle, read_only=True) as store:
        kinds = _kinds(encoder, store)
        # What is loaded here is no caller's: looking through it for garbage would have callers wait for themselves.
        gc.collect()
        gc.freeze()
        print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {store.count().segments:,} segments\n")
        print(_HEAD)
        with served(arguments.library, *flags) as port:
            found = [
                _measured(kinds[name], port, arguments.parts, arguments.seconds, arguments.rounds)
                for name in arguments.kinds
            ]
    print("\n| must hold | figure | bound | |\n|---|---|---|---|")
    for outcome in found:
        for line in outcome["must_hold"]:
            verdict = "holds" if line["holds"] else "MISSED"
            print(f"| {line['what']} | {line['figure']:.1f} | {line['bound']:.1f} | {verdict} |")
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=2))


def _kinds(encoder: Encoder, store: Store) -> dict[str, Kind]:
    bank = PromptBank(encoder)
    bank.plane()
    recording = media(voice(SECONDS), container="wav", codec="pcm_s16le")
    fresh = prompts(encoder)
    once = [next(fresh) for _ in range(100)]

    def search(part: query.Part) -> None:
        query.search(store, encoder, query.Query([part]), bank)
        hints.of_filter(store, None)

    def audio(path: str) -> Iterator[bytes]:
        return itertools.repeat(request(path, f"multipart/form-data; boundary={_BOUNDARY}", _form(recording)))

    return {
        "text": Kind(
            "text search",
            (_search(prompt) for prompt in fresh),
            lambda: search(query.TextPart(next(fresh))),
            factor=1.5,
            beyond=2.0,
            steady=True,
        ),
        "remembered": Kind("text search, of 100 prompts", (_search(prompt) for prompt in itertools.cycle(once)), None),
        "audio": Kind(
            "audio search", audio("/v1/search/audio"), lambda: search(query.AudioPart(io.BytesIO(recording)))
        ),
        "describe": Kind(
            "describe", audio("/v1/describe"), lambda: describe(encoder, bank, io.BytesIO(recording)), 1.3, 10.0
        ),
    }


def prompts(encoder: Encoder) -> Iterator[str]:
    """Make prompts that are all different: two of the vocabulary each, a tenth of a million in all."""
    texts = [prompt.text for prompt in encoder.bundle.prompts]
    for step in range(1, len(texts)):
        for place, text in enumerate(texts):
            yield f"{text}, {texts[(place + step) % len(texts)]}"


def _search(prompt: str) -> bytes:
    return request("/v1/search", "application/json", json.dumps({"query": prompt}).encode())


def _form(recording: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="voice.wav"\r\n\r\n'
    return head.encode() + recording + f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def served(library: Path, *flags: str) -> Iterator[int]:
    """Run the service; give its port."""
    command = [sys.executable, "-m", "emotionrank", "serve", "--port", "0", "--library", str(library), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            found = re.search(r"http://\S+:(\d+)", child.stdout.readline())
            if found is None:
                raise SystemExit("the service did not start")
            yield int(found[1])
        finally:
            child.terminate()


def _measured(kind: Kind, port: int, parts: Sequence[str], seconds: float, rounds: int) -> dict[str, Any]:
    result: dict[str, Any] = {"name": kind.name, "loads": [], "must_hold": []}

    def note(load: str, outcome: Outcome) -> Outcome:
        row = _row(load, outcome)
        result["loads"].append(row)
        print(
            f"| {kind.name} | {load} | {row['per_second']:.1f} | {row['p50']:.1f} | {row['p99']:.1f} "
            f"| {row['refused']:.1%} | {row['refusal_p99']:.1f} | {row['refusal_own_p99']:.1f} "
            f"| {row['late_p99']:.1f} |",
            flush=True,
        )
        return outcome

    def must(what: str, figure: float, bound: float) -> None:
        line = {"what": f"{kind.name}: {what}", "figure": figure, "bound": bound, "holds": figure <= bound}
        result["must_hold"].append(line)

    closed(port, kind.requests, 1, 1.0)  # the first of all are slower
    if kind.inside is not None and "inside" in parts:
        over_http, here = in_turn(port, kind.requests, kind.inside, rounds)
        note("in this process", here)
        note("one caller, in turn with it", over_http)
        if kind.factor:
            what = f"p50 over HTTP <= {kind.factor} x inside + {kind.beyond:g} ms"
            bound = kind.factor * here.milliseconds(200, 50) + kind.beyond
            must(what, over_http.milliseconds(200, 50), bound)
    if not {"callers", "overload"} & set(parts):
        return result
    capacity = 0.0
    for callers in CALLERS if "callers" in parts else (BUSY,):
        outcome = note(f"{callers} callers", closed(port, kind.requests, callers, seconds))
        capacity = max(capacity, outcome.count(200) / outcome.seconds)
    result["capacity"] = capacity
    if "overload" not in parts:
        return result
    steady = note("80 % of capacity", opened(port, kind.requests, 0.8 * capacity, seconds))
    double = note("twice the capacity", opened(port, kind.requests, 2 * capacity, seconds))
    if kind.steady:
        bound = 5 * steady.milliseconds(200, 50)
        must("p99 at 80 % of capacity <= 5 x its p50", steady.milliseconds(200, 99), bound)
        must("p99 of the accepted at twice the capacity, the same bound", double.milliseconds(200, 99), bound)
        must("p99 of refusals at twice the capacity <= 50 ms", double.milliseconds(REFUSED, 99), 50.0)
    others = sum(count for status, count in _counts(double).items() if status not in (200, REFUSED))
    must("answers at twice the capacity that are neither 200 nor 429", others, 0)
    return result


def _row(load: str, outcome: Outcome) -> dict[str, Any]:
    total = sum(_counts(outcome).values())
    return {
        "load": load,
        "per_second": outcome.count(200) / (outcome.seconds or sum(outcome.answers[200])),
        "p50": outcome.milliseconds(200, 50),
        "p99": outcome.milliseconds(200, 99),
        "refused": outcome.count(REFUSED) / total,
        "refusal_p99": outcome.milliseconds(REFUSED, 99),
        "refusal_own_p99": outcome.milliseconds(REFUSED, 99, own=True),
        "answers": _counts(outcome),
        "late_p99": outcome.lag(99),
    }


def _counts(outcome: Outcome) -> dict[int, int]:
    return {status: len(taken) for status, taken in outcome.answers.items()}


if __name__ == "__main__":
    main()
