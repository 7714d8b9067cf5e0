"""What a running service holds: the encoders, the library, the prompt bank and the lanes that work on them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from encoders.encoder import Encoder
from index.open import is_remote, open_store
from index.prompts import PromptBank
from index.store import Store
from service.errors import SettingsInvalid
from service.inference import Lane
from service.metrics import Metrics
from service.readings import Readings
from service.settings import Settings
from service.texts import Texts
from service.uploads import AudioFolder

# What a caller is asked to wait for: a search takes milliseconds, a clip can take seconds.
_QUICK_PAUSE: Final = 1
_AUDIO_PAUSE: Final = 2


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that the routes work with. The encoder, the store and the bank may be used from any thread."""

    settings: Settings
    encoder: Encoder
    store: Store
    bank: PromptBank
    texts: Texts
    audio_folder: AudioFolder | None  # None: there is none, and uploads are refused
    quick: Lane
    audio: Lane
    metrics: Metrics
    readings: Readings


@contextmanager
def open_engine(settings: Settings, *, encoder: Encoder | None = None) -> Iterator[Engine]:
    """Load the bundle (unless its `encoder` is given), open the library (made when it is not there), close all.

    Raises `SettingsInvalid` when no library is set, and what the bundle and the library raise.
    """
    if settings.library is None:
        raise SettingsInvalid(
            "which library? Say --library DIR (or EMOTIONRANK_LIBRARY=DIR); it is made when it is not there."
        )
    with ExitStack() as stack:
        metrics = Metrics()
        # One thread a call: the lanes bring the parallelism, and two calls do not fight over the cores.
        encoder = encoder or Encoder.load(settings.bundle, threads=1)
        store = stack.enter_context(open_store(settings.library, bundle=encoder.bundle, create=True))
        folder = _audio_folder(settings.library, settings.audio)
        texts = Texts(encoder, settings.prompt_cache, metrics)
        stack.callback(texts.close)
        quick = Lane("quick", settings.threads, settings.queue, _QUICK_PAUSE)
        stack.callback(quick.close)
        audio = Lane("audio", settings.threads, settings.queue, _AUDIO_PAUSE)
        stack.callback(audio.close)
        readings = Readings(metrics, encoder.bundle, store, texts, (quick, audio))
        stack.callback(readings.close)
        bank = PromptBank(encoder)
        yield Engine(settings, encoder, store, bank, texts, folder, quick, audio, metrics, readings)


def _audio_folder(library: str | Path, audio: Path | None) -> AudioFolder | None:
    if audio is not None:
        return AudioFolder(audio)
    return None if is_remote(library) else AudioFolder(Path(library) / "audio")
