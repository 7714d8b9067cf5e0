"""The bundle: a directory with the exported encoders and all that is needed to run them.

    bundle.json      what the bundle is, and the sha256 of the files below (`BundleInfo`)
    audio.onnx       samples float32 [batch, samples], lengths int64 [batch]
    text.onnx        input_ids, attention_mask int64 [batch, tokens]
                     both -> embedding float32 [batch, embedding_dim] unit norm, affect float32 [batch, 2]
    tokenizer.json   read with `tokenizers`
    prompts.jsonl    the emotion vocabulary: {"text", "term", "valence", "arousal"} a line
    README.md        the model card

It is the contract between training and serving: `seal` writes bundle.json over files that lie ready, `load`
checks every byte before anything runs. The fingerprint (sha256 of bundle.json) stands for the whole bundle,
since bundle.json holds the checksums; libraries store it. The model card has no checksum: mending a sentence
in it must not turn the bundle into another one, which libraries would refuse.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from encoders.affect import HIGH, LOW, Affect, AffectRange
from encoders.errors import BundleInvalid, BundleNotFound
from encoders.terms import TermShares

FORMAT: Final = 1
INFO: Final = "bundle.json"
AUDIO: Final = "audio.onnx"
TEXT: Final = "text.onnx"
TOKENIZER: Final = "tokenizer.json"
PROMPTS: Final = "prompts.jsonl"
CARD: Final = "README.md"
REQUIRED: Final = (AUDIO, TEXT, TOKENIZER, PROMPTS)

_DEFAULT: Final = Path(__file__).resolve().parent.parent / "models" / "emotionrank-base"

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Scale = Annotated[float, Field(ge=LOW, le=HIGH, allow_inf_nan=False)]


class AffectInterval(BaseModel):
    """How far the label of an unseen speaker's clip may lie from the affect that the audio encoder reads.

    With probability `level` it lies within `valence` and `arousal` (half widths on 1..7, each axis by itself) of the
    affect of the whole clip. How they are found: `model_export/export/calibration.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float = Field(gt=0, lt=1)
    valence: float = Field(ge=0, allow_inf_nan=False)
    arousal: float = Field(ge=0, allow_inf_nan=False)

    def around(self, affect: Affect) -> AffectRange:
        """Return the interval around a clip's affect, cut to the scale."""
        low = Affect(affect.valence - self.valence, affect.arousal - self.arousal)
        high = Affect(affect.valence + self.valence, affect.arousal + self.arousal)
        return AffectRange(self.level, low.clipped(), high.clipped())


class BundleInfo(BaseModel):
    """What bundle.json says. Durations in seconds.

    `hears_as` are fingerprints of bundles with the same audio encoder and windows: this bundle opens their libraries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    sample_rate: Literal[16_000] = 16_000
    embedding_dim: int = Field(gt=0)
    win_dur: float = Field(gt=0)
    hop_dur: float = Field(gt=0)
    affect_scale: tuple[float, float] = (LOW, HIGH)
    affect_interval: AffectInterval | None = None
    hears_as: tuple[Sha256, ...] = ()
    term_shares: TermShares | None = None
    files: dict[FileName, Sha256]
    provenance: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hop_dur > self.win_dur:
            raise ValueError("hop_dur is longer than win_dur: sound between windows would be lost")
        if self.affect_scale != (LOW, HIGH):
            raise ValueError(f"affect_scale is not ({LOW:g}, {HIGH:g})")
        if missing := [name for name in REQUIRED if name not in self.files]:
            raise ValueError(f"no checksum for {', '.join(missing)}")
        return self


class _PromptLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1)
    term: str = Field(min_length=1)
    valence: Scale
    arousal: Scale


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of the bundle's emotion vocabulary: its text, the term that it words, and where it lies."""

    text: str
    term: str
    affect: Affect


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been checked."""

    path: Path
    info: BundleInfo
    fingerprint: str
    prompts: tuple[Prompt, ...]

    def file(self, name: str) -> Path:
        """Return the path of one of the bundle's files."""
        return self.path / name


def default_path() -> Path:
    """$EMOTIONRANK_BUNDLE where it is set, else the released bundle that lies beside the packages."""
    chosen = os.environ.get("EMOTIONRANK_BUNDLE")
    return Path(chosen) if chosen else _DEFAULT


def load(path: Path | None = None) -> Bundle:
    """Read the bundle at `path` (default: `default_path()`), every checksum verified.

    Raises BundleNotFound where there is no bundle.json, BundleInvalid where it cannot be used.
    """
    path = default_path() if path is None else path
    try:
        raw = (path / INFO).read_bytes()
    except OSError as error:
        raise BundleNotFound(
            f"no bundle at {path}: {INFO} cannot be read ({error.strerror}). Give the folder of a bundle "
            f"in EMOTIONRANK_BUNDLE (default: {_DEFAULT}), or make one with `emotionrank export`."
        ) from None
    info = _parse(path, raw)
    for name, expected in info.files.items():
        _verify(path / name, expected)
    return Bundle(path, info, hashlib.sha256(raw).hexdigest(), read_prompts(path / PROMPTS))


def seal(path: Path, **fields: object) -> BundleInfo:
    """Write bundle.json over the files that lie in `path`, and return what it says.

    `fields` are those of `BundleInfo` but `format` and `files`, which are found here. The same files and
    fields give the same bytes, and so the same fingerprint. Raises BundleInvalid where a file is missing or
    a field is wrong.
    """
    if missing := [name for name in REQUIRED if not (path / name).is_file()]:
        raise BundleInvalid(f"cannot seal a bundle in {path}: {', '.join(missing)} not there.")
    names = sorted(p.name for p in path.iterdir() if p.is_file() and p.name not in {INFO, CARD})
    read_prompts(path / PROMPTS)
    try:
        info = BundleInfo.model_validate(fields | {"files": {name: _sha256(path / name) for name in names}})
    except ValidationError as error:
        raise BundleInvalid(f"cannot seal a bundle in {path}: {_first(error)}.") from None
    draft = path / f".{INFO}.tmp"
    # Left out where there is none: so such a bundle stays readable for versions that do not know the field.
    unset = {field for field in ("affect_interval", "term_shares", "hears_as") if not getattr(info, field)}
    draft.write_text(info.model_dump_json(indent=2, exclude=unset) + "\n", encoding="utf-8")
    draft.replace(path / INFO)
    return info


def _parse(path: Path, raw: bytes) -> BundleInfo:
    try:
        return BundleInfo.model_validate_json(raw)
    except ValidationError as error:
        if any(e["loc"] == ("format",) for e in error.errors()):
            raise BundleInvalid(
                f"the bundle at {path} has another format than {FORMAT}, the one this version reads. "
                "Upgrade emotionrank, or export the bundle again with this version."
            ) from None
        raise BundleInvalid(f"the bundle at {path} cannot be used: {INFO}: {_first(error)}.") from None


def _verify(file: Path, expected: str) -> None:
    try:
        found = _sha256(file)
    except OSError as error:
        raise BundleInvalid(
            f"the bundle at {file.parent} is incomplete: {file.name} cannot be read ({error.strerror}). "
            "Fetch or export the bundle again."
        ) from None
    if found != expected:
        raise BundleInvalid(
            f"the bundle at {file.parent} is damaged: {file.name} is not the file that {INFO} describes "
            f"(sha256 {found[:12]}..., expected {expected[:12]}...). Fetch or export the bundle again."
        )


def read_prompts(file: Path) -> tuple[Prompt, ...]:
    """Read a bundle's prompts. Raises BundleInvalid for a line that is none, and where there are none."""
    prompts = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            entry = _PromptLine.model_validate_json(line)
        except ValidationError as error:
            raise BundleInvalid(f"{file}, line {number}, is no prompt: {_first(error)}.") from None
        prompts.append(Prompt(entry.text, entry.term, Affect(entry.valence, entry.arousal)))
    if not prompts:
        raise BundleInvalid(f"{file} has no prompts.")
    return tuple(prompts)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
