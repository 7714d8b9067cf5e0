"""Settings: one table, three ways to set them, all of them documented."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from service import commands
from service.errors import SettingsInvalid
from service.settings import PREFIX, Settings, load_settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_settings_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_flags_are_stronger_than_the_environment_and_that_than_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().port == 8000
    monkeypatch.setenv("EMOTIONRANK_PORT", "9000")
    assert load_settings().port == 9000
    assert load_settings(port=None).port == 9000
    assert load_settings(port=9100).port == 9100
    monkeypatch.setenv("EMOTIONRANK_PORT", "")
    assert load_settings().port == 8000


def test_a_setting_that_cannot_be_used_is_named_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid, match=r"--max-files = 0"):
        load_settings(max_files=0)
    monkeypatch.setenv("EMOTIONRANK_MAX_UPLOAD_MB", "lots")
    with pytest.raises(SettingsInvalid, match=r"EMOTIONRANK_MAX_UPLOAD_MB = 'lots'"):
        load_settings()
    with pytest.raises(SettingsInvalid, match="colour"):
        load_settings(max_upload_mb=1, colour="red")


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_a_flag_a_variable_and_a_sentence(name: str) -> None:
    sentence = Settings.model_fields[name].description
    assert sentence
    assert sentence.endswith(".")
    flag = f"--{name.replace('_', '-')}"
    options = [
        parameter
        for app in (commands.serve, commands.demo)
        for parameter in get_command(app).params
        if flag in parameter.opts
    ]
    assert options
    assert {str(option.envvar) for option in options} == {PREFIX + name.upper()}


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_in_the_docs(name: str) -> None:
    field = Settings.model_fields[name]
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `--{name.replace('_', '-')}`")]
    assert len(rows) == 1
    assert f"`{PREFIX}{name.upper()}`" in rows[0]
    assert str(field.description) in rows[0]
    if field.default is not None and field.default_factory is None:
        assert f"`{field.default}`" in rows[0]


def test_the_docs_have_no_setting_that_is_not_there() -> None:
    named = set(re.findall(rf"^\| `--([a-z-]+)` \| `{PREFIX}", DOCS.read_text(), re.MULTILINE))
    assert named == {name.replace("_", "-") for name in Settings.model_fields}
