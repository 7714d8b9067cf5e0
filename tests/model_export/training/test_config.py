"""A configuration survives TOML, and whatever is wrong with one is said by name."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.errors import TrainingError
from model_export.training import config as configuration
from model_export.training.config import Config, differences, from_file, to_toml


@given(
    steps=st.integers(1, 10**9),
    rate=st.floats(1e-9, 10, allow_nan=False),
    device=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    words=st.lists(st.text("abc\"'\\\n ", max_size=5).filter(str.strip), max_size=3),
    weights=st.dictionaries(st.text("ab. -", max_size=4), st.floats(0, 5), max_size=3),
)
def test_a_configuration_comes_back_from_toml_as_it_was(
    steps: int, rate: float, device: str, words: list[str], weights: dict[str, float]
) -> None:
    made = Config.of(
        {
            "device": device,
            "optimisation": {"steps": steps, "head_rate": rate},
            "captions": {"leave_out": words},
            "data": {"corpus_weight": weights},
        },
        "made",
    )
    assert Config.of(tomllib.loads(to_toml(made)), "again") == made


def test_settings_go_over_a_file_and_a_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('manifests = ["a.csv"]\n[optimisation]\nsteps = 7\nbatch = 9\n', encoding="utf-8")
    settings = ["optimisation.batch=10", "loss.kind=sup_con", "data.corpus_weight.emogator=0.3", 'towers.text="x y"']
    made = from_file(str(path), settings)
    assert (made.optimisation.steps, made.optimisation.batch) == (7, 10)
    assert (made.loss.kind, made.towers.text, made.seed) == ("sup_con", "x y", 0)
    assert made.data.corpus_weight == {"emogator": 0.3}
    assert made.manifests == (str(tmp_path / "a.csv"),), "relative to the file"
    assert from_file(str(path), manifests=[tmp_path / "b.csv"]).manifests == (str(tmp_path / "b.csv"),)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimisation.step=3", "optimisation.step"),
        ("optimiser.steps=3", "optimiser"),
        ("steps=3", "steps"),
        ("optimisation.steps=many", "optimisation.steps"),
        ("optimisation.steps=0", "optimisation.steps"),
        ("optimisation.average=1.0", "optimisation.average"),
        ("loss.kind=best", "loss.kind"),
        ("loss.temperature=-1", "loss.temperature"),
        ("data.crop_seconds=[1.0]", "data.crop_seconds"),
        ("seed.x=1", "seed"),
        ("optimisation=3", "optimisation"),
        ("optimisation.steps", "section.key=value"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(setting: str, said: str) -> None:
    with pytest.raises(TrainingError) as caught:
        from_file(settings=[setting])
    assert said in str(caught.value)


def test_a_file_that_is_none_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="emotionrank-base"):
        from_file("nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[[", encoding="utf-8")
    with pytest.raises(TrainingError, match="TOML"):
        from_file(str(broken))
    with pytest.raises(TrainingError, match="cannot be read"):
        from_file(str(tmp_path))


@pytest.mark.parametrize("name", ["emotionrank-base", "losses", "paper", "whisper-base"])
def test_the_configurations_that_come_along_are_whole(name: str) -> None:
    assert name in configuration.available()
    made = from_file(name, manifests=["a.csv"])
    assert made.towers.dim == 512
    assert (made.towers.train_audio == "frozen") == (name in ("losses", "paper"))


def test_differences_are_named_by_key() -> None:
    assert differences(from_file(settings=["loss.kind=sup_con", "seed=3"]), Config()) == [
        "seed: 3 and 0",
        "loss.kind: 'sup_con' and 'rnc'",
    ]
