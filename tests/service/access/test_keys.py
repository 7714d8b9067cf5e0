"""API keys: made once, known by their hash, changed while the service runs."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from service import commands
from service.access.keys import SCOPES, Keyring, keyring, new_key, read_line
from service.errors import SettingsInvalid


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def test_a_new_key_is_long_random_and_known_by_its_hash_alone() -> None:
    text, key = new_key("alice", ["read"])
    assert len(text) >= 43  # 256 bits in base 64
    assert new_key("alice", ["read"])[0] != text
    assert key.digest == hashlib.sha256(text.encode()).digest()
    assert text not in key.line()
    assert text not in repr(key)


@given(scopes=st.sets(st.sampled_from(SCOPES), min_size=1))
def test_a_line_reads_back_as_the_key_that_it_is_of(scopes: set[str]) -> None:
    _, key = new_key("a.b_c@d-e", scopes)
    assert read_line(key.line()) == key


@pytest.mark.parametrize(
    "line",
    [
        "",
        "alice",
        "alice:read",
        "alice:read:abc",
        "alice:all:" + "0" * 64,
        "alice::" + "0" * 64,
        "alice:read+:" + "0" * 64,
        ":read:" + "0" * 64,
        "al ice:read:" + "0" * 64,
        "alice:read:" + "0" * 64 + ":x",
        "a" * 65 + ":read:" + "0" * 64,
    ],
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(SettingsInvalid):
        read_line(line)


def test_a_key_in_the_place_of_its_line_is_named_as_that_and_never_repeated() -> None:
    text, _ = new_key("alice", ["read"])
    for given_ in (text, f"alice:read:{text}"):
        with pytest.raises(SettingsInvalid) as caught:
            keyring(given_, None)
        assert text not in str(caught.value)
        assert "EMOTIONRANK_KEYS" in str(caught.value)
    with pytest.raises(SettingsInvalid, match="is a key itself"):
        keyring(text, None)


def test_a_ring_finds_its_own_keys_and_no_others() -> None:
    made = [new_key(name, ["read"]) for name in ("alice", "bob", "alice")]
    ring = keyring(", ".join(key.line() for _, key in made), None)
    assert ring is not None
    for text, key in made:
        assert ring.find(text) == key
        assert ring.find(text + "x") is None
        assert ring.find(text.upper()) is None
        assert ring.find(key.digest.hex()) is None
        assert ring.find(key.line()) is None
    assert ring.find("") is None
    assert ring.find("k\udcff") is None  # what a header's odd bytes may become


def test_without_any_key_there_is_no_ring(tmp_path: Path) -> None:
    assert keyring(None, None) is None
    assert keyring(" , ", None) is None
    (tmp_path / "keys").write_text("# nobody yet\n\n")
    with pytest.raises(SettingsInvalid, match="holds no key"):
        keyring(None, tmp_path / "keys")


def test_a_file_that_cannot_be_used_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(SettingsInvalid, match=str(path)):
        keyring(None, path)
    _, key = new_key("alice", ["read"])
    path.write_text(f"# ours\n{key.line()}  # of the team\nbob:read\n")
    with pytest.raises(SettingsInvalid, match="line 3 of"):
        keyring(None, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="UTF-8"):
        keyring(None, path)


def test_a_file_is_followed_while_the_service_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "keys", Clock()
    (always, first), (alice, second), (bob, third) = (new_key(name, ["read"]) for name in ("ci", "alice", "bob"))
    path.write_text(second.line())
    ring = Keyring([first], path, now=clock)
    assert ring.find(alice)
    path.write_text(f"{third.line()}\n# alice has left\n")
    assert ring.find(bob) is None  # it is not looked at again for every request
    clock.time += 1.1
    assert ring.find(bob)
    assert ring.find(alice) is None
    assert ring.find(always)
    path.write_text("torn:re")
    clock.time += 1.1
    assert ring.find(bob), "a file that is broken locks nobody out"
    assert str(path) in caplog.text
    path.unlink()
    clock.time += 1.1
    assert ring.find(bob)
    path.write_text("")
    clock.time += 1.1
    assert ring.find(bob) is None
    assert ring.find(always)


def test_the_command_prints_a_key_and_the_line_that_fits_it() -> None:
    done = CliRunner().invoke(commands.keys, ["new", "alice", "--scope", "read", "--scope", "write", "--json"])
    assert done.exit_code == 0
    printed = json.loads(done.stdout)
    ring = keyring(printed["line"], None)
    assert ring is not None
    found = ring.find(printed["key"])
    assert found is not None
    assert found.name == "alice"
    assert found.scopes == frozenset({"read", "write"})
    plain = CliRunner().invoke(commands.keys, ["new", "bob"])
    key, line = (text.split(maxsplit=1)[1] for text in plain.stdout.splitlines())
    assert read_line(line).digest == hashlib.sha256(key.encode()).digest()
    assert line.startswith("bob:read:")
    refused = CliRunner().invoke(commands.keys, ["new", "alice", "--scope", "everything"])
    assert isinstance(refused.exception, SettingsInvalid)
