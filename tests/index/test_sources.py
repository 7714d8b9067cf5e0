"""What a build reads: folders, files, manifests, and what is said where one cannot be read."""

import csv
import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.sources import Failure, Recording, recordings


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def names(*sources: Path) -> list[str]:
    return [item.name for item in recordings(sources)]


def failures(*sources: Path) -> list[str]:
    return [item.message for item in recordings(sources) if isinstance(item, Failure)]


def rows(manifest: Path) -> list[dict[str, object]]:
    found = list(recordings([manifest]))
    assert all(isinstance(item, Recording) for item in found), found
    return [dict(item.metadata or {}) for item in found if isinstance(item, Recording)]


def table(folder: Path, text: str, name: str = "clips.csv", encoding: str = "utf-8") -> Path:
    manifest = folder / name
    manifest.write_text(text, encoding=encoding)
    return manifest


def test_a_folder_gives_its_sound_and_video_files_in_order(tmp_path: Path) -> None:
    wanted = ["B/x.MP3", "a.wav", "b/c/d.opus", "b/movie.mp4", "käse 日本.flac"]
    touch(*(tmp_path / name for name in wanted))
    touch(tmp_path / "notes.txt", tmp_path / "clips.csv", tmp_path / ".hidden.wav", tmp_path / ".cache" / "x.wav")
    assert names(tmp_path) == wanted
    assert all(item.metadata is None for item in recordings([tmp_path]) if isinstance(item, Recording))


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path / "root" / "a.wav", tmp_path / "elsewhere" / "b.wav")
    root = tmp_path / "root"
    (root / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "there").symlink_to(tmp_path / "elsewhere")
    (root / "z.wav").symlink_to(root / "a.wav")
    assert names(root) == ["a.wav", "there/b.wav", "z.wav"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    odd, gone = tmp_path / "recording.xyz", tmp_path / "gone.wav"
    touch(odd)
    assert names(odd, gone) == ["recording.xyz", "gone.wav"]


def test_a_folder_with_nothing_in_it_or_no_way_in_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "x.txt")
    assert failures(tmp_path) == [f"{tmp_path} has no sound or video files in it (known by their extensions)."]


def test_a_manifest_gives_paths_and_metadata(tmp_path: Path) -> None:
    manifest = table(tmp_path, 'path,speaker,text\nwav/a.wav,03,"well, yes"\n/abs/b.wav,10,\n')
    first, second = recordings([manifest])
    assert first == Recording(tmp_path / "wav" / "a.wav", "wav/a.wav", {"speaker": "03", "text": "well, yes"})
    assert second == Recording(Path("/abs/b.wav"), "b.wav", {"speaker": "10"})


def test_a_column_is_numbers_only_where_all_of_it_is(tmp_path: Path) -> None:
    manifest = table(
        tmp_path,
        "path,whole,real,ids,zero,mixed,big,flag,odd\n"
        "a.wav,1,1.5,03,0,1,9223372036854775808,true,1_000\n"
        "b.wav,-20,2e3,11,-1,x,1,false,1\n"
        "c.wav,,-0.25,12,,,,,nan\n",
    )
    a, b, c = rows(manifest)
    assert a == {
        "whole": 1, "real": 1.5, "ids": "03", "zero": 0, "mixed": "1", "big": "9223372036854775808",
        "flag": "true", "odd": "1_000",
    }  # fmt: skip
    assert b == {
        "whole": -20, "real": 2000.0, "ids": "11", "zero": -1, "mixed": "x", "big": "1", "flag": "false", "odd": "1",
    }  # fmt: skip
    assert c == {"real": -0.25, "ids": "12", "odd": "nan"}
    assert [type(value) for value in a.values()] == [int, float, str, int, str, str, str, str]


def test_a_manifest_as_other_programs_write_it(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, a nameless column of row numbers, blank lines, short rows."""
    manifest = table(tmp_path, ",path,note\r\n0,a.wav,ü\r\n\r\n1,b.wav\r\n", encoding="utf-8-sig")
    assert [(item.name, getattr(item, "metadata", "")) for item in recordings([manifest])] == [
        ("a.wav", {"note": "ü"}),
        ("b.wav", {}),
    ]


def test_a_bad_row_fails_alone(tmp_path: Path) -> None:
    manifest = table(tmp_path, "path,a\na.wav,1\n,2\nb.wav,3,4\nc.wav,5\n")
    found = list(recordings([manifest]))
    assert [item.name for item in found if isinstance(item, Recording)] == ["a.wav", "c.wav"]
    assert failures(manifest) == [
        f"{manifest}, line 3 has no path.",
        f"{manifest}, line 4 has 3 cells, the header 2.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs a header line with a column 'path'; its first line has nothing"),
        (b"file,speaker\na.wav,1\n", "its first line has 'file', 'speaker'"),
        (b"path;speaker\na.wav;1\n", "Columns must be separated by commas"),
        (b"path,a,a\nx.wav,1,2\n", "more than one column 'a'"),
        ("path,a\nx.wav,ä\n".encode("latin-1"), "is not UTF-8"),
        (b'path,a\nx.wav,"open\n', "is no CSV table"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_failure(tmp_path: Path, content: bytes, message: str) -> None:
    manifest = tmp_path / "clips.csv"
    manifest.write_bytes(content)
    found = list(recordings([manifest]))
    assert len(failures(manifest)) == len(found) == 1
    assert message in failures(manifest)[0]


def test_missing_manifests_are_failures_too(tmp_path: Path) -> None:
    assert "No such file" in failures(tmp_path / "gone.csv")[0]
    assert "gone.parquet" in failures(tmp_path / "gone.parquet")[0]


def test_a_parquet_manifest_keeps_its_types(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.parquet"
    pq.write_table(
        pa.table(
            {
                "path": ["a.wav", None, "b.wav"],
                "n": [1, 2, None],
                "x": [0.5, 1.0, float("nan")],
                "flag": [True, False, None],
                "speaker": pa.array(["03", "04", ""]).dictionary_encode(),
                "day": [date(2025, 1, 2), None, None],
                "at": [datetime(2025, 1, 2, 3), None, None],
                "price": [Decimal("1.50"), None, None],
            }
        ),
        manifest,
    )
    first, second, third = recordings([manifest])
    assert first == Recording(
        tmp_path / "a.wav",
        "a.wav",
        {
            "n": 1, "x": 0.5, "flag": True, "speaker": "03", "day": "2025-01-02", "at": "2025-01-02T03:00:00",
            "price": 1.5,
        },
    )  # fmt: skip
    assert second == Failure(f"{manifest}, row 2", f"{manifest}, row 2 has no path.")
    assert third == Recording(tmp_path / "b.wav", "b.wav", {})


def test_a_parquet_manifest_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.parquet"
    manifest.write_bytes(b"no parquet")
    assert "cannot be read as Parquet" in failures(manifest)[0]
    pq.write_table(pa.table({"file": ["a.wav"]}), manifest)
    assert "needs a column 'path'; it has file" in failures(manifest)[0]
    pq.write_table(pa.table({"path": ["a.wav", "b.wav"], "tags": [["x"], None]}), manifest)
    assert failures(manifest) == [
        f"{manifest}, row 1: a value is a list; only text, numbers, true and false can be metadata."
    ]


def test_a_long_manifest_is_streamed(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "n"])
        writer.writerows([f"{number}.wav", number] for number in range(20_000))
    found = recordings([manifest])
    assert next(found) == Recording(tmp_path / "0.wav", "0.wav", {"n": 0})
    assert sum(1 for _ in found) == 19_999


def test_names_that_are_not_unicode_are_still_walked(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(name, "wb"):  # noqa: PTH123  (a path of bytes)
        pass
    (found,) = recordings([tmp_path])
    assert found.name == "\udcff.wav"


def test_a_manifest_names_clips_without_telling_where_they_lie(tmp_path: Path) -> None:
    manifest = tmp_path / "deep" / "manifest.csv"
    manifest.parent.mkdir()
    inside, beside, away = "sub/one.wav", "../two.wav", str(tmp_path / "three.wav")
    manifest.write_text(f"path\n{inside}\n{beside}\n{away}\n", encoding="utf-8")
    found = [item for item in recordings([manifest]) if isinstance(item, Recording)]
    assert [item.name for item in found] == ["sub/one.wav", "two.wav", "three.wav"]
    assert found[2].path == Path(away)
