"""Small towers with random weights, and miniature corpora in their official layouts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from model_export.backbones import TextEncoder, WhisperEncoder, minilm_folder
from model_export.towers import AudioTower, TextTower, Towers
from tests.sounds import media, voice


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Let test processes side by side not fight for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_towers(seed: int = 0, dim: int = 16) -> Towers:
    """Both towers in the shape of the real ones, small and untrained."""
    torch.manual_seed(seed)
    audio = WhisperEncoder(width=64, layers=2, heads=1, positions=1500)
    torch.nn.init.normal_(audio.positions, std=0.02)
    config = BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    config._attn_implementation = "eager"
    bert = BertModel(config, add_pooling_layer=False)
    text = TextEncoder(bert.train(False), 32).requires_grad_(False)
    tokenizer = minilm_folder() / "tokenizer.json"
    return Towers(AudioTower(audio, dim, 0.0), TextTower(text, dim, 0.0), dim, tokenizer).eval()


@pytest.fixture
def towers() -> Towers:
    """Return small towers, new for each test."""
    return small_towers()


def speak(path: Path, seed: int, pitch: float = 120.0) -> None:
    """Write half a second of a made voice as wav."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(media(voice(0.6, pitch=pitch, seed=seed)))


@pytest.fixture(scope="session")
def real_corpora() -> Path:
    """Return the folder of the labelled corpora; a test without one is skipped, a wrong one is an error."""
    folder = os.environ.get("EMOTIONRANK_CORPORA")
    if not folder:
        pytest.skip("EMOTIONRANK_CORPORA is not set: it names the folder with emodb/, ravdess/ and nemo/")
    assert Path(folder).is_dir(), f"EMOTIONRANK_CORPORA={folder} is no folder"
    return Path(folder)


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    """RAVDESS in miniature: four actors, eight emotions, a song and a video that do not belong."""
    root = tmp_path / "ravdess"
    for actor in range(1, 5):
        for emotion in range(1, 9):
            stem = f"03-01-{emotion:02d}-02-01-01-{actor:02d}" if emotion > 1 else f"03-01-01-01-01-01-{actor:02d}"
            speak(root / f"Actor_{actor:02d}" / f"{stem}.wav", seed=10 * actor + emotion, pitch=90 + 20 * emotion)
    speak(root / "Actor_01" / "03-02-03-01-01-01-01.wav", seed=1)
    speak(root / "Actor_01" / "01-01-03-01-01-01-01.wav", seed=2)
    return root


@pytest.fixture
def nemo(tmp_path: Path) -> Path:
    """Make nEMO in miniature."""
    root = tmp_path / "nemo"
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for number, (speaker, emotion) in enumerate([("WR0", "surprised"), ("EB0", "neutral"), ("EB0", "anger")]):
        speak(root / "samples" / f"{speaker}_{emotion}_{number}.opus", seed=number)
        gender = "male" if speaker == "WR0" else "female"
        lines.append(
            f"{speaker}_{emotion}_{number}.wav\t{emotion}\tZdanie {number}.\tzdanie\t        {speaker}\t{gender}\t23"
        )
    (root / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    """EmoDB in miniature, with ratings for one clip and one clip marked as cut."""
    root = tmp_path / "emodb"
    for number, stem in enumerate(["03a01Fa", "08b02Wb", "10a04Lc"]):
        speak(root / "wav" / f"{stem}.flac", seed=number)
    (root / "emodb_va_mean.csv").write_text(
        "file,n,valence_mean,valence_sd,arousal_mean,arousal_sd\n03a01Fa.wav,21,75,13.28,50,11.77\n", encoding="utf-8"
    )
    (root / "manifest.csv").write_text("file,complete\n03a01Fa.wav,1\n10a04Lc.wav,0\n", encoding="utf-8")
    return root
