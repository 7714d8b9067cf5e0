"""API keys: how they are made, written down and recognised.

A key is 256 random bits, shown once to whoever made it. The service holds only *lines*, which are no secret:

    alice:read+write:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

that is a name for the log, scopes, and the SHA-256 of the key. A plain hash is enough because nobody can guess 256
bits; for the same reason it needs no salt. Two lines may share a name: that is how a key is changed without a pause.

Lines come from a file (one a line; `#` begins a comment), from a setting (separated by spaces or commas), or both.
The file is looked at again while the service runs, at most once a second: a key that is taken out of it is refused
from then on. A file that cannot be read any more leaves the keys as they were, and an error in the log.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args

from service.errors import SettingsInvalid

log = logging.getLogger("emotionrank.service")

KeyScope = Literal["read", "write", "metrics"]
SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)

_PREFIX: Final = "er_"  # so that people, and scanners for leaked secrets, know one when they see it
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOOK_AGAIN: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Key:
    """What the service knows of a key: its name, what it may be used for, and the SHA-256 of its text."""

    name: str
    scopes: frozenset[KeyScope]
    digest: bytes

    def line(self) -> str:
        """Write it as a line for the file or the setting."""
        scopes = "+".join(scope for scope in SCOPES if scope in self.scopes)
        return f"{self.name}:{scopes}:{self.digest.hex()}"


def new_key(name: str, scopes: Iterable[str]) -> tuple[str, Key]:
    """Make a key: its text, which is kept nowhere, and what the service is told of it. Raises `SettingsInvalid`."""
    text = _PREFIX + secrets.token_urlsafe(32)
    return text, Key(_name(name), _scopes(scopes), _digest(text))


def read_line(text: str) -> Key:
    """Read a key's line; raises `SettingsInvalid`, whose message never repeats what may be a secret."""
    parts = text.split(":")
    if len(parts) != 3:
        if text.startswith(_PREFIX):
            raise SettingsInvalid("this is a key itself; the service is given the line that was printed with it.")
        raise SettingsInvalid("a key's line is NAME:SCOPES:SHA256, as `emotionrank keys new` prints it.")
    name, scopes, digest = parts
    if not _DIGEST.fullmatch(digest.lower()):
        raise SettingsInvalid("the third part of a key's line is a SHA-256 in 64 hex digits.")
    return Key(_name(name), _scopes(scopes.split("+")), bytes.fromhex(digest))


class Keyring:
    """The keys that the service takes. To be used from one thread, that of the event loop."""

    def __init__(
        self, keys: Iterable[Key] = (), path: Path | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Take some keys, and those of a file. Raises `SettingsInvalid` when the file cannot be used."""
        self._given = tuple(keys)
        self._path = path
        self._now = now
        self._stamp: tuple[int, int, int] | None = None
        self._looked = now()
        self._keys = self._given
        if path is not None:
            self._stamp = _stamp(path)
            self._keys = (*self._given, *_read_file(path))

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Key | None:
        """Return what is known of a key that a caller sent; None when it is none of ours.

        All keys are compared, each in constant time, so that the time tells nothing of them.
        """
        self._look_again()
        digest = _digest(text)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _look_again(self) -> None:
        if self._path is None or self._now() - self._looked < _LOOK_AGAIN:
            return
        self._looked = self._now()
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._keys = (*self._given, *_read_file(self._path))
            self._stamp = stamp
        except SettingsInvalid as error:
            log.error("the keys stay as they were: %s", error)


def keyring(text: str | None, path: Path | None) -> Keyring | None:
    """Read the keys of the settings; None when there are none at all. Raises `SettingsInvalid`."""
    lines = re.split(r"[\s,]+", text.strip(" \t\r\n,")) if text else []
    try:
        given = [read_line(line) for line in lines if line]
    except SettingsInvalid as error:
        raise SettingsInvalid(f"EMOTIONRANK_KEYS (--keys) cannot be used: {error}") from error
    if path is None and not given:
        return None
    found = Keyring(given, path)
    if not found:
        raise SettingsInvalid(f"{path} holds no key. Make one: emotionrank keys new NAME.")
    return found


def _read_file(path: Path) -> Iterator[Key]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"the keys in {path} cannot be read ({_reason(error)}).") from error
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                yield read_line(entry)
            except SettingsInvalid as error:
                raise SettingsInvalid(f"line {number} of {path} cannot be used: {error}") from error


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsInvalid(f"the keys in {path} cannot be read ({_reason(error)}).") from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "it is no text in UTF-8"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise SettingsInvalid("a key's name is 1 to 64 letters, digits and . _ @ -, the first a letter or digit.")
    return text


def _scopes(given: Iterable[str]) -> frozenset[KeyScope]:
    scopes = frozenset(given)
    if not scopes or not scopes <= set(SCOPES):
        raise SettingsInvalid(f"a key's scopes are one or more of {', '.join(SCOPES)}.")
    return cast("frozenset[KeyScope]", scopes)
