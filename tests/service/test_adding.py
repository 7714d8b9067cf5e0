"""Adding and deleting while another process works on the same clip."""

import io
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from index.errors import LibraryBusy
from index.local.library import LocalStore
from index.open import open_store
from index.records import clip_id
from service import adding
from service.adding import Added
from service.engine import Engine
from service.uploads import Upload
from tests.service.conftest import OpenEngine

Speech = Callable[..., bytes]


def add(engine: Engine, content: bytes) -> Added:
    upload = Upload("voice.wav", io.BytesIO(content))
    return adding.add(
        upload,
        None,
        encoder=engine.encoder,
        store=engine.store,
        folder=engine.audio_folder,
        max_duration=60,
        decoders=engine.decoders,
    )


def test_a_clip_that_another_process_works_on_is_waited_for(
    open_own: OpenEngine, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, content = open_own(), speech()
    identity = clip_id(Upload("", io.BytesIO(content)).sha256())
    asked, claim = list[str](), LocalStore.claim
    refused, found = threading.Event(), list[Added]()

    def counted(store: LocalStore, clip: str) -> AbstractContextManager[bool]:
        asked.append(clip)
        if len(asked) > 2:  # theirs, ours that is refused, and ours again
            refused.set()
        return claim(store, clip)

    monkeypatch.setattr(LocalStore, "claim", counted)
    thread = threading.Thread(target=lambda: found.append(add(engine, content)))
    # Claims are of an open file: a second store's is as foreign as another process's.
    with open_store(str(engine.settings.library), bundle=None) as other:
        with other.claim(identity) as theirs:
            assert theirs
            thread.start()
            assert refused.wait(20)
            assert not engine.store.has([identity])
        thread.join(20)
    assert [added.status for added in found] == ["added"]


def test_a_clip_that_another_process_never_lets_go_of_is_refused(
    open_own: OpenEngine, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, content = open_own(), speech()
    clip = add(engine, content).clip
    monkeypatch.setattr(adding, "_PATIENCE", 0.05)
    with open_store(str(engine.settings.library), bundle=None) as other, other.claim(clip.id):
        with pytest.raises(LibraryBusy, match=clip.id):
            adding.delete(clip.id, engine.store, engine.audio_folder)
        with pytest.raises(LibraryBusy, match=clip.id):
            add(engine, content)
    adding.delete(clip.id, engine.store, engine.audio_folder)
    assert engine.store.count().clips == 0
