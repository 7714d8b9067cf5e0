"""The service over a library in Milvus."""

from pathlib import Path

import pytest

from encoders.encoder import Encoder
from service.app import create_app
from service.engine import open_engine
from service.inference.decoding import Decoders
from service.serving import watch
from service.settings import Settings
from tests.conftest import milvus_server
from tests.service.conftest import problem_of, running
from tests.service.serving.test_watch import turned
from tests.sounds import media, voice

CLIP = ("voice.wav", media(voice(1.0)))


def test_without_a_folder_for_audio_uploads_are_refused_and_all_else_works(
    milvus: str, encoder: Encoder, decoders: Decoders
) -> None:
    settings = Settings(library=f"{milvus}service_bare")
    with (
        open_engine(settings, encoder=encoder, decoders=decoders) as engine,
        running(create_app(settings, engine=engine)) as client,
    ):
        refused = client.post("/v1/clips", files={"files": CLIP})
        assert "EMOTIONRANK_AUDIO" in problem_of(refused, 501, "uploads-unavailable")["detail"]
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/search", json={"query": "calm"}).json()["hits"] == []
        assert client.get("/v1/clips").json()["total"] == 0


def test_with_a_folder_for_audio_uploads_are_kept_heard_and_deleted(
    milvus: str, encoder: Encoder, decoders: Decoders, tmp_path: Path
) -> None:
    settings = Settings(library=f"{milvus}service_audio", audio=tmp_path / "audio")
    with (
        open_engine(settings, encoder=encoder, decoders=decoders) as engine,
        running(create_app(settings, engine=engine)) as client,
    ):
        added = client.post("/v1/clips", files={"files": CLIP}, data={"metadata": '{"speaker": "03"}'})
        assert added.status_code == 201, added.text
        clip = added.json()["results"][0]["clip"]
        assert client.get(clip["audio_url"]).content == CLIP[1]
        hits = client.post("/v1/search", json={"query": "calm", "filter": {"speaker": "03"}}).json()["hits"]
        assert [hit["clip"]["id"] for hit in hits] == [clip["id"]]
        assert [file.name for file in (tmp_path / "audio").iterdir()] == [f"{clip['id']}.wav"]
        assert client.delete(f"/v1/clips/{clip['id']}").status_code == 204
        assert list((tmp_path / "audio").iterdir()) == []


def test_a_library_that_has_gone_away_is_a_problem_and_no_hang(
    encoder: Encoder, decoders: Decoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.1)
    with milvus_server(tmp_path) as (server, address):
        settings = Settings(library=f"{address}service_away")
        with (
            open_engine(settings, encoder=encoder, decoders=decoders) as engine,
            running(create_app(settings, engine=engine)) as client,
        ):
            assert client.post("/v1/search", json={"query": "calm"}).status_code == 200
            server.kill()
            server.wait()
            gone = client.post("/v1/search", json={"query": "calm"})
            problem_of(gone, 503, "library-away")
            assert "Retry-After" in gone.headers
            problem_of(turned(client, 503), 503, "not-ready")
