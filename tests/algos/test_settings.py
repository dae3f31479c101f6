"""Settings: every type is read from text, and what does not fit is answered with what would."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import pytest
import tiny

import algos
from algos.contract import LearnerConfig
from algos.settings import SettingError, describe, nearest, parse, setting, spell, with_values


@dataclass(frozen=True)
class Config:
    whole: int = setting(1, "a count")
    number: float = setting(1.0, "a size", "Paper, Table 2")
    flag: bool = setting(False, "a switch")
    word: str = setting("", "a name")
    choice: Literal["softmax", "exp"] = setting("softmax", "one of two")
    maybe: float | None = setting(None, "a number or nothing")
    auto: Literal["auto"] | float = setting("auto", "auto or a number")
    widths: tuple[int, ...] = setting((256, 256), "sizes")
    names: tuple[str, ...] = setting((), "names")


GOOD: list[tuple[str, str, Any]] = [
    ("whole", "25_000", 25_000), ("whole", " -3 ", -3),
    ("number", "3e-4", 3e-4), ("number", "1", 1.0), ("number", "1_000.5", 1000.5), ("number", "inf", float("inf")),
    ("flag", "true", True), ("flag", "On", True), ("flag", "yes", True), ("flag", "1", True),
    ("flag", "False", False), ("flag", "off", False), ("flag", "no", False), ("flag", "0", False),
    ("word", "door", "door"),
    ("choice", "exp", "exp"),
    ("maybe", "none", None), ("maybe", "null", None), ("maybe", "0.5", 0.5),
    ("auto", "auto", "auto"), ("auto", "0.2", 0.2),
    ("widths", "64,64", (64, 64)), ("widths", "(64, 32,)", (64, 32)), ("widths", "64", (64,)),
    ("names", "a, b", ("a", "b")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, _, value in GOOD]
    + [("number", -math.inf), ("number", 1e-300), ("names", ()), ("widths", [64, 32]), ("names", ["a", "b"])],
)
def test_what_is_spelled_is_read_back(name: str, value: Any) -> None:
    """Lists are what JSON and TOML make of tuples."""
    assert parse(Config, name, spell(value)) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(("value", "text"), [([True, None], "true,none"), ([[1, 2], 3], "1,2,3"), (2.0, "2.0")])
def test_spelling(value: Any, text: str) -> None:
    assert spell(value) == text


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_text_is_read_by_the_declared_type(name: str, text: str, value: Any) -> None:
    read = parse(Config, name, text)
    assert read == value
    assert type(read) is type(value)


BAD = [
    ("whole", "2.5", "a whole number"), ("whole", "many", "a whole number"), ("whole", "", "a whole number"),
    ("number", "big", "a number"), ("number", "nan", "a number"),
    ("flag", "maybe", "true | false"), ("flag", "2", "true | false"),
    ("choice", "max", "softmax | exp"), ("choice", "Exp", "softmax | exp"),
    ("maybe", "nothing", "a number or none"),
    ("auto", "automatic", "auto or a number"),
    ("widths", "64,wide", "a comma-separated list of whole numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), BAD)
def test_what_does_not_fit_is_answered_with_what_would(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse(Config, name, text)
    assert str(caught.value) == f"--set {name}={text}: expected {expected}"


def test_the_nearest_word_is_offered_or_else_all_of_them() -> None:
    known = ("temperature", "exp_cap", "z_samples")
    assert nearest("temprature", known) == "did you mean 'temperature'?"
    assert nearest("qqq", known) == "known: exp_cap, temperature, z_samples"


def test_values_are_replaced_in_a_copy_and_checked_again() -> None:
    base = LearnerConfig()
    assert with_values(base, {"batch_size": 64}).batch_size == 64
    assert base.batch_size == 1024
    with pytest.raises(SettingError, match="batch_size=0: must be at least 1"):
        with_values(base, {"batch_size": 0})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": ()}, "hidden"),
        ({"hidden": (64, 0)}, "hidden"),
        ({"discount": 1.0}, "discount"),
        ({"tau": 0.0}, "tau"),
    ],
)
def test_impossible_common_settings_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        LearnerConfig(**values)


def test_descriptions_hold_meaning_and_source() -> None:
    assert describe(Config)["number"] == ("a size", "Paper, Table 2")


def configs() -> dict[str, type[Any]]:
    return {"learner": LearnerConfig, **{name: algos.load(name).Config for name in algos.names()}}


@pytest.mark.parametrize("config", configs().values(), ids=configs())
def test_every_setting_says_what_it_means_where_from_and_can_be_typed(config: type[Any]) -> None:
    for name, (meaning, source) in describe(config).items():
        assert meaning, f"{name} has no meaning"
        assert source, f"{name} has no source"
    for field in dataclasses.fields(config):
        text = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
        assert parse(config, field.name, text) == field.default, field.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().anything = 1


def test_the_defaults_are_table_2_of_the_paper() -> None:
    defaults = LearnerConfig()
    table_2 = {
        "hidden": (256,) * 4,
        "batch_size": 1024,
        "discount": 0.99,
        "policy_lr": 3e-4,
        "critic_lr": 3e-4,
        "policy_weight_decay": 1e-4,
        "tau": 5e-3,
    }
    assert {name: getattr(defaults, name) for name in table_2} == table_2


@pytest.mark.parametrize("name", list(algos.names()))
def test_registry_entries_depart_by_settings_that_exist(name: str) -> None:
    entry = algos.get(name)
    objective, cfg = tiny.objective_and_config(name)
    assert entry.settings.keys() <= get_type_hints(objective.Config).keys()
    assert all(getattr(cfg, key) == value for key, value in entry.settings.items())
    assert objective.name == name
    assert entry.summary
