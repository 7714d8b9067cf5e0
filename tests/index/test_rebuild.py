"""A second build: files are known by their stamps, and those that hold something else now replace their clips."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from encoders.encoder import EncodedSegment, Encoder
from index import build as building
from index import known
from index.build import BuildReport, Progress, build
from index.encode import encode_clip
from index.local.library import LocalStore
from index.records import NewClip, Stamp, clip_id
from index.sources import Recording
from tests import sounds
from tests.index.test_build import ROOT, age, command, outcome, speak


@pytest.fixture
def store(tmp_path: Path, encoder: Encoder) -> Iterator[LocalStore]:
    with LocalStore.create(tmp_path / "library", encoder.bundle) as store:
        yield store


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that names each file whose content is read for its hash."""
    names: list[str] = []
    real = building._sha256

    def noted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(building, "_sha256", noted)
    return names


def counts(report: BuildReport) -> tuple[int, int, int, int, int]:
    return *outcome(report), report.replaced


def sound(seed: int) -> bytes:
    return sounds.media(sounds.voice(0.5, pitch=100 + seed, seed=seed))


def identity(file: Path) -> str:
    return clip_id(hashlib.sha256(file.read_bytes()).hexdigest())


def test_unchanged_files_are_not_read_again(
    tmp_path: Path, store: LocalStore, encoder: Encoder, hashed: list[str]
) -> None:
    files = speak(tmp_path / "sound", 3)
    age(*files)
    build(store, encoder, [tmp_path / "sound"])
    assert store.get(identity(files[0])).stamp == Stamp(files[0].stat().st_size, files[0].stat().st_mtime_ns)
    hashed.clear()
    age(files[1])
    (new,) = speak(tmp_path / "sound", 1, first=3)
    assert outcome(build(store, encoder, [tmp_path / "sound"])) == (1, 0, 3, 0)
    assert sorted(hashed) == [files[1].name, new.name]
    hashed.clear()
    age(new)
    assert outcome(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 4, 0)
    assert hashed == [new.name]  # it had no stamp yet; now it has
    hashed.clear()
    assert outcome(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 4, 0)
    assert hashed == []


def test_a_file_is_known_however_its_path_is_written(
    tmp_path: Path, store: LocalStore, encoder: Encoder, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    age(*speak(tmp_path / "sound", 2))
    build(store, encoder, [tmp_path / "sound"])
    hashed.clear()
    monkeypatch.chdir(tmp_path)
    assert outcome(build(store, encoder, [Path("sound")])) == (0, 0, 2, 0)
    assert hashed == []


def test_a_manifest_changes_metadata_without_the_files_being_read(
    tmp_path: Path, store: LocalStore, encoder: Encoder, hashed: list[str]
) -> None:
    age(*speak(tmp_path, 2))
    manifest = tmp_path / "clips.csv"
    manifest.write_text("path,take\n0000.wav,1\n0001.wav,2\n")
    build(store, encoder, [manifest])
    hashed.clear()
    manifest.write_text("path,take\n0000.wav,1\n0001.wav,3\n")
    assert outcome(build(store, encoder, [manifest])) == (0, 1, 1, 0)
    assert {clip.metadata["take"] for clip in store.clips()} == {1, 3}
    assert hashed == []


def test_a_file_that_was_replaced_replaces_its_clip(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    one, two = speak(tmp_path / "sound", 2)
    build(store, encoder, [tmp_path / "sound"])
    store.update(identity(one), metadata={"speaker": "03"})
    one.write_bytes(sound(7))
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (1, 0, 1, 0, 1)
    assert {clip.id: clip.path for clip in store.clips()} == {identity(one): str(one), identity(two): str(two)}
    assert store.get(identity(one)).metadata == {"speaker": "03"}
    assert store.verify() == []
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 2, 0, 0)


def test_a_file_whose_new_content_is_no_sound_keeps_its_clip(
    tmp_path: Path, store: LocalStore, encoder: Encoder
) -> None:
    (one,) = speak(tmp_path / "sound", 1)
    build(store, encoder, [tmp_path / "sound"])
    before = store.clips()
    one.write_bytes(b"not any more\n" * 50)
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 0, 1, 0)
    assert store.clips() == before


def test_a_file_that_becomes_a_copy_of_another_gives_its_clip_up(
    tmp_path: Path, store: LocalStore, encoder: Encoder
) -> None:
    one, two = speak(tmp_path / "sound", 2)
    build(store, encoder, [tmp_path / "sound"])
    two.write_bytes(one.read_bytes())
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 2, 0, 1)
    assert [(clip.id, clip.path) for clip in store.clips()] == [(identity(one), str(one))]


@pytest.mark.parametrize("aged", [True, False])
def test_files_that_changed_places_take_their_clips_along(
    tmp_path: Path, store: LocalStore, encoder: Encoder, aged: bool
) -> None:
    one, two = speak(tmp_path / "sound", 2)
    if aged:
        age(one, seconds=60)
        age(two, seconds=120)
    build(store, encoder, [tmp_path / "sound"])
    before = {clip.id: clip for clip in store.clips()}
    store.update(identity(one), metadata={"speaker": "03"})
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    report = build(store, encoder, [tmp_path / "sound"])
    assert counts(report) == (0, 2, 0, 0, 0)
    after = {clip.id: clip for clip in store.clips()}
    assert {clip: each.path for clip, each in after.items()} == {identity(one): str(one), identity(two): str(two)}
    assert after[identity(two)].metadata == {"speaker": "03"}
    assert all(after[clip].added_at == before[clip].added_at for clip in before)
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 2, 0, 0)


def test_what_an_older_build_left_behind_is_seen_to(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    """Before there were stamps, the clip of a replaced file stayed."""
    (one,) = speak(tmp_path / "sound", 1)
    build(store, encoder, [tmp_path / "sound"])
    old = store.clips()[0]
    kept = store.segments(old.id)
    one.write_bytes(sound(7))
    build(store, encoder, [tmp_path / "sound"])
    store.add(NewClip(old.sha256, old.name, old.path, old.duration), kept)
    assert any("more than one clip" in item.message for item in store.verify())
    assert counts(build(store, encoder, [tmp_path / "sound"])) == (0, 0, 1, 0, 1)
    assert [clip.id for clip in store.clips()] == [identity(one)]


def test_a_stopped_build_removes_nothing_and_the_next_does(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    files = speak(tmp_path / "sound", 6)
    age(*files)
    build(store, encoder, [tmp_path / "sound"])
    old = identity(files[0])
    files[0].write_bytes(sound(77))
    speak(tmp_path / "sound", 12, first=6)
    stopped: list[bool] = []

    def stop(progress: Progress) -> None:
        if progress.done >= 8 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt

    report = build(store, encoder, [tmp_path / "sound"], progress=stop)
    assert report.interrupted
    assert report.replaced == 0
    assert store.has([old]) == {old}
    report = build(store, encoder, [tmp_path / "sound"])
    assert report.replaced == 1
    assert store.has([old]) == set()
    assert store.count().clips == 18


def test_a_file_that_changes_while_it_is_read_is_not_added(
    tmp_path: Path, store: LocalStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = speak(tmp_path / "sound", 1)
    real = encode_clip

    def slow(*args: object, **options: object) -> tuple[list[EncodedSegment], float]:
        made = real(*args, **options)  # type: ignore[arg-type]
        one.write_bytes(one.read_bytes() + b"\0")
        return made

    monkeypatch.setattr("index.build.encode_clip", slow)
    report = build(store, encoder, [tmp_path / "sound"])
    assert outcome(report) == (0, 0, 0, 1)
    assert "changed while it was read" in report.failed[0].message


def test_what_another_build_is_encoding_is_left_to_it(
    tmp_path: Path, store: LocalStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds of one folder: each content is encoded once, and the counts add up."""
    speak(tmp_path / "sound", 12)
    encoded: list[str] = []
    real = encode_clip

    def noted(*args: object, **options: object) -> tuple[list[EncodedSegment], float]:
        encoded.append(str(options["name"]))
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("index.build.encode_clip", noted)
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: build(store, encoder, [tmp_path / "sound"], threads=2), range(2)))
    assert len(encoded) == len(set(encoded)) == 12
    assert sum(report.added for report in reports) == 12
    assert [report.added + report.skipped for report in reports] == [12, 12]
    assert store.verify() == []


def test_a_claim_that_comes_to_nothing_is_taken_over(tmp_path: Path, store: LocalStore, encoder: Encoder) -> None:
    (one,) = speak(tmp_path / "sound", 1)
    reports: list[BuildReport] = []
    seen = threading.Event()
    builder = threading.Thread(
        target=lambda: reports.append(build(store, encoder, [one], progress=lambda _: seen.set()))
    )
    with store.claim(identity(one)):
        builder.start()
        assert seen.wait(60)
        builder.join(0.5)
        assert builder.is_alive()
    builder.join()
    assert outcome(reports[0]) == (1, 0, 0, 0)


def run(library: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(library, *sources), cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_first_build_that_finds_nothing_usable_leaves_no_library(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "noise.wav").write_bytes(b"no sound")
    done = run(tmp_path / "library", tmp_path / "sound", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert not (tmp_path / "library").exists()
    speak(tmp_path / "sound", 1)
    assert run(tmp_path / "library", tmp_path / "sound").returncode == 1
    with LocalStore.open(tmp_path / "library", None, read_only=True) as store:
        assert store.count().clips == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_two_hours_are_never_held_whole(tmp_path: Path, kind: str) -> None:
    """The sound of two hours is 460 MB as the encoder takes it; the process grows by a small part of that."""
    file = tmp_path / "long.flac"
    script = f"""
import resource, sys
from pathlib import Path
import av, numpy as np
from encoders.encoder import Encoder
from index.encode import encode_clip
from tests import sounds
rng = np.random.default_rng(0)
minute = np.concatenate([sounds.speech(20), rng.normal(0, 0.0005, 40 * 16_000).astype(np.float32)])
if {kind!r} == "noise":
    minute = rng.normal(0, 0.01, 60 * 16_000).astype(np.float32)
with av.open({str(file)!r}, "w") as target:
    stream = target.add_stream("flac", rate=16_000, layout="mono")
    for number in range(120):
        frame = av.AudioFrame.from_ndarray((minute * 32_000).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, number * minute.size
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))
encoder = Encoder.load(threads=1)
class Fast(Encoder):
    calls = 0
    def embed_samples(self, samples):
        if Fast.calls % 50 == 0:
            Fast.kept = super().embed_samples(samples)
        Fast.calls += 1
        return Fast.kept
encoder.__class__ = Fast
encode_clip(encoder, sounds.media(sounds.speech(9)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
segments, duration = encode_clip(encoder, Path({str(file)!r}))
print(len(segments), round(duration), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    segments, duration, grown = map(int, done.stdout.split())
    assert duration == 7200
    assert (1000 < segments < 1500) if kind == "speech" else segments == 3599
    assert grown < 60


def test_a_stamp_is_not_relied_on_right_after_a_change(tmp_path: Path) -> None:
    (file,) = speak(tmp_path, 1)

    class Nothing:
        def stamps(self, paths: list[str]) -> dict[str, dict[str, Stamp | None]]:
            return {}

    def found() -> known.Found:
        (item,) = known.look(Nothing(), [Recording(file, file.name)])
        assert isinstance(item, known.Found)
        return item

    assert found().stamp is None
    assert found().seen is not None
    age(file)
    assert found().stamp == found().seen == known.stamp_of(file)
