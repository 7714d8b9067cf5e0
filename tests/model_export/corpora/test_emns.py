"""EMNS by its table: one speaker, eight emotions, levels, and descriptions as captions."""

from pathlib import Path

import pytest

from model_export import corpora
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from tests.model_export.conftest import speak

HEADER = "id|utterance|description|emotion|date_created|status|gender|age|level|audio_recording|user_id"
LINES = [
    "1|It is, I say.|She sounds upbeat|Happy|2022|Complete|female|20s|10|wavs/one.wav|3",
    '2|"The end", he said.|{user_id} says, {emotion}|Sarcastic|2022|Complete|female|20s|1|wavs/two.wav|3',
    "3|No.|{user_id} says {transcription}|Neutral|2022|Complete|female|20s||wavs/three.wav|3",
]


def emns(root: Path, *lines: str, folder: str = "cleaned_webm", header: str = HEADER) -> Path:
    for number, name in enumerate(["one", "two", "three"]):
        speak(root / folder / f"{name}.webm", seed=number)
    (root / "metadata.csv").write_text("\n".join([header, *(lines or LINES)]) + "\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("folder", ["cleaned_webm", "raw_webm"])
def test_it_is_read_by_its_table(folder: str, tmp_path: Path) -> None:
    happy, sarcastic, neutral = corpora.prepare("emns", emns(tmp_path, folder=folder))
    assert (happy.speaker, happy.gender, happy.intensity) == ("emns-3", "female", "10")
    assert (happy.caption, happy.transcript) == ("She sounds upbeat", "It is, I say.")
    assert happy.affect == pytest.approx(affect_of("happiness", "strong"))
    assert sarcastic.affect == pytest.approx(affect_of("sarcasm", "normal"))
    assert sarcastic.transcript == '"The end", he said.'
    assert sarcastic.caption == "a woman says, sarcasm"
    # What is said is no description of how.
    assert (neutral.caption, neutral.affect) == ("", affect_of("neutral"))


def test_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    root = emns(
        tmp_path,
        LINES[0].replace("Happy", "Smug"),
        LINES[0].replace("|10|", "|11|"),
        LINES[0].replace("|10|", "|very|"),
        LINES[0].replace("one.wav", "four.wav"),
        LINES[0].removesuffix("3"),
    )
    with pytest.raises(CorpusError) as caught:
        corpora.prepare("emns", root)
    message = str(caught.value)
    for part in (
        "line 2: unknown emotion 'Smug'",
        "line 3: level 11 is outside 1..10",
        "line 4: ",
        "line 5: wavs/four.wav is not in cleaned_webm/",
        "line 6: no user_id",
    ):
        assert part in message


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="columns missing: level"):
        corpora.prepare("emns", emns(tmp_path, header=HEADER.replace("level", "lvl")))
