"""Every setting of the service, in one table.

A setting is, strongest first: a flag of the command line (`--max-upload-mb 10`), an environment variable
(`EMOTIONRANK_MAX_UPLOAD_MB=10`), the default. `docs/settings.md` lists them; a test fails when it misses one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsInvalid

PREFIX: Final = "EMOTIONRANK_"

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
# As browsers write it: small letters, the port only where it is not the scheme's own.
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def _share_of_cores(given: Mapping[str, Any]) -> int:
    from encoders.sessions import available_cpus  # late: it loads ONNX Runtime, and --help needs none

    workers: int = given.get("workers", 1)  # missing where it could not be used, which is said elsewhere
    return max(1, available_cpus() // workers)


class Settings(BaseSettings):
    """What one running service is told. Immutable; unknown names are refused in code."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    library: str | Path | None = Field(
        default=None,
        description="The library to serve: a directory, made when it is not there, or milvus://HOST:PORT/NAME. "
        "`serve` needs it.",
    )
    audio: Path | None = Field(
        default=None,
        description="Folder for the audio of uploaded clips (default: `audio` in the library's directory). A library "
        "in Milvus takes uploads only with it.",
    )
    bundle: Path | None = Field(
        default=None, description="The bundle to use (default: the one that came with EmotionRank)."
    )
    data: Path = Field(
        default=Path("demo-data"), description="Folder for what `demo` makes: spoken clips and their library."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes that serve, on one port and one library.",
    )
    threads: int = Field(
        default_factory=_share_of_cores,
        ge=1,
        le=256,
        description="Clips that a process decodes and encodes at the same time, one core each (default: the cores, "
        "shared out to the workers).",
    )
    queue: int = Field(
        default=32,
        ge=0,
        le=10_000,
        description="Uploads that may wait for a thread; the next one is answered 429 with Retry-After.",
    )
    search_queue: int = Field(
        default=18,
        ge=0,
        le=10_000,
        description="Searches, prompts and reads of the library that may wait for a thread in a burst, and half of "
        "them where more come than are done for a quarter of a second; the next one is answered 429 with Retry-After.",
    )
    prompt_cache: int = Field(
        default=4096,
        ge=0,
        le=1_000_000,
        description="Prompts whose embeddings are remembered, so that they are not encoded again; 2 KiB each.",
    )
    max_upload_mb: float = Field(
        default=256, gt=0, le=100_000, description="Largest body of one request, all its files together, in MiB."
    )
    max_files: int = Field(default=50, ge=1, le=1000, description="Most files in one request.")
    max_duration: float = Field(
        default=3600, ge=1, le=24 * 3600, description="Longest sound that is taken, in seconds."
    )
    decode_memory_mb: int = Field(
        default=512, ge=64, le=1_000_000, description="Memory that decoding one upload may take, in MiB."
    )
    decode_seconds: float = Field(
        default=10,
        ge=1,
        le=3600,
        description="Seconds that decoding one upload may take, and a tenth of a second more for each second of sound.",
    )
    tracing: bool = Field(
        default=False,
        description="Send traces with OpenTelemetry; its own OTEL_ variables say where to. Needs the extra `otel`.",
    )
    keys: str | None = Field(
        default=None,
        description="API keys, as the lines that `emotionrank keys new` prints, separated by spaces or commas. Where "
        "there is a key, every caller needs one.",
    )
    keys_file: Path | None = Field(
        default=None, description="File with such lines, one a line; it is looked at again when it changes."
    )
    open_access: bool = Field(
        default=False,
        description="Listen on an address that other machines can reach although there are no keys: whoever reaches it "
        "may read, add and delete.",
    )
    hosts: str | None = Field(
        default=None,
        description="Names under which a service without keys is reached, besides localhost and IP addresses, "
        "separated by commas.",
    )
    cors: str | None = Field(
        default=None,
        description="Origins of web pages elsewhere that may use the service, such as https://app.example, separated "
        "by commas; * (any) needs keys.",
    )
    rate_limit: str | None = Field(
        default=None,
        description="Most requests of one caller (a key, or an address without one) in a time, such as 600/minute, "
        "10/second or 5000/hour. Each worker counts for itself.",
    )
    concurrency_limit: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most requests of one caller that are answered at the same time. Each worker counts for itself.",
    )
    access_log: bool = Field(
        default=False,
        description="Write a line of JSON for every request to standard error, and warnings and errors in that form.",
    )
    log_content: bool = Field(
        default=False,
        description="Also log what was asked: query strings, prompts, names of files. They can be private.",
    )

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, value: str | None) -> str | None:
        for name in _split(value):
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name such as speech.example (without a scheme, a port or a path)")
        return value

    @field_validator("cors")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        for origin in _split(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin such as https://app.example (without a path)")
        return value

    @property
    def host_names(self) -> list[str]:
        """`hosts`, one by one."""
        return _split(self.hosts)

    @property
    def cors_origins(self) -> list[str]:
        """`cors`, one by one."""
        return _split(self.cors)

    stop_within: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds that requests have to finish in when the service is stopped.",
    )

    @property
    def max_upload_bytes(self) -> int:
        """`max_upload_mb` in bytes."""
        return int(self.max_upload_mb * 1024 * 1024)


def _split(text: str | None) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text or "") if part]


def load_settings(**flags: object) -> Settings:
    """Read the settings: the given flags (None = not given) over the environment over the defaults.

    Raises `SettingsInvalid`, which names the setting and what is wrong with its value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**cast("dict[str, Any]", given))
    except ValidationError as error:
        faults = [
            f"{_spelling(str(fault['loc'][0]), given)} = {fault['input']!r}: {fault['msg']}" for fault in error.errors()
        ]
        raise SettingsInvalid("a setting cannot be used. " + "; ".join(faults)) from error


def _spelling(name: str, given: Mapping[str, object]) -> str:
    """Name a setting as its user wrote it: as a flag or as an environment variable."""
    return f"--{name.replace('_', '-')}" if name in given else f"{PREFIX}{name.upper()}"
