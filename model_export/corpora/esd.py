"""ESD (Zhou et al. 2021, for research), English and Mandarin: `0011/Angry/0011_000351.wav`, `0011/0011.txt`.

Ten speakers of each language. Older releases hold a level more, `Angry/train/`, `evaluation/`, `test/`: those parts
share all speakers, so they are no split to measure on, and are not taken. The text of a speaker has a line a clip:
stem, sentence, emotion, with tabs between. It may be missing, and its encoding differs from speaker to speaker.
"""

import re
from pathlib import Path

from model_export.corpora.files import by_key
from model_export.emotions import affect_of
from model_export.errors import CorpusError
from model_export.manifest import Row

EMOTIONS = {
    "angry": "anger",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
PARTS = {"train", "evaluation", "test"}
# As its ReadMe lists them.
MALE = {"0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020"}

_STEM = re.compile(r"(00(?:0[1-9]|1\d|20))_(\d{6})")


def rows(root: Path) -> list[Row]:
    """One row a clip.

    Raises:
        CorpusError: a clip that lies in no folder of an emotion, or two different recordings of one name.
    """
    files = by_key(root, lambda path: path.stem if _STEM.fullmatch(path.stem) else None)
    texts: dict[Path, dict[str, str]] = {}
    found = []
    for stem, path in files.items():
        folder = path.parent.parent if path.parent.name.lower() in PARTS else path.parent
        emotion = EMOTIONS.get(folder.name.lower())
        if emotion is None:
            raise CorpusError(f"{path}: lies in no folder of an emotion; there are {', '.join(EMOTIONS)}")
        speaker = stem[:4]
        table = folder.parent / f"{speaker}.txt"
        if table not in texts:
            texts[table] = _sentences(table)
        affect = affect_of(emotion)
        found.append(
            Row(
                path=path,
                corpus="esd",
                speaker=f"esd-{speaker}",
                gender="male" if speaker in MALE else "female",
                emotion=emotion,
                valence=affect.valence,
                arousal=affect.arousal,
                transcript=texts[table].get(stem, ""),
            )
        )
    return found


def _sentences(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.split("\t") for line in _decoded(path.read_bytes()).splitlines())
    return {cells[0].strip(): cells[1].strip() for cells in lines if len(cells) > 1}


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace")
