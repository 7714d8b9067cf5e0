"""Every choice of a run, as nested dataclasses and as TOML.

A configuration starts as the defaults of the classes; a TOML file (`--config`, by default
`configs/emotionrank-base.toml`) changes some of them, `--set section.key=value` some more. A key that does not exist,
a value of the wrong type and a value out of range are errors that name the key. What a run used is written into its
folder as `config.toml`, whole.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import tomli_w
from pydantic import Field, TypeAdapter, ValidationError

from encoders.audio import MIN_DURATION
from model_export.augment import AugmentConfig
from model_export.errors import TrainingError
from model_export.losses import LossConfig
from model_export.towers import TowerConfig

CONFIGS = Path(__file__).parents[1] / "configs"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which clips are heard, how often, and where they are kept.

    Training hears a random crop of a clip, of a length between the `crop_seconds` that is drawn for each batch.
    `corpus_weight` says how often a (corpus, emotion) of a corpus is drawn, against 1 for the others; 0 leaves the
    corpus to validation. `keep = "disk"` decodes a clip whenever it is drawn, for corpora larger than the memory.
    """

    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.12
    crop_seconds: tuple[Positive, Positive] = (1.2, 2.4)
    corpus_weight: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = field(default_factory=dict)
    keep: Literal["memory", "disk"] = "memory"
    batches_ahead: AtLeastOne = 2

    def __post_init__(self) -> None:
        """Refuse crops that are no speech or end before they begin (ValueError, which `Config.of` words)."""
        shortest, longest = self.crop_seconds
        if not MIN_DURATION <= shortest <= longest:
            raise ValueError(f"crop_seconds {shortest:g}..{longest:g}: from {MIN_DURATION:g} s on, the shorter first")


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """The cache of a frozen audio backbone's statistics.

    `versions` of each clip are computed once: the first is the clip as it is, the others are augmented. `folder` ""
    keeps them in the run's folder; runs that share a folder share what is in it.
    """

    cache: bool = True
    folder: str = ""
    versions: AtLeastOne = 4


@dataclass(frozen=True, slots=True)
class CaptionConfig:
    """Where the captions come from.

    `extra` captions from all over the plane join the clips' own in each batch. The grammar writes about `pool`, none
    with a word of `leave_out`; one for a clip is drawn within about `spread` (1..7) of its affect. `source = "column"`
    gives a clip one of the captions that its manifest has for it, and one of the grammar's where there is none;
    "grammar" gives it one of the grammar's always.
    """

    source: Literal["column", "grammar"] = "column"
    extra: Count = 96
    pool: AtLeastOne = 18_000
    spread: Positive = 0.35
    leave_out: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()


@dataclass(frozen=True, slots=True)
class RewordConfig:
    """What `reword` adds to training's objective; training itself does not read it.

    `keep` weighs 1 - cosine between what a caption is taught to be and what the bundle's own text encoder made of it.
    """

    keep: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


@dataclass(frozen=True, slots=True)
class SteadyConfig:
    """What `steady` adds to a bundle; training itself does not read it.

    `share` is the ridge regression's part of affect, `penalty` the ridge's, for each clip that it is fitted on; what a
    clip is to feel like is read in `captions` captions beside it.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    penalty: Positive = 4.0
    captions: AtLeastOne = 16


@dataclass(frozen=True, slots=True)
class OptimisationConfig:
    """How the weights move, how often they are judged, and when to stop.

    `micro_batch` clips pass through the audio encoder at a time (0: all at once); the loss sees the whole batch either
    way. `patience` validations without a better one end the run (0: never). `average` is the decay of the moving
    average of the weights, which is what is validated and kept as the best.
    """

    steps: AtLeastOne = 600
    batch: Annotated[int, Field(ge=2)] = 48
    micro_batch: Count = 0
    encoder_rate: Positive = 1.5e-4
    head_rate: Positive = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warm_up: Share = 0.08
    clip_norm: Positive = 1.0
    average: Share = 0.99
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validate_every: AtLeastOne = 150
    patience: Count = 10
    checkpoint_every: AtLeastOne = 50
    log_every: AtLeastOne = 10


@dataclass(frozen=True, slots=True)
class Config:
    """Every choice of a run."""

    manifests: tuple[str, ...] = ()
    seed: Count = 0
    threads: AtLeastOne = 2
    device: str = "auto"
    towers: TowerConfig = field(default_factory=TowerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    captions: CaptionConfig = field(default_factory=CaptionConfig)
    reword: RewordConfig = field(default_factory=RewordConfig)
    steady: SteadyConfig = field(default_factory=SteadyConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)

    @classmethod
    def of(cls, values: Mapping[str, Any], source: str) -> Self:
        """The configuration that nested `values` describe; what they leave out keeps its default.

        Raises:
            TrainingError: an unknown key, or a value that cannot be; `source` says whose.
        """
        known = to_dict(cls())
        if unknown := sorted(_unknown(values, known)):
            raise TrainingError(f"{source}: no such key: {', '.join(unknown)}; known are {', '.join(flat(known))}")
        try:
            return cast(Self, _ADAPTER.validate_python(values))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, not {e['input']!r}" for e in error.errors()]
            raise TrainingError(f"{source}: {'; '.join(wrong)}") from error


_ADAPTER = TypeAdapter(Config)


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as nested dictionaries, as TOML and checkpoints hold it."""
    return dataclasses.asdict(config)


def to_toml(config: Config) -> str:
    """The whole configuration; `from_file` reads it back to an equal one."""
    return tomli_w.dumps(to_dict(config))


def available() -> list[str]:
    """The names of the configurations that come with EmotionRank."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def from_file(source: str = "", settings: Iterable[str] = (), manifests: Iterable[Path | str] = ()) -> Config:
    """The configuration of a name or a TOML file, with `section.key=value` settings and manifests put over it.

    Manifests in a file are relative to that file. Values of settings are written as in TOML; what is no TOML value is
    taken as text.

    Raises:
        TrainingError: no such file or name, no TOML, an unknown key or a value that cannot be.
    """
    values = read(source) if source else {}
    for setting in settings:
        _set(values, setting)
    if given := [str(Path(path).resolve()) for path in manifests]:
        values["manifests"] = given
    return Config.of(values, source or "configuration")


def read(source: str) -> dict[str, Any]:
    """The nested values of a TOML file, or of a configuration that comes with EmotionRank by its name."""
    path = CONFIGS / f"{source}.toml" if source in available() else Path(source)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingError(
            f"{source}: neither a TOML file nor one of the configurations {', '.join(available())}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{source}: cannot be read as TOML ({error})") from error
    if isinstance(named := values.get("manifests"), list):
        values["manifests"] = [str((path.parent / name).resolve()) if isinstance(name, str) else name for name in named]
    return values


def differences(one: Config, other: Config) -> list[str]:
    """A line for each key in which two configurations differ: `optimisation.steps: 600 and 300`."""
    a, b = (flat(to_dict(config)) for config in (one, other))
    return [f"{key}: {a[key]!r} and {b[key]!r}" for key in a if a[key] != b[key]]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as `section.key` -> value; the freely named keys of `corpus_weight` stay together."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and not prefix:
            out |= flat(value, f"{key}.")
        else:
            out[prefix + key] = value
    return out


def _unknown(values: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    unknown = []
    for key, value in values.items():
        section = known.get(key)
        if key not in known:
            unknown.append(key)
        elif isinstance(section, dict) and isinstance(value, Mapping):
            unknown += [f"{key}.{name}" for name in value if name not in section]
    return unknown


def _set(values: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    *sections, name = key.strip().split(".")
    if not equals or not name:
        raise TrainingError(f"--set {setting}: write section.key=value, for instance optimisation.steps=300")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise TrainingError(f"--set {setting}: {section} is a value, not a section")
    values[name] = value
