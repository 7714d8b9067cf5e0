"""Add uploaded audio to a library, and take clips out of it again.

A clip's id comes from its content, so two uploads of one file are one clip: whoever holds the clip's lock works,
whoever waited finds it there. The lock is one of this process and the store's claim, which keeps out other processes
on the same library, the other workers of this service among them. The audio is kept before the record is written: a
crash in between leaves a file without a record, which the next start removes, and never a record without its audio.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple
from weakref import WeakValueDictionary

from encoders.encoder import Encoder
from index.encode import encode_clip
from index.errors import LibraryBusy
from index.records import Clip, Metadata, NewClip, clip_id
from index.store import Store
from service.errors import UploadsUnavailable
from service.inference.decoding import Decoders
from service.observing import timing
from service.uploads import AudioFolder, Upload

_PATIENCE: Final = 60.0  # seconds to wait for another process: adding a clip seldom takes longer
_PAUSE: Final = 0.02  # seconds between two looks

_guard = threading.Lock()
_locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()


class Added(NamedTuple):
    """What became of an upload."""

    status: Literal["added", "exists"]
    clip: Clip


def add(
    upload: Upload,
    metadata: Metadata | None,
    *,
    encoder: Encoder,
    store: Store,
    decoders: Decoders,
    folder: AudioFolder | None,
    max_duration: float,
) -> Added:
    """Add an upload: decode and embed it, keep its audio, write its record.

    Content that the library has already is not embedded again: its metadata is replaced if any is given, and
    its audio restored if it has gone missing. Raises UploadsUnavailable without a `folder`, and the audio, metadata
    and library errors.
    """
    if folder is None:
        raise UploadsUnavailable(
            "this service takes no uploads: its library keeps no audio, and no folder for it is set "
            "(EMOTIONRANK_AUDIO). Add recordings with `emotionrank index build`, or ask who runs the service."
        )
    sha256 = upload.sha256()
    identity = clip_id(sha256)
    with _alone(identity, store):
        if store.has([identity]):
            return Added("exists", _refresh(upload, metadata, store.get(identity), store, folder))
        with timing.stage("encode"), decoders.sound(upload) as sound:
            segments, duration = encode_clip(encoder, sound, name=upload.name, max_duration=max_duration)
        with folder.pending(identity):
            kept = folder.keep(upload, identity)
            clip = NewClip(sha256, upload.name, str(kept), duration, metadata)
            try:
                return Added("added", store.add(clip, segments))
            except BaseException:
                if not store.has([identity]):
                    folder.remove(str(kept))
                raise


def delete(identity: str, store: Store, folder: AudioFolder | None) -> None:
    """Delete a clip, and its audio if it was uploaded. Raises `ClipNotFound`."""
    store.get(identity)  # what is no id of a clip cannot be claimed
    with _alone(identity, store):
        if folder is None or not store.has([identity]):
            store.delete(identity)
            return
        with folder.pending(identity):
            store.delete(identity)
            folder.discard(identity)


def _refresh(upload: Upload, metadata: Metadata | None, clip: Clip, store: Store, folder: AudioFolder) -> Clip:
    path = None if Path(clip.path).is_file() else str(folder.keep(upload, clip.id))
    if metadata is None and path is None:
        return clip
    return store.update(clip.id, path=path, metadata=metadata)


@contextmanager
def _alone(identity: str, store: Store) -> Iterator[None]:
    """Keep all others off a clip until the block ends. Raises LibraryBusy where another process does not let go."""
    with _lock(identity):
        until = time.monotonic() + _PATIENCE
        while True:
            with store.claim(identity) as ours:
                if ours:
                    yield
                    return
            if time.monotonic() > until:
                raise LibraryBusy(f"another process works on the clip {identity} for over {_PATIENCE:g} s. Try again.")
            time.sleep(_PAUSE)


def _lock(identity: str) -> threading.Lock:
    """Return the one lock of a clip; it lives as long as somebody holds or awaits it."""
    with _guard:
        return _locks.setdefault(identity, threading.Lock())
