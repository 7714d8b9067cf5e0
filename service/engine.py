"""What a running service holds: encoders, library, prompt bank, the decoders of uploads and the lanes of work."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from encoders import bundle
from encoders.encoder import Encoder
from index.open import is_remote, open_store
from index.prompts import PromptBank
from index.store import Store
from service.errors import SettingsInvalid
from service.inference.decoding import Decoders
from service.inference.lanes import Lane
from service.inference.texts import Texts
from service.maps import Maps
from service.observing.metrics import Metrics
from service.observing.readings import Readings
from service.settings import Settings
from service.uploads import AudioFolder
from service.waveforms import Waveforms

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
    mapping: Lane
    maps: Maps
    decoders: Decoders
    waveforms: Waveforms
    metrics: Metrics
    readings: Readings


@contextmanager
def open_engine(
    settings: Settings, *, encoder: Encoder | None = None, decoders: Decoders | None = None
) -> Iterator[Engine]:
    """Load the bundle, open the library (made when it is not there), start the decoders, close all.

    An `encoder` or `decoders` that are given are used instead, and `decoders` left open.

    Raises `SettingsInvalid` when no library is set, `NotReady` when no decoder starts, and what the bundle and the
    library raise.
    """
    library = _library(settings)
    with ExitStack() as stack:
        metrics = Metrics()
        own = decoders is None
        decoders = decoders or Decoders(
            settings.threads,
            memory_mb=settings.decode_memory_mb,
            seconds=settings.decode_seconds,
            died=metrics.decoder_died,
        )
        if own:
            stack.callback(decoders.close)
        # One thread a call: the lanes bring the parallelism, and two calls do not fight over the cores.
        encoder = encoder or Encoder.load(settings.bundle, threads=1)
        store = stack.enter_context(open_store(library, bundle=encoder.bundle, create=True))
        folder = _audio_folder(library, settings.audio)
        if folder is not None:
            folder.recover(store.has)
        texts = Texts(encoder, settings.prompt_cache, metrics)
        stack.callback(texts.close)
        quick = Lane("quick", settings.threads, settings.search_queue, _QUICK_PAUSE, bursts=True)
        stack.callback(quick.close)
        audio = Lane("audio", settings.threads, settings.queue, _AUDIO_PAUSE)
        stack.callback(audio.close)
        # One thread: a map of a million segments takes seconds, and is made once for all who wait for it.
        mapping = Lane("map", 1, settings.search_queue, _QUICK_PAUSE)
        stack.callback(mapping.close)
        readings = Readings(metrics, encoder.bundle, store, texts, (quick, audio, mapping))
        stack.callback(readings.close)
        bank = PromptBank(encoder)
        decoders.await_ready()
        yield Engine(
            settings,
            encoder,
            store,
            bank,
            texts,
            folder,
            quick,
            audio,
            mapping,
            Maps(store),
            decoders,
            Waveforms(decoders),
            metrics,
            readings,
        )


def check(settings: Settings) -> None:
    """Verify the bundle, and open the library (made when it is not there) for a moment. Raises as `open_engine`."""
    open_store(_library(settings), bundle=bundle.load(settings.bundle), create=True).close()


def _library(settings: Settings) -> str | Path:
    if settings.library is None:
        raise SettingsInvalid(
            "which library? Say --library DIR (or EMOTIONRANK_LIBRARY=DIR); it is made when it is not there."
        )
    return settings.library


def _audio_folder(library: str | Path, audio: Path | None) -> AudioFolder | None:
    if audio is not None:
        return AudioFolder(audio, owner=str(library))
    return None if is_remote(library) else AudioFolder(Path(library) / "audio")
