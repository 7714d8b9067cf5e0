"""Captions over a chat endpoint: a real server of the protocol on this machine, with its failings."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from encoders.errors import OutputError
from model_export import manifest
from model_export.captions import writer
from model_export.captions.chat import AnswerError, Chat, EndpointError, UnreachableError
from model_export.commands.corpus import corpus
from model_export.errors import CorpusError
from model_export.manifest import Row

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Endpoint:
    """What a server was asked, and what it says."""

    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    reply: Callable[[dict[str, Any], int], Reply] = lambda _, __: said("A calm, warm voice.")

    @property
    def chat(self) -> Chat:
        """Settings that ask this server, without long pauses."""
        return Chat(self.address, "small", timeout=5, tries=3, pause=0.01)


def said(text: str) -> Reply:
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(body)
            state.keys.append(self.headers["Authorization"])
            state.paths.append(self.path)
            status, headers, content = state.reply(body, len(state.asked))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a client that has given up
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/v1"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def rows(*valences: float) -> list[Row]:
    return [
        Row(Path(f"/clips/take_{k}.wav"), "mine", "mine-anna", "anger", valence, 5.5, 4.6)
        for k, valence in enumerate(valences)
    ]


def texts(written: writer.Written) -> list[list[str]]:
    return [[caption.text for caption in captions] for captions in written.captions]


def test_every_labelled_clip_gets_captions_at_its_place(endpoint: Endpoint, tmp_path: Path) -> None:
    given = rows(2.1, float("nan"), 6.0)
    written = writer.write(given, writer.Settings(endpoint.chat), tmp_path / "cache.jsonl")
    assert texts(written) == [["A calm, warm voice."], [], ["A calm, warm voice."]]
    assert written.failures == []
    assert written.captions[2][0].affect == (6.0, 5.5)
    assert written.captions[2][0].dominance == 4.6
    assert set(endpoint.paths) == {"/v1/chat/completions"}


def test_the_model_is_told_the_labels_and_no_name(endpoint: Endpoint, tmp_path: Path) -> None:
    writer.write(rows(2.1), writer.Settings(replace(endpoint.chat, key="sesame")), tmp_path / "cache.jsonl")
    asked = json.dumps(endpoint.asked[0])
    assert endpoint.asked[0]["model"] == "small"
    assert all(label in asked for label in ("2.1", "5.5", "4.6", "anger"))
    assert "take_0" not in asked
    assert "anna" not in asked
    assert endpoint.keys == ["Bearer sesame"]


def test_what_was_answered_is_never_asked_again(endpoint: Endpoint, tmp_path: Path) -> None:
    cache, settings = tmp_path / "deep" / "cache.jsonl", writer.Settings(endpoint.chat, each=2)
    first = writer.write(rows(2.1, 3.1), settings, cache)
    assert len(endpoint.asked) == 4
    assert texts(writer.write(rows(2.1, 3.1), settings, cache)) == texts(first)
    assert len(endpoint.asked) == 4
    # Another label, another model and another clip are other questions.
    writer.write(rows(2.2, 3.1), settings, cache)
    assert len(endpoint.asked) == 6
    writer.write(rows(2.1), writer.Settings(replace(endpoint.chat, model="large")), cache)
    assert len(endpoint.asked) == 7


def test_half_a_line_at_the_end_is_asked_for_again(endpoint: Endpoint, tmp_path: Path) -> None:
    cache, settings = tmp_path / "cache.jsonl", writer.Settings(endpoint.chat, parallel=1)
    writer.write(rows(2.1, 3.1), settings, cache)
    cache.write_bytes(cache.read_bytes()[:-20])
    assert texts(writer.write(rows(2.1, 3.1), settings, cache)) == [["A calm, warm voice."]] * 2
    assert len(endpoint.asked) == 3
    assert [json.loads(line)["prompt"] for line in cache.read_text().splitlines()] == [writer.version()] * 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(endpoint: Endpoint, tmp_path: Path, status: int) -> None:
    endpoint.reply = lambda _, count: (status, {"Retry-After": "0.01"}, b"later") if count < 3 else said("Tense.")
    assert texts(writer.write(rows(2.1), writer.Settings(endpoint.chat), tmp_path / "c")) == [["Tense."]]
    assert len(endpoint.asked) == 3


def test_a_time_out_is_tried_again(endpoint: Endpoint, tmp_path: Path) -> None:
    def slow_at_first(_: dict[str, Any], count: int) -> Reply:
        time.sleep(0.6 if count == 1 else 0)
        return said("Tense.")

    endpoint.reply = slow_at_first
    chat = replace(endpoint.chat, timeout=0.3)
    assert texts(writer.write(rows(2.1), writer.Settings(chat), tmp_path / "c")) == [["Tense."]]


BAD_ANSWERS = {
    "": "is empty",
    "sad " * 100: "longer than 300",
    "Sounds like take_1 to me": "names the file or the speaker",
    "Anna sounds tense": "names the file or the speaker",
    "A voice at 2.1 of valence": "holds numbers",
}


@pytest.mark.parametrize(("answer", "why"), BAD_ANSWERS.items())
def test_a_bad_answer_is_asked_for_again_and_then_fails_alone(
    endpoint: Endpoint, tmp_path: Path, answer: str, why: str
) -> None:
    endpoint.reply = lambda body, _: said(answer if "3.1" in body["messages"][1]["content"] else "Tense.")
    written = writer.write(rows(2.1, 3.1, 4.1), writer.Settings(endpoint.chat, parallel=1), tmp_path / "c")
    assert texts(written) == [["Tense."], [], ["Tense."]]
    assert [position for position, _ in written.failures] == [1]
    assert why in written.failures[0][1]
    assert len(endpoint.asked) == 5


def test_a_bad_answer_may_be_followed_by_a_good_one(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.reply = lambda _, count: said("") if count == 1 else said('"Tense | and\nloud."')
    written = writer.write(rows(2.1), writer.Settings(endpoint.chat), tmp_path / "c")
    assert texts(written) == [["Tense , and loud."]]


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}']
)
def test_an_answer_of_another_protocol_fails_alone(endpoint: Endpoint, tmp_path: Path, body: bytes) -> None:
    endpoint.reply = lambda _, __: (200, {}, body)
    written = writer.write(rows(2.1), writer.Settings(endpoint.chat), tmp_path / "c")
    assert len(written.failures) == 1
    assert "answer" in written.failures[0][1]


def test_a_refused_question_is_not_repeated(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.reply = lambda _, __: (400, {}, b"no such thing")
    written = writer.write(rows(2.1), writer.Settings(endpoint.chat), tmp_path / "c")
    assert "HTTP 400: no such thing" in written.failures[0][1]
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(("status", "why"), [(401, "refuses the key"), (404, "no such address or model")])
def test_an_endpoint_that_answers_nobody_ends_the_run_at_once(
    endpoint: Endpoint, tmp_path: Path, status: int, why: str
) -> None:
    endpoint.reply = lambda _, __: (status, {}, b"no")
    with pytest.raises(EndpointError, match=why):
        writer.write(rows(*[2.0] * 40), writer.Settings(endpoint.chat, parallel=1), tmp_path / "c")
    assert len(endpoint.asked) < 5


def test_nobody_listening_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    chat = Chat("http://127.0.0.1:9/v1", "small", timeout=1, tries=2, pause=0.01)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
        writer.write(rows(2.1), writer.Settings(chat), tmp_path / "c")


@pytest.mark.parametrize("address", ["", "localhost", "ftp://a/v1", "http://", "http://a:b/v1"])
def test_what_is_no_endpoint_is_refused(address: str) -> None:
    with pytest.raises(EndpointError, match="is no endpoint"):
        Chat(address, "small").ask([])


def test_tries_run_out(endpoint: Endpoint) -> None:
    endpoint.reply = lambda _, __: (503, {}, b"overloaded")
    with pytest.raises(AnswerError, match="HTTP 503: overloaded"):
        endpoint.chat.ask([])
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize("content", ["not json\n", "{}\n", "[]\n"])
def test_a_file_that_is_no_cache_is_named(tmp_path: Path, content: str) -> None:
    cache = tmp_path / "cache.jsonl"
    cache.write_text(content)
    with pytest.raises(CorpusError, match=r"cache.jsonl, line 1"):
        writer.write([], writer.Settings(Chat("http://a/v1", "small")), cache)


def test_a_cache_that_cannot_be_written_is_named(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        writer.write(rows(2.1), writer.Settings(endpoint.chat), tmp_path / "file" / "cache.jsonl")


def run(endpoint: Endpoint, path: Path, output: Path, *more: str) -> Any:
    arguments = ["caption", str(path), "--endpoint", endpoint.address, "--model", "small", "--output", str(output)]
    return CliRunner().invoke(corpus, [*arguments, "--tries", "1", *more])


def test_the_command_writes_a_manifest_and_goes_on_where_it_failed(endpoint: Endpoint, tmp_path: Path) -> None:
    path, output = tmp_path / "manifest.csv", tmp_path / "with-captions.csv"
    manifest.write(rows(2.1, 3.1), path)
    endpoint.reply = lambda body, _: (400, {}, b"no") if "3.1" in body["messages"][1]["content"] else said("Tense.")
    result = run(endpoint, path, output)
    assert result.exit_code == 1
    assert "captions for 1 of 2 clips" in result.output
    assert "take_1.wav: HTTP 400" in result.output
    endpoint.reply = lambda _, count: said(f"Calm{'!' * count}")
    result = run(endpoint, path, output)
    assert result.exit_code == 0, result.output
    assert len(endpoint.asked) == 3
    assert [row.caption for row in manifest.read(output)] == ["Tense.", "Calm!!!"]


def test_the_command_does_not_overwrite_its_manifest(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    manifest.write(rows(2.1), path)
    assert isinstance(run(endpoint, path, path).exception, OutputError)
