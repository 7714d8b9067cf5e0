"""Every method of the client against a real service, and its errors."""

import asyncio
import inspect
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from index.records import clip_id
from service.client import AnswerUnreadable, AsyncClient, Client, ClientError, ProblemError
from service.client.results import Affect, HeardSegment
from tests.service.client.conftest import Answer, scripted
from tests.service.conftest import VOICES

ROOT = Path(__file__).parents[3]
HTTP_DOCS = ROOT / "docs" / "http.md"
Speech = Callable[..., bytes]


def test_searches_answer_with_hits(library: Client, speech: Speech, recordings: Path) -> None:
    first = next(library.all_clips())
    found = library.search("a calm voice", k=3, filter={"speaker": "00"})
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    assert {hit.clip.metadata["speaker"] for hit in found.hits} == {"00"}
    assert isinstance(found.hits[0].affect, Affect)
    summed = library.search(
        [{"clip": first.id}, {"text": "shouting", "weight": -0.5}, {"affect": {"valence": 6, "arousal": 2}}],
        shift={"arousal": -1}, min_score=-1, group_by_clip=False, distinct=True, offset=1,
    )  # fmt: skip
    assert summed.offset == 1
    assert first.id not in {hit.clip.id for hit in summed.hits}
    assert library.similar(first.id, k=2, filter={"speaker": {"in": ["01"]}}).hits[0].clip.metadata["speaker"] == "01"
    itself = library.search_audio(recordings / first.name, k=1, min_score=0.5, filter={"name": first.name})
    assert itself.hits[0].clip == first
    mixed = library.search_audio(
        speech(), parts=[{"text": "shouting", "weight": -0.5}], weight=2, shift={"valence": 1}, group_by_clip=False
    )
    assert mixed.hits
    assert library.search("calm", filter={"speeker": "00"}).hints
    lively = library.search("calm", region={"arousal": (first.affect.arousal, 7)}, group_by_clip=False).hits
    assert all(hit.affect.arousal >= first.affect.arousal - 1e-3 for hit in lively)


def test_the_library_is_listed_counted_and_heard(library: Client, recordings: Path, tmp_path: Path) -> None:
    clips = list(library.all_clips(page=2))
    assert len(clips) == len(VOICES) == library.info().library.clips
    assert library.clips(offset=1, limit=2).clips == tuple(clips[1:3])
    assert library.clip(clips[0].id) == clips[0]
    content = (recordings / clips[0].name).read_bytes()
    assert library.audio(clips[0].id) == content
    assert library.audio(clips[0].id, first=10, last=19) == content[10:20]
    assert library.save_audio(clips[0].id, tmp_path / "saved.wav") == len(content)
    assert (tmp_path / "saved.wav").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["saved.wav"]
    counted = library.facets(["speaker", "arousal"], filter={"duration": {"gte": 1}})
    assert [facet.field for facet in counted.facets] == ["speaker", "arousal"]
    assert {value.value: value.clips for value in counted.facets[0].values} == {"00": 3, "01": 3}
    assert library.health().status == "ok"
    assert library.wait_until_ready(5).status == "ready"


def test_a_recording_is_described_and_embedded(library: Client, speech: Speech) -> None:
    described = library.describe(speech(), candidates=["a calm voice", "shouting"])
    assert {candidate.text for candidate in described.candidates} == {"a calm voice", "shouting"}
    assert described.summary
    assert library.describe(speech()).affect == described.affect
    texts = library.embed_text(["a calm voice"])
    assert len(texts.embeddings[0].embedding) == texts.dim
    sounds = library.embed_audio([speech(), b"no audio"])
    assert [result.status for result in sounds.results] == ["embedded", "failed"]
    assert sounds.results[1].problem is not None
    assert sounds.results[1].problem.code == "audio-unreadable"


def test_a_long_recording_is_told_as_it_is_heard(client: httpx.Client, library: Client, speech: Speech) -> None:
    sound, names = speech(seconds=9), ["calm\u2028and slow", "shouting"]
    plain = library.describe(sound, candidates=names)
    heard: list[HeardSegment] = []
    assert library.describe_aloud(sound, heard.append, candidates=names) == plain
    assert [(segment.start, segment.end) for segment in heard] == [(e.start, e.end) for e in plain.timeline]
    with pytest.raises(ProblemError, match="audio-unreadable"):
        library.describe_aloud(b"no audio", heard.append)

    async def later() -> None:
        again: list[HeardSegment] = []
        async with AsyncClient(str(client.base_url)) as other:
            assert await other.describe_aloud(sound, again.append, candidates=names) == plain
        assert again == heard

    asyncio.run(later())


def test_events_that_break_off_are_no_result() -> None:
    problem = b'{"type": "urn:emotionrank:problem:audio-truncated", "title": "t", "status": 422, "detail": "cut off"}'
    segment = (
        b'event: segment\r\ndata: {"start": 0, "end": 1, "affect": {"valence": 4, "arousal": 4}}\r\n\r\n: comment\n\n'
    )
    answers = [Answer(body=segment), Answer(body=segment + b"event: problem\ndata: " + problem + b"\n\n")]
    heard: list[HeardSegment] = []
    with scripted(*answers) as server, Client(server.address) as client:
        with pytest.raises(AnswerUnreadable, match="without a result"):
            client.describe_aloud(b"sound", heard.append)
        with pytest.raises(ProblemError, match="audio-truncated"):
            client.describe_aloud(b"sound", heard.append)
    assert [segment.end for segment in heard] == [1, 1]


def test_a_clip_comes_and_goes(connect: Callable[..., Client], speech: Speech, tmp_path: Path) -> None:
    client = connect()
    file = tmp_path / "Ärger \udcff 1.wav"  # a name of the file system need not be text
    file.write_bytes(speech())
    added = client.add(file, {"speaker": "Ö", "take": 2})
    assert added.status == "added"
    assert added.clip is not None
    assert added.clip.name == "Ärger � 1.wav"
    assert added.clip.metadata == {"speaker": "Ö", "take": 2}
    assert client.add(speech()).status == "exists"
    with file.open("rb") as opened:
        assert client.add(opened).status == "exists"
    client.delete(added.clip.id)
    with pytest.raises(ProblemError) as refused:
        client.delete(added.clip.id)
    assert refused.value.code == "clip-not-found"
    assert refused.value.status == 404


def test_the_same_can_be_awaited(client: httpx.Client, library: Client, speech: Speech, tmp_path: Path) -> None:
    async def all_of_it() -> None:
        async with AsyncClient(str(client.base_url)) as other:
            ready, found, described = await asyncio.gather(
                other.wait_until_ready(5), other.search("a calm voice", k=3), other.describe(speech())
            )
            assert ready.seconds_ago >= 0
            assert found == library.search("a calm voice", k=3)
            assert described == library.describe(speech())
            clips = [clip async for clip in other.all_clips(page=4)]
            assert clips == list(library.all_clips())
            assert await other.save_audio(clips[0].id, tmp_path / "saved.wav") > 0
            assert (tmp_path / "saved.wav").read_bytes() == await other.audio(clips[0].id)
            with pytest.raises(ProblemError, match="clip-not-found"):
                await other.clip("0")

    asyncio.run(all_of_it())


def test_a_problem_says_each_fault(library: Client) -> None:
    with pytest.raises(ProblemError) as refused:
        library.search([{"text": "calm", "weight": 1e9}], k=0)
    assert refused.value.code == "request-invalid"
    assert {fault.place for fault in refused.value.errors} == {"body /k", "body /query/0/weight"}
    with pytest.raises(ProblemError) as other:
        library.search("calm", filter={"duration": {"around": 3}})
    assert other.value.code == "filter-invalid"
    assert other.value.errors == ()


def test_no_id_leads_out_of_its_route(library: Client) -> None:
    for odd in ("..", "../../healthz", "a/b", "a?b=c", "%2e%2e", "ä", "#", "\x00", ".", " "):
        with pytest.raises(ProblemError) as refused:
            library.clip(odd)
        assert refused.value.status in {404, 422}


def test_the_key_goes_with_every_request_and_into_no_message() -> None:
    with scripted(Answer(401, b"no")) as server:
        with Client(server.address, key="sesame") as client, pytest.raises(ProblemError) as refused:
            client.search("calm")
        assert server.headers[0]["authorization"] == "Bearer sesame"
        assert "sesame" not in str(refused.value) + repr(refused.value) + repr(client)
    for odd in ("", "two words", "line\n", "schlüssel"):
        with pytest.raises(ClientError) as wrong:
            Client("http://127.0.0.1", key=odd)
        assert not odd or odd not in str(wrong.value)


@pytest.mark.parametrize(
    "address",
    [
        "", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "/v1", "http://127.0.0.1:x", "http://127.0.0.1:99999",
        "http://127.0.0.1:0", "http://[::1", "http://127.0.0.1/?k=5", "http://127.0.0.1/#v1", "http://two words",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_said(address: str) -> None:
    with pytest.raises(ClientError, match="no address"):
        Client(address)


def test_an_address_with_a_password_is_not_repeated() -> None:
    with pytest.raises(ClientError, match="auth=") as wrong:
        Client("http://alice:sesame@127.0.0.1")
    assert "sesame" not in str(wrong.value)


def test_one_where_several_belong_is_not_taken_for_its_letters(library: Client) -> None:
    calls: list[Callable[[Client], object]] = [
        lambda client: client.embed_text("calm"),
        lambda client: client.embed_audio("voice.wav"),
        lambda client: client.describe(b"sound", candidates="calm"),
        lambda client: client.facets("speaker"),
        lambda client: list(client.add_all("voice.wav")),
        lambda client: list(client.add_all(io.BytesIO(b"sound"))),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="give a list"):
            call(library)


def test_an_answer_of_something_else_is_said() -> None:
    page = Answer(200, b"<html>hello</html>", {"Content-Type": "text/html"})
    moved = Answer(307, b"", {"Location": "https://elsewhere.example/"})
    packed = Answer(200, b"no gzip", {"Content-Encoding": "gzip"})
    answers = (page, Answer(200, b'{"hits": [{"rank": "x"}]}'), packed, moved)
    with scripted(*answers) as server, Client(server.address) as client:
        with pytest.raises(AnswerUnreadable, match="not as this client's EmotionRank does"):
            client.search("calm")
        with pytest.raises(AnswerUnreadable, match="hits/0/rank"):
            client.search("calm")
        with pytest.raises(AnswerUnreadable, match="not so that it can be read"):
            client.search("calm")
        with pytest.raises(ProblemError, match=r"answered 307 .*elsewhere"):
            client.search("calm")


def test_what_a_newer_service_adds_is_passed_over() -> None:
    ok = Answer(body=b'{"status": "ready", "milliseconds": 3, "seconds_ago": 1.5, "more": {"new": 1}}')
    with scripted(ok) as server, Client(server.address) as client:
        assert client.ready().seconds_ago == 1.5


def test_methods_have_the_arguments_of_their_calls() -> None:
    for kind in (Client, AsyncClient):
        signature = inspect.signature(kind.search)
        assert list(signature.parameters)[:3] == ["self", "query", "k"]
        assert kind.search.__doc__
        assert list(inspect.signature(kind("http://127.0.0.1").delete).parameters) == ["clip_id"]


def test_the_example_of_the_docs_works_as_it_stands(
    connect: Callable[..., Client], speech: Speech, tmp_path: Path
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", HTTP_DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "a.wav").write_bytes(speech())
    (tmp_path / "b.mp3").write_bytes(speech(seed=1, container="mp3"))
    code = example.replace("http://127.0.0.1:8000", connect().address)
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.wav added" in done.stdout
    assert "Progress(done=2, files=2" in done.stdout
    assert "clip-not-found" in done.stdout


def test_it_loads_nothing_of_the_service() -> None:
    code = (
        "import sys, service.client\n"
        "print(sorted({'numpy', 'onnxruntime', 'faiss', 'av', 'fastapi', 'index', 'encoders'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ids_are_those_of_the_library(connect: Callable[..., Client], speech: Speech) -> None:
    added = connect().add(speech())
    assert added.clip is not None
    assert added.clip.id == clip_id(added.clip.sha256)


def test_options_reach_the_service_as_they_were_given() -> None:
    found = Answer(body=b'{"hits": [], "k": 7, "offset": 0, "hints": []}')
    with scripted(found) as server, Client(server.address + "/mounted/") as client:
        client.search("calm", k=7, filter={"speaker": None}, shift={"valence": 0.5}, region={"valence": (1, 3)})
        client.similar("a/b", k=7, filter={"name": "ä&b"}, distinct=True, region={"arousal": (5, 7)})
        assert server.asked[0] == ("POST", "/mounted/v1/search")
        sent: dict[str, Any] = json.loads(server.bodies[0])
        assert sent["filter"] == {"speaker": None}
        assert (sent["shift"], sent["region"]) == ({"valence": 0.5}, {"valence": [1, 3]})
        url = httpx.URL(server.asked[1][1])
        assert url.raw_path.startswith(b"/mounted/v1/clips/a%2Fb/similar?")
        assert dict(url.params) == {
            "k": "7", "offset": "0", "distinct": "true", "filter": '{"name": "ä&b"}', "region": '{"arousal": [5, 7]}',
        }  # fmt: skip
