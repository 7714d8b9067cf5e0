"""Adding, listing, hearing and deleting clips over HTTP."""

import json
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.conftest import VOICES, OpenEngine, problem_of, running
from tests.sounds import RATE, film, media, voice

CLIPS = "/v1/clips"
Speech = Callable[..., bytes]


def add(client: httpx.Client, *contents: bytes, **fields: str) -> httpx.Response:
    files = [("files", (f"file{number}.wav", content)) for number, content in enumerate(contents)]
    return client.post(CLIPS, files=files, data=fields)


def added(client: httpx.Client, content: bytes, name: str = "voice.wav") -> dict[str, Any]:
    answer = client.post(CLIPS, files={"files": (name, content)})
    assert answer.status_code == 201, answer.text
    clip: dict[str, Any] = answer.json()["results"][0]["clip"]
    return clip


def kept(library: Path) -> set[str]:
    return {file.name for file in (library / "audio").iterdir()}


def test_an_added_clip_is_there_can_be_found_and_heard(own: httpx.Client, tmp_path: Path) -> None:
    content = media(np.concatenate([voice(1.5), np.zeros(2 * RATE)]))
    clip = added(own, content, "C:\\recordings\\Ärger 1.wav")
    assert clip["name"] == "Ärger 1.wav"
    assert clip["duration"] == pytest.approx(3.5, abs=0.01)
    assert clip["segments"] == 1  # a short clip is one window
    assert clip["sha256"].startswith(clip["id"])
    assert own.get(f"{CLIPS}/{clip['id']}").json() == clip
    assert own.get(CLIPS).json() == {"clips": [clip], "total": 1, "offset": 0, "limit": 100, "hints": []}
    assert own.post("/v1/search", json={"query": "calm"}).json()["hits"][0]["clip"] == clip
    heard = own.get(clip["audio_url"])
    assert (heard.status_code, heard.content) == (200, content)
    assert kept(tmp_path / "library") == {f"{clip['id']}.wav"}


def test_no_response_tells_where_files_lie(own: httpx.Client, speech: Speech, tmp_path: Path) -> None:
    clip = added(own, speech())
    for answer in (
        own.get(CLIPS),
        own.get(f"{CLIPS}/{clip['id']}"),
        own.post("/v1/search", json={"query": "calm"}),
        own.get("/v1/info"),
        own.get("/readyz"),
        add(own, b""),
        add(own, b"some text"),
    ):
        assert str(tmp_path) not in answer.text
        assert '"path"' not in answer.text


def test_each_file_has_its_own_status(own: httpx.Client, speech: Speech, tmp_path: Path) -> None:
    old = speech(seed=1)
    added(own, old)
    answer = add(own, speech(seed=2), b"", old, b"no audio at all", speech(seed=3))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["added", "failed", "exists", "failed", "added"]
    assert [result["name"] for result in results] == [f"file{number}.wav" for number in range(5)]
    assert results[1]["problem"]["type"].endswith(":audio-empty")
    assert results[3]["problem"]["type"].endswith(":audio-unreadable")
    assert "file3.wav" in results[3]["problem"]["detail"]
    assert results[1]["clip"] is None
    assert own.get(CLIPS).json()["total"] == 3
    assert len(kept(tmp_path / "library")) == 3


def test_when_every_file_fails_the_answer_is_the_first_problem_with_all_results(own: httpx.Client) -> None:
    found = problem_of(add(own, b"", b"some text"), 422, "audio-empty")
    assert [result["status"] for result in found["results"]] == ["failed", "failed"]
    assert found["results"][1]["problem"]["type"].endswith(":audio-unreadable")
    assert problem_of(add(own, b""), 422, "audio-empty")["detail"].startswith("file0.wav")


BAD_AUDIO = {
    "audio-empty": b"",
    "audio-unreadable": b"this is a text file, whatever its name\n" * 20,
    "audio-no-track": film(),
    "audio-silent": media(voice(1) * 0),
    "audio-too-short": media(voice(0.05)),
    "audio-too-long": media(voice(3.5)),
    "audio-truncated": media(voice(2), container="mp3")[:5_000],
    "audio-invalid": media(voice(1) * float("nan"), codec="pcm_f32le"),
}


@pytest.mark.parametrize("path", [CLIPS, "/v1/describe", "/v1/search/audio", "/v1/embed/audio"])
def test_bad_audio_is_a_problem_and_harms_nothing(
    serve_own: Callable[..., httpx.Client], speech: Speech, tmp_path: Path, path: str
) -> None:
    client = serve_own(max_duration=3)
    good = added(client, speech())
    field = "file" if path in {"/v1/describe", "/v1/search/audio"} else "files"
    for code, content in BAD_AUDIO.items():
        problem_of(client.post(path, files={field: ("voice.wav", content)}), 422, code)
    assert client.get(CLIPS).json()["clips"] == [good]
    assert kept(tmp_path / "library") == {f"{good['id']}.wav"}


CONTAINERS = {
    "wav": ("wav", "audio/wav"),
    "flac": ("flac", "audio/flac"),
    "mp3": ("mp3", "audio/mpeg"),
    "ogg": ("ogg", "audio/ogg"),
    "m4a": ("m4a", "audio/mp4"),
    "mp4": ("mp4", "audio/mp4"),
    "webm": ("webm", "audio/webm"),
    "mkv": ("mkv", "audio/x-matroska"),
    "aiff": ("aiff", "audio/aiff"),
    "adts": ("aac", "audio/aac"),
    "mov": ("mov", "video/quicktime"),
}


def test_the_content_says_what_a_file_is_and_not_its_name(own: httpx.Client, speech: Speech, tmp_path: Path) -> None:
    files = set()
    for container, (suffix, media_type) in CONTAINERS.items():
        clip = added(own, speech(container=container), "../../evil/page.html")
        assert clip["name"] == "page.html"
        files.add(f"{clip['id']}.{suffix}")
        assert kept(tmp_path / "library") == files
        heard = own.get(clip["audio_url"])
        assert heard.headers["content-type"] == media_type
        assert heard.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in heard.headers["content-security-policy"]


def test_audio_is_served_in_ranges(own: httpx.Client, speech: Speech) -> None:
    content = speech()
    url = added(own, content)["audio_url"]

    def part(asked: str) -> httpx.Response:
        return own.get(url, headers={"Range": asked})

    assert own.get(url).headers["accept-ranges"] == "bytes"
    first = part("bytes=0-99")
    assert (first.status_code, first.content) == (206, content[:100])
    assert first.headers["content-range"] == f"bytes 0-99/{len(content)}"
    assert part("bytes=100-").content == content[100:]
    assert part("bytes=-50").content == content[-50:]
    beyond = part(f"bytes={len(content)}-")
    problem_of(beyond, 416, "range-not-satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{len(content)}"
    problem_of(part("lines=1-2"), 400, "bad-request")
    whole = own.get(url)
    assert own.get(url, headers={"Range": "bytes=0-9", "If-Range": whole.headers["etag"]}).status_code == 206
    assert own.head(url).headers["content-length"] == str(len(content))


def test_audio_that_was_moved_is_missing_and_comes_back_with_an_upload(
    own: httpx.Client, speech: Speech, tmp_path: Path
) -> None:
    content = speech()
    clip = added(own, content)
    (tmp_path / "library" / "audio" / f"{clip['id']}.wav").unlink()
    found = problem_of(own.get(clip["audio_url"]), 404, "audio-missing")
    assert "voice.wav" in found["detail"]
    assert str(tmp_path) not in found["detail"]
    assert own.post("/v1/search", json={"query": "calm"}).json()["hits"]
    assert add(own, content).json()["results"][0]["status"] == "exists"
    assert own.get(clip["audio_url"]).content == content


def test_an_unknown_clip_is_a_problem(own: httpx.Client) -> None:
    for path in ("0000000000000000", "x", "..%2F..%2Fetc%2Fpasswd", "%00"):
        problem = own.get(f"{CLIPS}/{path}")
        assert problem.status_code == 404, path
        assert problem.headers["content-type"] == "application/problem+json"
    for tail in ("", "/audio", "/similar"):
        problem_of(own.get(f"{CLIPS}/0000000000000000{tail}"), 404, "clip-not-found")
    problem_of(own.delete(f"{CLIPS}/0000000000000000"), 404, "clip-not-found")
    problem_of(own.get(f"{CLIPS}/{'0' * 100}"), 422, "request-invalid")


def test_a_deleted_upload_is_gone_with_its_audio(own: httpx.Client, speech: Speech, tmp_path: Path) -> None:
    gone, stays = added(own, speech(seed=1)), added(own, speech(seed=2))
    answer = own.delete(f"{CLIPS}/{gone['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    problem_of(own.get(f"{CLIPS}/{gone['id']}"), 404, "clip-not-found")
    assert own.get(CLIPS).json()["clips"] == [stays]
    assert [hit["clip"] for hit in own.post("/v1/search", json={"query": "calm"}).json()["hits"]] == [stays]
    assert kept(tmp_path / "library") == {f"{stays['id']}.wav"}
    assert added(own, speech(seed=1))["id"] == gone["id"]


def test_the_users_own_files_are_served_and_never_deleted(
    open_own: OpenEngine, recordings: Path, tmp_path: Path
) -> None:
    from index.build import build
    from service.app import create_app

    mine = tmp_path / "mine"
    shutil.copytree(recordings, mine)
    engine = open_own()
    build(engine.store, engine.encoder, [mine], threads=1)
    with running(create_app(engine.settings, engine=engine)) as client:
        clips = client.get(CLIPS).json()["clips"]
        assert len(clips) == len(VOICES)
        for clip in clips:
            assert client.get(clip["audio_url"]).content == (mine / clip["name"]).read_bytes()
            assert client.delete(f"{CLIPS}/{clip['id']}").status_code == 204
        assert client.get(CLIPS).json()["total"] == 0
    assert len(list(mine.glob("voice*"))) == len(VOICES)


def test_metadata_is_kept_found_and_replaced(own: httpx.Client, speech: Speech) -> None:
    first, second, third = speech(seed=1), speech(seed=2), speech(seed=3)
    both = add(own, first, second, metadata='{"speaker": "03", "take": 2, "child": false, "note": null}')
    assert both.status_code == 201
    for result in both.json()["results"]:
        assert result["clip"]["metadata"] == {"speaker": "03", "take": 2, "child": False, "note": None}
    again = add(own, second, third, metadata='[{"speaker": "07"}, null]')
    assert [result["clip"]["metadata"] for result in again.json()["results"]] == [{"speaker": "07"}, {}]
    assert add(own, second).json()["results"][0]["clip"]["metadata"] == {"speaker": "07"}
    found = own.get(CLIPS, params={"filter": '{"speaker": "07"}'}).json()
    assert (found["total"], found["clips"][0]["id"]) == (1, again.json()["results"][0]["clip"]["id"])


BAD_METADATA = [
    "speaker=03",
    "3",
    '"text"',
    "[]",
    '[{"a": 1}, {"a": 2}]',
    "[3]",
    '{"a": [1]}',
    '{"a": {"b": 1}}',
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": 99999999999999999999}',
    '{"": 1}',
    '{"a": "\\ud800"}',
    json.dumps({"a": "x" * 20_000}),
    json.dumps({f"key{number}": number for number in range(300)}),
]


def test_metadata_that_is_not_flat_or_too_large_is_refused(own: httpx.Client, speech: Speech) -> None:
    for metadata in BAD_METADATA:
        problem_of(add(own, speech(), metadata=metadata), 422, "metadata-invalid")
    assert own.get(CLIPS).json()["total"] == 0


def test_too_many_files_are_refused(serve_own: Callable[..., httpx.Client], speech: Speech) -> None:
    client = serve_own(max_files=2)
    problem_of(add(client, speech(1), speech(2), speech(3)), 422, "too-many-files")
    assert client.get(CLIPS).json()["total"] == 0
    assert add(client, speech(1), speech(2)).status_code == 201


def test_the_same_content_added_many_times_at_once_is_one_clip(
    own: httpx.Client, speech: Speech, tmp_path: Path
) -> None:
    content = speech(seconds=2)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: add(own, content, content), range(6)))
    statuses = [result["status"] for answer in answers for result in answer.json()["results"]]
    assert sorted(statuses) == ["added"] + ["exists"] * 11
    assert own.get(CLIPS).json()["total"] == 1
    assert len(kept(tmp_path / "library")) == 1


def test_adds_deletes_and_searches_at_once_end_in_order(own: httpx.Client, speech: Speech, tmp_path: Path) -> None:
    contents = [speech(seed=seed, seconds=0.5) for seed in range(4)]

    def churn(seed: int) -> list[int]:
        seen = []
        for turn in range(4):
            answer = add(own, contents[(seed + turn) % 4])
            seen.append(answer.status_code)
            clip = answer.json()["results"][0]["clip"]["id"]
            seen.append(own.post("/v1/search", json={"query": "calm"}).status_code)
            seen.append(own.delete(f"{CLIPS}/{clip}").status_code)
        return seen

    with ThreadPoolExecutor(4) as pool:
        statuses = {status for seen in pool.map(churn, range(4)) for status in seen}
    assert statuses <= {200, 201, 204, 404}
    left = own.get(CLIPS).json()["clips"]
    assert kept(tmp_path / "library") == {f"{clip['id']}.wav" for clip in left}
    for content in contents:
        assert add(own, content).status_code in {200, 201}
    assert own.get(CLIPS).json()["total"] == 4


def test_pages_of_the_list_fit_together(client: httpx.Client) -> None:
    whole = client.get(CLIPS).json()
    assert whole["total"] == len(VOICES)
    pages = [client.get(CLIPS, params={"offset": offset, "limit": 4}).json() for offset in (0, 4, 8)]
    assert [clip for page in pages for clip in page["clips"]] == whole["clips"]
    assert [page["total"] for page in pages] == [len(VOICES)] * 3


def test_nothing_of_a_request_outlives_it(own: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    # Over the megabyte up to which a form stays in memory.
    large = media(voice(3), rate=96_000, channels=2)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert len(large) > 1024 * 1024
    own.post("/v1/describe", files={"file": ("a", large)})
    before = open_files()
    for _ in range(3):
        assert own.post("/v1/describe", files={"file": ("a", large)}).status_code == 200
        own.post("/v1/describe", files={"file": ("a", large[: len(large) // 2])})
        own.post("/v1/describe", files={"nonsense": ("a", large)})
    assert open_files() <= before
    assert list(temporary.iterdir()) == []


def test_a_disk_that_is_full_loses_nothing(
    own: httpx.Client, speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = added(own, speech(seed=1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("service.uploads.shutil.copyfileobj", full)
        found = problem_of(add(own, speech(seed=2)), 507, "storage-full")
    assert "No space left" in found["detail"]
    assert own.get(CLIPS).json()["clips"] == [before]
    assert kept(tmp_path / "library") == {f"{before['id']}.wav"}
    assert add(own, speech(seed=2)).status_code == 201
