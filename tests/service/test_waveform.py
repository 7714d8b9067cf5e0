"""The waveform of a clip over HTTP."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import numpy as np

from index.build import build
from service.app import create_app
from service.client import Client
from service.engine import Engine
from service.waveforms import Waveforms
from tests.service.conftest import VOICES, OpenEngine, problem_of, running
from tests.sounds import RATE, media, voice


def added(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/clips", files={"files": ("voice.wav", content)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["results"][0]["clip"]["id"])


def test_a_waveform_shows_where_the_sound_is(own: httpx.Client) -> None:
    found = added(own, media(np.concatenate([voice(1.0), np.zeros(2 * RATE)])))
    answer = own.get(f"/v1/clips/{found}/waveform", params={"points": 30}).json()
    assert answer["duration"] == 3.0
    assert len(answer["peaks"]) == 30
    assert min(answer["peaks"][:8]) > 0.01
    assert max(answer["peaks"][11:]) == 0


def test_every_container_has_one_of_the_same_length(client: httpx.Client, engine: Engine) -> None:
    for clip in engine.store.clips():
        answer = client.get(f"/v1/clips/{clip.id}/waveform").json()
        assert len(answer["peaks"]) == 400
        assert abs(answer["duration"] - clip.duration) < 0.1, clip.name
        assert max(answer["peaks"]) > 0.1, clip.name
    assert len(list(engine.store.clips())) == len(VOICES)


def test_it_is_decoded_once_and_need_not_be_sent_again(open_own: OpenEngine, recordings: Path) -> None:
    engine = open_own()
    build(engine.store, engine.encoder, [recordings / "voice0.wav"], threads=1)
    [clip] = engine.store.clips()
    with running(create_app(engine.settings, engine=engine)) as client:
        first = client.get(f"/v1/clips/{clip.id}/waveform")
        assert "immutable" in first.headers["cache-control"]
        assert "private" in first.headers["cache-control"]
        assert "decode;" in first.headers["server-timing"]
        second = client.get(f"/v1/clips/{clip.id}/waveform")
        assert second.json() == first.json()
        assert "decode;" not in second.headers["server-timing"]
        tag = {"If-None-Match": first.headers["etag"]}
        kept = client.get(f"/v1/clips/{clip.id}/waveform", headers=tag)
        assert (kept.status_code, kept.content) == (304, b"")
        other = client.get(f"/v1/clips/{clip.id}/waveform", params={"points": 10}, headers=tag)
        assert (other.status_code, len(other.json()["peaks"])) == (200, 10)
        with Client(str(client.base_url)) as library:
            assert list(library.waveform(clip.id, points=10).peaks) == other.json()["peaks"]


def test_only_so_many_are_remembered(engine: Engine) -> None:
    waveforms = Waveforms(engine.decoders, most=2)
    clips = list(engine.store.clips())[:3]
    for clip in clips:
        waveforms.make(clip, Path(clip.path), 5)
    assert [waveforms.known(clip.id, 5) is not None for clip in clips] == [False, True, True]


def test_what_cannot_be_drawn_is_a_problem(own: httpx.Client, speech: Callable[..., bytes], tmp_path: Path) -> None:
    problem_of(own.get("/v1/clips/0123456789abcdef/waveform"), 404, "clip-not-found")
    found = added(own, speech())
    path = f"/v1/clips/{found}/waveform"
    for points in ("0", "2001", "many"):
        problem_of(own.get(path, params={"points": points}), 422, "request-invalid")
    [kept] = (tmp_path / "library" / "audio").iterdir()
    kept.write_bytes(b"this is no audio any more\n" * 50)
    assert str(tmp_path) not in problem_of(own.get(path), 422, "audio-unreadable")["detail"]
    kept.write_bytes(media(voice(4.0)))
    problem_of(own.get(path), 422, "audio-too-long")
    kept.unlink()
    problem_of(own.get(path), 404, "audio-missing")


def test_a_full_audio_lane_refuses_waveforms_and_not_searches(open_own: OpenEngine, recordings: Path) -> None:
    engine = open_own(threads=1, queue=0)
    build(engine.store, engine.encoder, [recordings / "voice0.wav"], threads=1)
    [clip] = engine.store.clips()
    begun, end = Event(), Event()

    class Slow(Waveforms):
        def make(self, *args: object, **options: object) -> object:  # type: ignore[override]
            begun.set()
            end.wait(20)
            return super().make(*args, **options)  # type: ignore[arg-type]

    engine = replace(engine, waveforms=Slow(engine.decoders))
    with running(create_app(engine.settings, engine=engine)) as client, ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(client.get, f"/v1/clips/{clip.id}/waveform")
        assert begun.wait(20)
        refused = client.get(f"/v1/clips/{clip.id}/waveform")
        problem_of(refused, 429, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert client.post("/v1/search", json={"query": "calm"}).status_code == 200
        end.set()
        assert drawn.result().status_code == 200
