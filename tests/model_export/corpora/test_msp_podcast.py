"""MSP-Podcast in miniature: old and new label files, the hidden test set, unknown speakers, single ratings."""

import json
import math
from pathlib import Path

import pytest

from encoders.affect import Affect
from model_export import corpora
from model_export.errors import CorpusError
from model_export.manifest import Row
from tests.model_export.conftest import speak

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
LINES = (
    "MSP-PODCAST_0001_0008.wav,A,5.2,2.4,4.8,127,Female,Train",
    "MSP-PODCAST_0002_0033.wav,X,3.0,4.5,4.0,Unknown,Unknown,Development",
    "MSP-PODCAST_0023_0001.wav,H,6.0,6.5,5.0,31,Male,Test1",
    "MSP-PODCAST_0153_0001.wav,N,3.8,4.0,4.2,Unknown,Male,Test2",
)


def layout(
    root: Path, lines: tuple[str, ...] = LINES, labels: str = "labels_consensus.csv", audio: str = "Audios"
) -> Path:
    """Write a release with one clip a line."""
    (root / "Labels").mkdir(parents=True)
    (root / "Labels" / labels).write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    for number, line in enumerate(lines):
        speak(root / audio / line.split(",")[0], seed=number)
    return root


def read(root: Path) -> dict[str, Row]:
    """The rows by the stems' last eight characters."""
    return {row.path.stem[-9:]: row for row in corpora.prepare("msp-podcast", root)}


def test_labels_speakers_and_official_splits_are_read(tmp_path: Path) -> None:
    rows = read(layout(tmp_path))
    angry = rows["0001_0008"]
    assert (angry.affect, angry.dominance, angry.emotion) == (Affect(2.4, 5.2), 4.8, "anger")
    assert (angry.speaker, angry.gender) == ("msp-podcast-127", "female")
    assert [row.split for row in rows.values()] == ["train", "validation", "test1", "test2"]
    unknown = rows["0002_0033"]
    assert (unknown.speaker, unknown.gender, unknown.emotion) == ("msp-podcast-unknown", "", "")
    assert not unknown.known_speaker
    assert math.isnan(angry.valence_sd)


def test_an_old_release_is_read_the_same(tmp_path: Path) -> None:
    old_lines = tuple(line.replace("Development", "Validation") for line in LINES)
    new = layout(tmp_path / "new")
    old = layout(tmp_path / "old", old_lines, labels="labels_concensus.csv", audio="Audio")

    def plain(root: Path) -> list[tuple[str, str, Affect, str]]:
        return [(row.path.stem, row.speaker, row.affect, row.split) for row in corpora.prepare("msp-podcast", root)]

    assert plain(old) == plain(new)


def test_the_hidden_test_set_has_no_labels(tmp_path: Path) -> None:
    root = layout(tmp_path)
    speak(root / "Audios" / "MSP-PODCAST_test3_0001.wav", seed=7)
    speak(root / "Audios" / "MSP-PODCAST_9999_0001.wav", seed=8)
    (root / "Partitions.txt").write_text("Train; MSP-PODCAST_0001_0008.wav\nTest3; MSP-PODCAST_9999_0001.wav\n")
    rows = read(root)
    for name in ("est3_0001", "9999_0001"):
        assert (rows[name].split, rows[name].role, rows[name].labelled) == ("test3", "test", False)
        assert rows[name].speaker == "msp-podcast-unknown"


def test_a_listed_clip_with_hidden_labels_is_unlabelled(tmp_path: Path) -> None:
    root = layout(tmp_path, (*LINES, "MSP-PODCAST_test3_0002.wav,,,,,Unknown,,Test3"))
    row = read(root)["est3_0002"]
    assert (row.labelled, row.split, row.emotion) == (False, "test3", "")
    assert math.isnan(row.dominance)


PACKED = """FileName,Detail
MSP-PODCAST_0001_0008.wav,"WORKER1; Angry; Annoyed,Contempt; A:6.000000; V:2.000000; D:5.000000;"
MSP-PODCAST_0001_0008.wav,WORKER2; Angry; A:4.000000; V:3.000000; D:5.000000;
MSP-PODCAST_0002_0033.wav,WORKER1; Other-ok; A:3.000000; V:NaN; D:5.000000;
"""
COLUMNS = """FileName,Worker,EmoClass_Major,EmoAct,EmoVal,EmoDom
MSP-PODCAST_0001_0008.wav,WORKER1,Angry,6,2,5
MSP-PODCAST_0001_0008.wav,WORKER2,Angry,4,3,5
MSP-PODCAST_0002_0033.wav,WORKER1,Other,3,,5
"""
NESTED = json.dumps(
    {
        "MSP-PODCAST_0001_0008.wav": {
            "WORKER1": {"EmoClass_Major": "Angry", "EmoAct": "6.0", "EmoVal": "2.0", "EmoDom": "5.0"},
            "WORKER2": {"EmoClass_Major": "Angry", "EmoAct": 4, "EmoVal": 3, "EmoDom": 5},
        }
    }
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels_detailed.csv", PACKED),
        ("labels_detailed.csv", COLUMNS),
        ("labels_detailed.json", NESTED),
    ],
)
def test_single_ratings_give_count_and_spread(tmp_path: Path, name: str, text: str) -> None:
    root = layout(tmp_path)
    (root / "Labels" / name).write_text(text, encoding="utf-8")
    rows = read(root)
    angry = rows["0001_0008"]
    assert angry.ratings == 2
    assert [angry.valence_sd, angry.arousal_sd] == pytest.approx([0.5**0.5, 2**0.5])
    assert rows["0002_0033"].ratings == 0


def test_the_transcript_is_taken_where_it_is(tmp_path: Path) -> None:
    root = layout(tmp_path)
    (root / "Transcripts").mkdir()
    (root / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_text("I told you\nalready.\n", encoding="utf-8")
    rows = read(root)
    assert (rows["0001_0008"].transcript, rows["0023_0001"].transcript) == ("I told you already.", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MSP-PODCAST_0001_0001.wav,Q,4,4,4,1,Male,Train", "line 2: EmoClass 'Q'"),
        ("MSP-PODCAST_0001_0001.wav,A,4,8.5,4,1,Male,Train", "line 2: valence 8.5 is outside"),
        ("MSP-PODCAST_0001_0001.wav,A,loud,4,4,1,Male,Train", "line 2.*loud"),
        ("MSP-PODCAST_0001_0001.wav,A,4,4,4,1,Male,Tranche", "line 2: Split_Set 'tranche'"),
        ("MSP-PODCAST_0001_0001.wav,A,4,4,4,1,Robot,Train", "line 2: Gender 'robot'"),
    ],
)
def test_a_bad_label_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read(layout(tmp_path, (line,)))


def test_clips_without_audio_are_named(tmp_path: Path) -> None:
    root = layout(tmp_path)
    (root / "Audios" / "MSP-PODCAST_0023_0001.wav").unlink()
    with pytest.raises(CorpusError, match=r"line 4: MSP-PODCAST_0023_0001.wav has no audio in Audios/"):
        read(root)


def test_single_ratings_that_are_none_are_refused(tmp_path: Path) -> None:
    root = layout(tmp_path)
    (root / "Labels" / "labels_detailed.json").write_text('{"MSP-PODCAST_0001_0008.wav": {"WORKER1": {}}}')
    with pytest.raises(CorpusError, match=r"labels_detailed.json.*MSP-PODCAST_0001_0008"):
        read(root)
