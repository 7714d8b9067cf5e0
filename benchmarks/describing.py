"""What a description makes of real speech: `python -m benchmarks.describing MANIFEST...`.

Manifests of RAVDESS and nEMO (`emotionrank corpus prepare`). Only the bundle's validation speakers are heard, who had
no part in its training.

- changes: clips of a speaker joined with pauses of 0.2..1.5 s, half a minute of one emotion and half of another
  (found: a change within NEAR of the true one), and a minute of one (where every change is false)
- doubts: how many recordings have which, and how far affect lies from that of the clean clip: with white or pink noise
  under the voice, cut to their middle, quieter; and noise and made chords alone
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from encoders.audio import SAMPLE_RATE, Decoded, Samples, decode
from encoders.encoder import Encoder
from encoders.voice import FRAME
from index.describe import Description, describe
from index.prompts import PromptBank
from model_export import manifest
from model_export.manifest import Row

PAIRS: Final = (("anger", "sadness"), ("sadness", "happiness"), ("neutral", "anger"), ("happiness", "neutral"))
ALONE: Final = ("anger", "sadness", "neutral")
NEAR: Final = 4.0  # seconds
CLIPS: Final = 20  # of each corpus

Describe = Callable[[Samples], Description]


def joined(rows: Sequence[Row], seconds: float, draw: random.Random) -> Samples:
    """Return clips one after the other, with pauses, of `seconds` at least."""
    parts: list[Samples] = []
    order = draw.sample(list(rows), len(rows))
    while sum(part.size for part in parts) < seconds * SAMPLE_RATE:
        row = order[len(parts) // 2 % len(order)]
        parts += [decode(row.path), np.zeros(round(draw.uniform(0.2, 1.5) * SAMPLE_RATE), np.float32)]
    return np.concatenate(parts)


def changes(rows: Sequence[Row], said: Describe) -> None:
    """Print how many changes of emotion are found, and where, and how many that are none."""
    draw = random.Random(1)
    found, others, off, false = 0, 0, [], []
    speakers = sorted({row.speaker for row in rows})
    for speaker in speakers:
        own = {
            emotion: [row for row in rows if (row.speaker, row.emotion) == (speaker, emotion)]
            for emotion in {*ALONE, *sum(PAIRS, ())}
        }
        for one, other in PAIRS:
            first = joined(own[one], 30, draw)
            at = first.size / SAMPLE_RATE
            made = said(np.concatenate([first, joined(own[other], 30, draw)])).changes
            near = [abs(change.at - at) for change in made if abs(change.at - at) <= NEAR]
            found, others = found + bool(near), others + len(made) - bool(near)
            off += near[:1]
        false += [len(said(joined(own[emotion], 60, draw)).changes) for emotion in ALONE]
        print(f"  {speaker}", flush=True)
    print(
        f"changes found: {found} of {len(speakers) * len(PAIRS)}, median {np.median(off):.1f} s off; others: {others}"
    )
    print(f"in a minute of one emotion: {sum(false)} changes in {len(false)} recordings")


def conditions(clean: Samples, rng: np.random.Generator) -> Iterator[tuple[str, Samples]]:
    """Yield a clip as it is and spoilt."""
    levels = clean[: clean.size // FRAME * FRAME].reshape(-1, FRAME).std(axis=1)
    voice = np.sqrt(np.square(levels[levels > levels.max() / 30]).mean())
    yield "as it is", clean
    yield "20 dB quieter", clean * np.float32(0.1)
    for kind in ("white", "pink"):
        for under in (20, 10, 5, 0):
            sound = clean + noise(clean.size, kind, rng) * voice * 10 ** (-under / 20)
            yield f"{kind} noise {under} dB under", sound.astype(np.float32)
    for seconds in (1.0, 0.5):
        size = round(seconds * SAMPLE_RATE)
        begin = max(0, (clean.size - size) // 2)
        yield f"its middle {seconds:g} s", clean[begin : begin + size]


def noise(size: int, kind: str, rng: np.random.Generator) -> Samples:
    """Make noise of deviation 1."""
    spectrum = np.fft.rfft(rng.normal(0, 1, size))
    if kind == "pink":
        spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 20 * size / SAMPLE_RATE))
    made = np.fft.irfft(spectrum, size)
    found: Samples = (made / made.std()).astype(np.float32)
    return found


def chords(seconds: float, rng: np.random.Generator) -> Samples:
    """Make plucked chords, three new tones of the scale twice a second."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    beats = []
    for _ in range(round(2 * seconds)):
        pitches = 220 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11], 3, replace=False) / 12)
        tones = [np.sin(2 * np.pi * pitch * h * time) / h for pitch in pitches for h in range(1, 7)]
        beats.append(np.sum(tones, axis=0) * np.exp(-3 * time))
    sound = np.concatenate(beats)
    found: Samples = (0.1 * sound / sound.std()).astype(np.float32)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What a description makes of real speech.")
    parser.add_argument("manifests", type=Path, nargs="+")
    given = parser.parse_args().manifests
    encoder = Encoder.load()
    bank = PromptBank(encoder)
    held = encoder.bundle.info.provenance["validation_speakers"]
    assert isinstance(held, list)
    rows = [row for path in given for row in manifest.read(path) if row.speaker in held]

    def said(sound: Samples) -> Description:
        return describe(encoder, bank, Decoded(lambda label, longest: iter([sound])), name="a clip")

    counted: dict[str, Counter[str]] = {}
    moved: dict[str, list[float]] = {}
    rng, draw = np.random.default_rng(0), random.Random(0)

    def count(name: str, found: Description, clean: Description | None = None) -> None:
        counted.setdefault(name, Counter()).update(["all", *(doubt.code for doubt in found.doubts)])
        if clean:
            moved.setdefault(name, []).append(float(np.abs(np.subtract(found.affect, clean.affect)).mean()))

    for corpus in sorted({row.corpus for row in rows}):
        for row in draw.sample([row for row in rows if row.corpus == corpus], CLIPS):
            made = [(name, said(sound)) for name, sound in conditions(decode(row.path), rng)]
            for name, found in made:
                count(name, found, made[0][1])
    for seconds in (2, 5, 9, 30):
        for kind in ("white", "pink"):
            count(f"{kind} noise alone", said(noise(seconds * SAMPLE_RATE, kind, rng) * np.float32(0.05)))
        count("chords alone", said(chords(seconds, rng)))
    print(f"{'':24}{'clips':>6}{'affect moved':>14}{'little-voice':>14}{'short':>7}{'noisy':>7}")
    for name, codes in counted.items():
        off = f"{np.mean(moved[name]):.2f}" if name in moved else ""
        doubted = f"{codes['little-voice']:14}{codes['short']:7}{codes['noisy']:7}"
        print(f"{name:24}{codes['all']:6}{off:>14}{doubted}", flush=True)
    changes(rows, said)


if __name__ == "__main__":
    main()
