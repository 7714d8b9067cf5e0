"""nEMO by its table."""

from pathlib import Path

import pytest

from model_export import corpora
from model_export.errors import CorpusError
from tests.model_export.conftest import speak


def refused(root: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        corpora.prepare("nemo", root)
    return str(caught.value)


def test_it_is_read_by_its_table(nemo: Path) -> None:
    rows = corpora.prepare("nemo", nemo)
    assert [(row.speaker, row.emotion, row.gender) for row in rows] == [
        ("nemo-WR0", "surprise", "male"),
        ("nemo-EB0", "neutral", "female"),
        ("nemo-EB0", "anger", "female"),
    ]
    assert rows[0].transcript == "Zdanie 0."


def test_all_lines_that_cannot_be_used_are_named(nemo: Path) -> None:
    (nemo / "samples" / "EB0_anger_2.opus").unlink()
    for number, line in enumerate(["bliss\tX\tx\tEB0\tfemale", "anger\tX\tx\tEB0\tf", "anger\tX\tx\t \tfemale"]):
        speak(nemo / "samples" / f"new{number}.wav", seed=number)
        with (nemo / "data.tsv").open("a", encoding="utf-8") as file:
            file.write(f"new{number}.wav\t{line}\t30\n")
    with (nemo / "data.tsv").open("a", encoding="utf-8") as file:
        file.write("WR0_surprised_0.wav\tsurprised\tX\tx\tWR0\tmale\t23\n")
    message = refused(nemo)
    assert "5 problems" in message
    assert "line 4: EB0_anger_2.wav is not in samples/" in message
    assert "line 5: unknown emotion 'bliss'" in message
    assert "line 6: gender 'f' is not male or female" in message
    assert "line 7: no speaker_id" in message
    assert "line 8: WR0_surprised_0 is listed above already" in message


def test_a_table_without_its_columns_or_a_line_cut_short_is_refused(nemo: Path) -> None:
    table = nemo / "data.tsv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("gender", "sex"), encoding="utf-8")
    assert "columns missing: gender" in refused(nemo)
    table.write_text(whole.rstrip("\n").removesuffix("\t23"), encoding="utf-8")
    assert "line 4 has 6 cells, the header 7" in refused(nemo)
