"""`emotionrank demo`: from nothing to a served, searchable library, with no network and no data needed.

Without a source, it speaks the sample clips of `service.demo.samples` into `<data>/clips` and builds the library
`<data>/library` (or `settings.library`) from them; with a source, it builds that library from the user's own
recordings. Then it serves the library and prints the URL and three requests to try, once the service answers.
What is made stays: a run that was stopped at any point goes on where it was, a later one serves at once.
"""

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from encoders.encoder import Encoder
from encoders.errors import EmotionRankError
from index import filters
from index.build import build
from index.errors import LibraryMismatch
from index.open import open_store
from index.records import Clip
from index.store import Store
from service.access import guard as access
from service.demo import samples
from service.serving import listening, serving
from service.settings import Settings

STOPPED: Final = 130  # the exit code of a program that Ctrl-C stopped at work
_SHOWN_FAILURES: Final = 20
_SPOKEN: Final = filters.parse({"synthetic": "true"})

NOTICE: Final = """\
Please note: these voices are synthetic. A speech synthesiser (eSpeak NG) speaks neutral sentences, and
published rules turn a point of the valence-arousal plane into pitch, speed, loudness and brightness; they
carry arousal far better than valence. The model was trained on acted human speech: how it ranks these clips
shows the way the service works more than how well the model hears. To judge the model, use your recordings:
  emotionrank demo --source FOLDER --library DIR"""
OWN_NOTICE: Final = """\
Please note: the model was trained on acted speech. On everyday recordings, other languages or noisy sound
its rankings can be worse than its published measurements."""


class DemoError(EmotionRankError):
    """The demo cannot do what it was asked to."""

    code: ClassVar[str] = "demo-invalid"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A library that is ready to be served: where, one clip to try, how many clips, spoken or not."""

    library: str | Path
    clip: Clip
    clips: int
    synthetic: bool


def run(settings: Settings, *, source: Path | None = None) -> int:
    """Prepare the library and serve it until it is stopped; return the exit code.

    0 when it was stopped while serving, 130 when Ctrl-C came before. Raises DemoError, SettingsInvalid,
    SpeechUnavailable, AddressUnusable, and what the bundle and the library raise.
    """
    guard = access.guard(settings)  # what it refuses is said before anything is made
    # The progress goes to stderr, the answer to stdout, both readable when piped.
    talk, answer = Console(stderr=True), Console(soft_wrap=True)
    # First of all: to learn that the port is taken after minutes of work would be a pity.
    with listening.claim(settings.host, settings.port) as bound:
        try:
            # One thread a call: the build and the service bring the parallelism.
            encoder = Encoder.load(settings.bundle, threads=1)
            prepared = prepare(settings, source, encoder, talk)
            settings = settings.model_copy(update={"library": prepared.library})
            talk.print("Starting the service ...")
            ready = partial(_announce, prepared=prepared, answer=answer, keys=guard.keyring is not None)
            serving.serve(settings, bound, ready=ready, encoder=encoder)
            return 0
        except KeyboardInterrupt:
            talk.print("Stopped. What is done is kept: the next run goes on from here.")
            return STOPPED


def prepare(settings: Settings, source: Path | None, encoder: Encoder, talk: Console) -> Prepared:
    """Make the library and return what to serve; nothing that was made before is made again."""
    synthetic = source is None
    if source is not None and settings.library is None:
        raise DemoError("--source needs --library DIR: the directory that will hold the index of your recordings.")
    if source is not None and not source.exists():
        raise DemoError(f"{source} is not there. Give --source the folder with your recordings.")
    library = settings.library or settings.data / "library"
    with _open(library, settings, encoder) as store:
        if source is None:
            _refuse_mixing(store, library)
            source = _speak(settings.data / "clips", talk)
        _index(store, encoder, source, settings, talk)
        counts = store.count()
        if counts.clips == 0:
            raise DemoError(f"There is nothing to serve: no clip of {source} could be added to {library}.")
        (clip,) = store.clips(limit=1)
    return Prepared(library, clip, counts.clips, synthetic)


def examples(url: str, prepared: Prepared, *, keys: bool = False) -> list[tuple[str, str]]:
    """Give three requests to try, as (what it does, the command line); with `keys`, each has a place for one."""
    curl = ["curl", "-s", *(["-H", "Authorization: Bearer YOUR-KEY"] if keys else [])]
    query = '{"query": "an angry, furious voice", "k": 5}'
    header = "Content-Type: application/json"
    return [
        (
            "search by how it feels",
            shlex.join([*curl, f"{url}/v1/search", "-H", header, "-d", query]),
        ),
        (
            "describe a recording",
            shlex.join([*curl, f"{url}/v1/describe", "-F", f"file=@{prepared.clip.path}"]),
        ),
        (
            "find clips that feel like this one",
            shlex.join([*curl, f"{url}/v1/clips/{prepared.clip.id}/similar?k=5"]),
        ),
    ]


def _open(library: str | Path, settings: Settings, encoder: Encoder) -> Store:
    try:
        return open_store(library, bundle=encoder.bundle, create=True)
    except LibraryMismatch as error:
        if settings.library is not None:
            raise
        raise LibraryMismatch(
            f"{error}\nThis library is the demo's own, which can make it again: delete {library}, or keep it "
            "and give the demo another folder with EMOTIONRANK_DATA=FOLDER."
        ) from error


def _refuse_mixing(store: Store, library: str | Path) -> None:
    """Raise DemoError when the library holds clips and none of them was spoken by the demo.

    A clip that somebody added to the demo's library is no reason to refuse that library.
    """
    own = store.count().clips
    if own and not store.count(_SPOKEN).clips:
        raise DemoError(
            f"The library {library} holds {own} clips of yours, and the demo would add {samples.COUNT} "
            f"synthetic ones. Serve it as it is (emotionrank serve --library {library}), add recordings to it "
            "(--source FOLDER), or give the demo another library."
        )


def _speak(folder: Path, talk: Console) -> Path:
    with _bar(talk) as progress:
        task = progress.add_task("Speaking sample clips")
        try:
            return samples.make(folder, lambda done, total: progress.update(task, completed=done, total=total))
        except OSError as error:
            raise DemoError(
                f"The sample clips cannot be written to {folder} ({error.strerror or error}). Give the demo "
                "another folder with EMOTIONRANK_DATA=FOLDER."
            ) from error


def _index(store: Store, encoder: Encoder, source: Path, settings: Settings, talk: Console) -> None:
    with _bar(talk) as bar:
        task = bar.add_task("Indexing clips")
        report = build(
            store,
            encoder,
            [source],
            threads=settings.threads,
            max_duration=settings.max_duration,
            progress=lambda now: bar.update(task, completed=now.done, total=now.total),
        )
    for failure in report.failed[:_SHOWN_FAILURES]:
        talk.print(f"left out: {failure.message}", markup=False, highlight=False, soft_wrap=True)
    if len(report.failed) > _SHOWN_FAILURES:
        talk.print(f"left out: {len(report.failed) - _SHOWN_FAILURES} more")
    if report.interrupted:
        raise KeyboardInterrupt


def _bar(talk: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=talk)


def _announce(url: str, *, prepared: Prepared, answer: Console, keys: bool) -> None:
    def say(text: str = "") -> None:
        answer.print(text, markup=False, highlight=False)

    say(f"\nServing {prepared.clips} clips at {url}   (API: {url}/docs)\n")
    say("Try, in another terminal:")
    for what, command in examples(url, prepared, keys=keys):
        say(f"\n  # {what}\n  {command}")
    say(f"\n{NOTICE if prepared.synthetic else OWN_NOTICE}")
    say("\nCtrl-C stops the service. What was made is kept.")
