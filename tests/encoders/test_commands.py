"""`emotionrank embed`: rows in order, failures named, the file whole or not at all."""

import json
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from encoders.commands import embed
from encoders.encoder import Encoder
from encoders.errors import BundleNotFound, OutputError, PromptError
from tests.sounds import media, voice

run = CliRunner().invoke


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Clips of several kinds and lengths."""
    paths = []
    for number, (container, rate) in enumerate([("wav", 16_000), ("mp3", 44_100), ("flac", 48_000)] * 3):
        paths.append(tmp_path / f"{9 - number} clip.{container}")
        paths[-1].write_bytes(media(voice(0.5 + number / 5, seed=number), container, rate=rate))
    return paths


def test_audio_rows_are_in_the_order_given(encoder: Encoder, clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "out.npz"
    result = run(embed, ["audio", *map(str, clips), "--output", str(output), "--threads", "3"])
    assert result.exit_code == 0, result.output
    with np.load(output) as arrays:
        assert set(arrays) == {"path", "embedding", "affect", "fingerprint"}
        assert arrays["fingerprint"] == encoder.bundle.fingerprint
        assert arrays["path"].tolist() == [str(clip) for clip in clips]
        assert arrays["embedding"].shape == (len(clips), encoder.bundle.info.embedding_dim)
        assert arrays["embedding"].dtype == arrays["affect"].dtype == np.float32
        for clip, embedding, affect in zip(clips, arrays["embedding"], arrays["affect"], strict=True):
            expected, expected_affect = encoder.embed_clip(clip)
            assert embedding @ expected > 0.9999
            assert affect == pytest.approx(expected_affect, abs=0.01)


def test_failed_audio_is_left_out_and_named(clips: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "no sound.wav"
    bad.write_text("text")
    missing = tmp_path / "missing.mp3"
    output = tmp_path / "out.npz"
    files = [bad, clips[0], missing, clips[1], tmp_path]
    result = run(embed, ["audio", *map(str, files), "-o", str(output), "--json"])
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["embedded"] == 2
    assert [(failure["path"], failure["code"]) for failure in summary["failed"]] == [
        (str(bad), "audio-unreadable"),
        (str(missing), "audio-not-found"),
        (str(tmp_path), "audio-not-found"),
    ]
    assert [line.partition(": ")[2] for line in result.stderr.splitlines()] == [
        failure["message"] for failure in summary["failed"]
    ]
    with np.load(output) as arrays:
        assert arrays["path"].tolist() == [str(clips[0]), str(clips[1])]
        assert len(arrays["embedding"]) == len(arrays["affect"]) == 2


def test_when_everything_fails_the_arrays_are_empty(encoder: Encoder, tmp_path: Path) -> None:
    result = run(embed, ["audio", str(tmp_path / "a.wav"), "-o", str(tmp_path / "out.npz")])
    assert result.exit_code == 1
    assert "0 embedded, 1 failed" in result.stdout
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["embedding"].shape == (0, encoder.bundle.info.embedding_dim)
        assert arrays["affect"].shape == (0, 2)


def test_a_clip_over_the_longest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(media(voice(3)))
    arguments = ["audio", str(tmp_path / "long.wav"), "-o", str(tmp_path / "out.npz")]
    result = run(embed, arguments, env={"EMOTIONRANK_MAX_DURATION": "2"})
    assert result.exit_code == 1
    assert "too long" in result.stderr


def test_text_rows_are_the_prompts(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes("﻿an angry voice\r\n\n   a sad voice  \nüberrascht".encode())
    output = tmp_path / "out.npz"
    result = run(embed, ["text", "--prompts", str(tmp_path / "prompts.txt"), "--output", str(output)])
    assert result.exit_code == 0, result.output
    expected = encoder.embed_prompts(["an angry voice", "a sad voice", "überrascht"])
    with np.load(output) as arrays:
        assert set(arrays) == {"text", "embedding", "affect", "fingerprint"}
        assert arrays["text"].tolist() == ["an angry voice", "a sad voice", "überrascht"]
        assert np.allclose(arrays["embedding"], expected.embedding, atol=1e-5)
        assert np.allclose(arrays["affect"], expected.affect, atol=1e-3)


def test_failed_prompts_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text(f"calm\n{'x' * 2_000}\nsad\n")
    result = run(embed, ["text", "--prompts", str(tmp_path / "prompts.txt"), "-o", str(tmp_path / "out.npz")])
    assert result.exit_code == 1
    assert "2,000 characters" in result.stderr
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["text"].tolist() == ["calm", "sad"]


@pytest.mark.parametrize(("data", "words"), [(b"\n \n", "no prompts"), (b"caf\xe9\n", "not UTF-8")])
def test_a_prompt_file_without_prompts_is_an_error(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "prompts.txt").write_bytes(data)
    result = run(embed, ["text", "--prompts", str(tmp_path / "prompts.txt"), "-o", str(tmp_path / "out.npz")])
    assert isinstance(result.exception, PromptError)
    assert words in str(result.exception)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["audio", "-o", "out.npz"],
        ["audio", "a.wav"],
        ["audio", "a.wav", "-o", "nowhere/out.npz"],
        ["audio", "a.wav", "-o", "."],
        ["audio", "a.wav", "-o", "out.npz", "--threads", "0"],
        ["text", "--prompts", "missing.txt", "-o", "out.npz"],
        ["image"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(embed, arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    result = run(
        embed,
        ["audio", "a.wav", "-o", str(tmp_path / "out.npz")],
        env={"EMOTIONRANK_BUNDLE": str(tmp_path / "none")},
    )
    assert isinstance(result.exception, BundleNotFound)


def test_a_full_disk_leaves_the_old_archive_as_it_was(clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "results" / "out.npz"
    output.parent.mkdir()
    output.write_bytes(b"the old one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
        result = run(embed, ["audio", str(clips[0]), "-o", str(output)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(result.exception, OutputError)
    assert str(output) in str(result.exception)
    assert output.read_bytes() == b"the old one"
    assert [path.name for path in output.parent.iterdir()] == ["out.npz"]


def test_an_old_archive_is_replaced_and_nothing_else_is_left(clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "results" / "out.npz"
    output.parent.mkdir()
    output.write_bytes(b"the old one")
    assert run(embed, ["audio", str(clips[0]), "-o", str(output)]).exit_code == 0
    assert [path.name for path in output.parent.iterdir()] == ["out.npz"]
    with np.load(output) as arrays:
        assert arrays["path"].tolist() == [str(clips[0])]


def test_names_that_are_no_unicode_are_kept(clips: list[Path], tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.wav")
    odd.write_bytes(clips[0].read_bytes())
    gone = str(tmp_path / os.fsdecode(b"gone\xff.wav"))
    result = run(embed, ["audio", str(odd), gone, "-o", str(tmp_path / "out.npz"), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"][0]["path"] == gone
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["path"].tolist() == [str(odd)]
