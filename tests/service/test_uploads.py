"""Uploads on their way into a library: names, containers, the audio folder; and the lanes of work."""

import asyncio
import fcntl
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Overloaded
from service.inference.lanes import Lane
from service.mediatypes import UNKNOWN, sniff
from service.uploads import AudioFolder, Upload, base_name


@given(st.text() | st.none())
def test_a_base_name_is_never_a_path(name: str | None) -> None:
    base = base_name(name)
    assert base
    assert len(base) <= 255
    assert not set(base) & set("/\\\0\n\r")
    assert base_name(base) == base


@pytest.mark.parametrize(
    ("given_name", "base"),
    [
        ("voice.wav", "voice.wav"),
        ("/home/me/voice.wav", "voice.wav"),
        ("C:\\me\\voice.wav", "voice.wav"),
        ("../../etc/passwd", "passwd"),
        ("..", "upload"),
        ("dir/", "dir"),
        ("", "upload"),
        (None, "upload"),
        ("a\r\nX-Evil: 1.wav", "aX-Evil: 1.wav"),
        ("ärger 声.wav", "ärger 声.wav"),
    ],
)
def test_a_name_is_kept_as_given_without_its_folders(given_name: str | None, base: str) -> None:
    assert base_name(given_name) == base


@given(st.binary(max_size=80))
def test_whatever_the_bytes_their_suffix_is_harmless(head: bytes) -> None:
    container = sniff(head)
    assert container.suffix.isalnum()
    assert container.media_type.startswith(("audio/", "video/")) or container == UNKNOWN


def upload(content: bytes) -> Upload:
    return Upload("voice.wav", io.BytesIO(content))


def test_audio_is_kept_whole_and_again_without_harm(tmp_path: Path) -> None:
    folder = AudioFolder(tmp_path / "audio")
    content = b"RIFF\0\0\0\0WAVE" + os.urandom(100_000)
    for _ in range(2):
        kept = folder.keep(upload(content), "0123456789abcdef")
        assert kept == tmp_path / "audio" / "0123456789abcdef.wav"
        assert kept.read_bytes() == content
        assert list((tmp_path / "audio").iterdir()) == [kept]


def test_only_files_of_the_folder_are_removed(tmp_path: Path) -> None:
    folder = AudioFolder(tmp_path / "audio")
    kept = folder.keep(upload(b"OggS"), "0123456789abcdef")
    outside = tmp_path / "mine.wav"
    outside.write_bytes(b"mine")
    folder.remove(str(outside))
    folder.remove(str(tmp_path / "audio" / ".." / "mine.wav"))
    assert outside.exists()
    folder.remove(str(kept))
    folder.remove(str(kept))
    assert not kept.exists()


def test_audio_half_written_by_a_killed_process_is_swept_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    dead, held, young, audio = (
        tmp_path / name for name in (".partial-dead", ".partial-held", ".partial-young", "0.wav")
    )
    for path in (dead, held, young, audio):
        path.write_bytes(b"half")
    for path in (dead, held, audio):
        os.utime(path, (time.time() - 60,) * 2)
    os.utime(young, (time.time() + 60,) * 2)
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as `keep` does while it writes
        AudioFolder(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {".partial-held", ".partial-young", "0.wav"}
    AudioFolder(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {".partial-young", "0.wav"}


def test_a_lane_takes_as_many_as_it_has_seats_and_no_more() -> None:
    async def scenario() -> None:
        lane = Lane("test", threads=1, queue=2, retry_after=3)
        hold = threading.Event()
        try:
            held = [asyncio.ensure_future(lane.run(hold.wait, 10)) for _ in range(3)]
            await asyncio.sleep(0)
            assert lane.taken == 3
            with pytest.raises(Overloaded) as refused:
                await lane.run(time.sleep, 0)
            assert refused.value.retry_after == 3
            hold.set()
            assert await asyncio.gather(*held) == [True] * 3
            assert lane.taken == 0
            assert await lane.run(max, 1, 2) == 2
        finally:
            hold.set()
            lane.close()

    asyncio.run(scenario())


def test_a_seat_is_free_again_whatever_the_work_does() -> None:
    async def scenario() -> None:
        lane = Lane("test", threads=1, queue=0, retry_after=1)
        try:
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    await lane.run(divmod, 1, 0)
            async with lane.seat() as work:
                assert [await work(abs, -n) for n in range(3)] == [0, 1, 2]
                with pytest.raises(Overloaded):
                    await lane.run(abs, 1)
            assert lane.taken == 0
        finally:
            lane.close()

    asyncio.run(scenario())


def test_work_runs_on_the_lanes_own_threads() -> None:
    async def scenario() -> None:
        lane = Lane("test", threads=2, queue=8, retry_after=1)
        try:
            ran_on = await asyncio.gather(*(lane.run(threading.current_thread) for _ in range(8)))
        finally:
            lane.close()
        assert all(thread.name.startswith("emotionrank-test") for thread in ran_on)

    asyncio.run(scenario())


_CRASH = """
import io, os, signal, sys
from pathlib import Path
from service.uploads import AudioFolder, Upload

folder = AudioFolder(Path(sys.argv[1]), owner="mine")
for identity in ("0" * 16, "1" * 16):
    with folder.pending(identity):
        folder.keep(Upload("x", io.BytesIO(b"OggS")), identity)
with folder.pending("2" * 16):
    folder.keep(Upload("x", io.BytesIO(b"OggS")), "2" * 16)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_audio_whose_record_was_never_written_is_removed_at_the_next_start(tmp_path: Path) -> None:
    def kept() -> set[str]:
        return {file.name for file in tmp_path.iterdir()}

    subprocess.run([sys.executable, "-c", _CRASH, tmp_path], check=False)
    (tmp_path / "3333333333333333.ogg").write_bytes(b"of nobody, but nobody died over it")
    assert "2222222222222222.ogg" in kept()
    before = kept()
    AudioFolder(tmp_path, owner="another library").recover(lambda ids: set())
    assert kept() == before
    folder = AudioFolder(tmp_path, owner="mine")
    with folder.pending("0" * 16):  # a living process is at it
        folder.recover(lambda ids: set())
    assert kept() == {f"{digit * 16}.ogg" for digit in "013"}


def test_audio_whose_record_was_written_before_a_crash_stays(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _CRASH, tmp_path], check=False)
    AudioFolder(tmp_path, owner="mine").recover(lambda ids: set(ids))
    assert {file.name for file in tmp_path.iterdir()} == {f"{digit * 16}.ogg" for digit in "012"}
