"""`emotionrank report`, as a user runs it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import emotionrank
from encoders.encoder import Encoder
from index.local.library import LocalStore
from index.open import open_store
from index.prompts import PromptBank
from index.records import NewClip
from index.report.gather import gather
from tests.index.report.conftest import Read

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("EMOTIONRANK_LIBRARY", raising=False)

    def ran(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["emotionrank", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            emotionrank.main()
        told = capfd.readouterr()
        return ended.value.code if isinstance(ended.value.code, int) else 0, told.out, told.err

    return ran


def test_it_writes_a_page(run: Run, library: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    output.write_text("an older page")
    code, told, errors = run("-l", library, "-o", output, "--prompt", "a joyful voice", "--filter", '{"mood": "loud"}')
    assert (code, errors) == (0, "")
    assert told.startswith(f"{output}: 3 clips, ")
    page = Read(output.read_text(encoding="utf-8"))
    assert "a joyful voice" in page.text
    assert "library" in page.text  # its folder's name is the title
    assert page.all("audio")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_clips_whose_files_are_gone_are_said_and_the_page_is_there(
    run: Run, folder: Path, library: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(library, copy)
    with LocalStore.open(copy, None) as store:
        for clip in store.clips():
            store.update(clip.id, path=str(tmp_path / "gone" / f"{clip.id}.wav"))
    code, _, errors = run("-l", copy, "-o", tmp_path / "page.html", "--title", "Gone")
    assert code == 0
    assert "moments have no sound" in errors
    page = Read((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.all("audio") == []
    assert "No sound: its file is not where it was." in page.text
    code, _, errors = run("-l", copy, "-o", tmp_path / "page.html", "--no-audio")
    assert (code, errors) == (0, "")
    assert "No sound" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_wrong_use_is_one_line_and_writes_nothing(run: Run, library: Path, tmp_path: Path, encoder: Encoder) -> None:
    page = tmp_path / "page.html"
    LocalStore.create(tmp_path / "empty", encoder.bundle).close()
    many = [part for number in range(21) for part in ("-p", f"prompt {number}")]
    for arguments, message in (
        (("-l", tmp_path / "none", "-o", page), "there is no library at"),
        (("-l", tmp_path / "empty", "-o", page), "the library has no clips"),
        (("-l", library, "-o", page, "--filter", '{"mood": "none"}'), "no clips that the filter keeps"),
        (("-l", library, "-o", page, "--filter", "{"), "filter"),
        (("-l", library, "-o", tmp_path / "gone" / "page.html"), "is not there, or may not be"),
        (("-l", library, "-o", tmp_path), "is a directory"),
        (("-l", library, "-o", page, "-p", ""), "prompt"),
        (("-l", library, "-o", page, *many), "room for 20 prompts"),
        (("-l", library), "--output"),
    ):
        code, told, errors = run(*arguments)
        assert (code, told) == (2, ""), arguments
        assert message in " ".join(errors.replace("│", " ").split()), arguments
        assert "Traceback" not in errors
    assert not page.exists()


@pytest.mark.slow
def test_a_library_in_milvus_has_the_same_report(
    milvus: str, library: Path, encoder: Encoder, bank: PromptBank
) -> None:
    with (
        LocalStore.open(library, encoder.bundle, read_only=True) as local,
        open_store(f"{milvus}report", bundle=encoder.bundle, create=True) as remote,
    ):
        for clip in local.clips():
            new = NewClip(clip.sha256, clip.name, clip.path, clip.duration, clip.metadata)
            remote.add(new, local.segments(clip.id))
        one, other = (gather(store, encoder, "x", bank=bank, with_sound=False) for store in (local, remote))
    assert [[(moment.clip.id, moment.start) for moment in some] for _, some in one.extremes] == [
        [(moment.clip.id, moment.start) for moment in some] for _, some in other.extremes
    ]
    assert [match.prompt for match in one.matches.none] == [match.prompt for match in other.matches.none]
    assert [found.field for found in one.breakdowns] == [found.field for found in other.breakdowns]
