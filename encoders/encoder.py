"""The two encoders of a bundle: sound or prompts in, unit vectors of one shared space and affect out.

An `Encoder` may be called from several threads at once. The same input gives the same vector whatever is encoded
beside it: clips go through the model one window at a time (batching sound gains nothing on CPUs, and a bundle
whose activations are quantised would scale them over the batch), and the text model's batches are padded behind a mask.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Encoding, Tokenizer

from encoders import bundle as bundles
from encoders.affect import HIGH, LOW, Affect, AffectRange
from encoders.audio import (
    DEFAULT_MAX_DURATION,
    SAMPLE_RATE,
    Samples,
    Source,
    check_heard,
    label_of,
    stream,
)
from encoders.bundle import Bundle
from encoders.errors import AudioInvalid, BundleInvalid, PromptError
from encoders.sessions import available_cpus, open_session
from encoders.voice import Voices
from encoders.windows import cut

Vectors = npt.NDArray[np.float32]

MAX_PROMPT_CHARS: Final = 1_000
_MAX_TOKENS: Final = 128
_BATCH: Final = 64
_LONGEST_TO_SHORTEST: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """`embedding` float32 [n, dim], unit norm; `affect` float32 [n, 2], (valence, arousal), each 1..7."""

    embedding: Vectors
    affect: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSegment:
    """A segment of a clip: start and end in seconds, its embedding float32 [dim] of unit norm, its affect."""

    start: float
    end: float
    embedding: Vectors
    affect: Affect


class Encoder:
    """The encoders of one bundle, ready to run."""

    def __init__(self, bundle: Bundle, audio: ort.InferenceSession, text: ort.InferenceSession) -> None:
        self.bundle = bundle
        self._audio = audio
        self._text = text
        self._tokenizer = _tokenizer(bundle)

    @classmethod
    def load(cls, path: Path | None = None, threads: int | None = None) -> Self:
        """Open the bundle at `path` (default: `bundle.default_path()`).

        `threads` is how many cores one call may use; the default is all that this process has. Callers that
        run several calls side by side do better with 1. Raises BundleNotFound, BundleInvalid.
        """
        bundle = bundles.load(path)
        cores = threads or available_cpus()
        audio = _checked(bundle, bundles.AUDIO, ("samples", "lengths"), cores)
        text = _checked(bundle, bundles.TEXT, ("input_ids", "attention_mask"), cores)
        return cls(bundle, audio, text)

    def affect_range(self, affect: Affect) -> AffectRange | None:
        """Return where a clip's label lies, given the clip's affect (of `embed_clip` or `pool`).

        None where the bundle states no interval. It holds for whole clips of speakers that the model never heard, not
        for segments: labels belong to clips.
        """
        interval = self.bundle.info.affect_interval
        return interval.around(affect) if interval else None

    def embed_samples(self, samples: Samples) -> Encoded:
        """Encode one waveform (mono, 16 kHz, float32 [n]): one row.

        Raises AudioTooShort under `audio.MIN_DURATION`, AudioInvalid for samples that are not finite numbers.
        """
        check_heard("the waveform", samples.size / SAMPLE_RATE, silent=False)
        if not np.isfinite(samples).all():
            raise AudioInvalid("the waveform has samples that are not finite numbers (NaN, infinity).")
        row = np.ascontiguousarray(samples, dtype=np.float32)[None]
        return _run(self._audio, {"samples": row, "lengths": np.array([row.shape[1]], np.int64)})

    def embed_prompts(self, texts: Sequence[str]) -> Encoded:
        """Encode prompts: a row each, in the order given. Prompts over 128 tokens are cut there.

        Raises PromptError for a prompt that is empty, has over MAX_PROMPT_CHARS characters, or is no text.
        """
        return self.embed_tokens([self.tokens(text) for text in texts])

    def embed_tokens(self, prompts: Sequence[Encoding]) -> Encoded:
        """Encode prompts of which `tokens` was made: a row each, in the order given."""
        dim = self.bundle.info.embedding_dim
        embedding, affect = np.zeros((len(prompts), dim), np.float32), np.zeros((len(prompts), 2), np.float32)
        for rows in _batches([len(prompt.ids) for prompt in prompts]):
            encoded = _run(self._text, _padded([prompts[row] for row in rows]))
            embedding[rows], affect[rows] = encoded.embedding, encoded.affect
        return Encoded(embedding, affect)

    def segments(
        self,
        source: Source,
        *,
        name: str | None = None,
        max_duration: float = DEFAULT_MAX_DURATION,
        voices: Voices | None = None,
    ) -> Generator[EncodedSegment, None, float]:
        """Yield the segments of a clip as they are encoded: the windows of `encoders.windows.cut`, in its order.

        The generator returns the clip's duration in seconds (`duration = yield from encoder.segments(...)`). `voices`
        (new ones) hear the clip too.

        Raises whatever `audio.stream` raises, AudioTooShort, and AudioSilent for a clip without any segment. An
        error may come after some segments: then the clip as a whole has failed.
        """
        label = label_of(source, name)
        info = self.bundle.info
        counted = _Counted(lambda: stream(source, name=name, max_duration=max_duration))
        silent = True
        for window in cut(counted.read, info.win_dur, info.hop_dur, voices):
            silent = False
            check_heard(label, window.end - window.start, silent=False)
            encoded = self.embed_samples(window.samples)
            valence, arousal = encoded.affect[0].tolist()
            yield EncodedSegment(window.start, window.end, encoded.embedding[0], Affect(valence, arousal))
        duration = counted.samples / SAMPLE_RATE
        check_heard(label, duration, silent=silent)
        return duration

    def embed_clip(
        self, source: Source, *, name: str | None = None, max_duration: float = DEFAULT_MAX_DURATION
    ) -> tuple[Vectors, Affect]:
        """Return one embedding (float32 [dim], unit norm) and affect for a whole clip: `pool` of its segments.

        Raises what `segments` raises.
        """
        return pool(self.segments(source, name=name, max_duration=max_duration))

    def tokens(self, text: str) -> Encoding:
        """Return the tokens of a prompt, as `embed_tokens` takes them. Raises PromptError as `embed_prompts` does."""
        text = text.strip()
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        if not text:
            raise PromptError("a prompt is empty: describe how the speech feels in a few words.")
        if len(text) > MAX_PROMPT_CHARS:
            raise PromptError(
                f'the prompt "{shown}" has {len(text):,} characters; at most {MAX_PROMPT_CHARS:,} are taken.'
            )
        try:
            encoding = self._tokenizer.encode(text)
        except (TypeError, UnicodeError):
            raise PromptError(f"the prompt {shown!a} is not valid Unicode text.") from None
        if all(encoding.special_tokens_mask):
            raise PromptError(f"the prompt {shown!a} has no words.")
        return encoding


def pool(segments: Iterable[EncodedSegment]) -> tuple[Vectors, Affect]:
    """Return the mean of the segments' embeddings, renormalised (float32 [dim]), and of their affect.

    Raises ValueError without any segment.
    """
    held = list(segments)
    if not held:
        raise ValueError("nothing to pool: no segments")
    mean: npt.NDArray[np.float64] = np.mean([segment.embedding for segment in held], axis=0, dtype=np.float64)
    valence, arousal = np.mean([segment.affect for segment in held], axis=0).tolist()
    mean /= np.linalg.norm(mean)
    return mean.astype(np.float32), Affect(valence, arousal)


class _Counted:
    """A clip that can be read from its beginning, and how many of its samples have passed."""

    def __init__(self, begin: Callable[[], Iterable[Samples]]) -> None:
        self._begin = begin
        self.samples = 0

    def read(self) -> Iterator[Samples]:
        self.samples = 0
        for piece in self._begin():
            self.samples += piece.size
            yield piece


def _run(session: ort.InferenceSession, inputs: dict[str, npt.NDArray[np.generic]]) -> Encoded:
    embedding, affect = session.run(["embedding", "affect"], inputs)
    return Encoded(embedding, np.clip(affect, LOW, HIGH))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Share rows out to batches of about one length: in a batch, every row costs as much as the longest."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == _BATCH or lengths[row] > _LONGEST_TO_SHORTEST * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _padded(encodings: Sequence[Encoding]) -> dict[str, npt.NDArray[np.generic]]:
    shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _tokenizer(bundle: Bundle) -> Tokenizer:
    file = bundle.file(bundles.TOKENIZER)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing narrower
        raise BundleInvalid(f"{file} is no tokenizer: {error}. Export the bundle again.") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=_MAX_TOKENS)
    return tokenizer


def _checked(bundle: Bundle, name: str, inputs: tuple[str, ...], threads: int) -> ort.InferenceSession:
    session = open_session(bundle.file(name), threads)
    found = {put.name for put in session.get_inputs()}, {put.name for put in session.get_outputs()}
    if found != (set(inputs), {"embedding", "affect"}):
        raise BundleInvalid(
            f"{bundle.file(name)} has inputs and outputs {found}, not {inputs} and embedding, affect. "
            "Export the bundle again."
        )
    return session
