"""Loading a method: what its module must define, and that a misspelt hook is refused instead of never called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import algos
from algos.contract import ARGUMENTS, HOOKS, OPTIONAL_HOOKS, Objective
from algos.settings import SettingError

MODULE = '''
from dataclasses import dataclass

from algos.contract import Needs, row_mean
from algos.settings import Settings

METRICS = {"theirs": "a metric of their own"}


@dataclass(frozen=True)
class Config(Settings):
    """No settings."""


def needs(cfg):
    return Needs()


def actor_loss(cfg, nets, step):
    return -row_mean(step.dist.log_prob(step.batch.action)), {}
'''
Load = Callable[[str], Objective]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads a method from the text of its module, which an installed package offers as `theirs`."""
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[bench.algos]\ntheirs = their_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def loaded(text: str) -> Objective:
        (tmp_path / "their_module.py").write_text(text)
        return algos.load("theirs")

    yield loaded
    sys.modules.pop("their_module", None)


def with_function(name: str, listed: tuple[str, ...] = ()) -> str:
    """The module with a function of this name, and with a list of what is for others."""
    return f"{MODULE}\n\ndef {name}(*arguments):\n    return None\n\n\n__all__ = {listed!r}\n"


def test_a_packages_module_is_loaded_with_its_hooks_and_the_defaults_of_the_rest(load: Load) -> None:
    found = load(with_function("critic_penalty"))
    assert (found.name, found.summary) == ("theirs", "from their-package")
    assert found.critic_penalty is sys.modules["their_module"].critic_penalty
    assert found.td_target is Objective.td_target
    assert found.metrics == {"theirs": "a metric of their own"}


@pytest.mark.parametrize("hook", OPTIONAL_HOOKS)
def test_every_optional_hook_is_taken_from_the_module(load: Load, hook: str) -> None:
    found = getattr(load(with_function(hook)), hook)
    assert found is getattr(sys.modules["their_module"], hook)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_must_be_there_is_asked_for(load: Load, hook: str) -> None:
    kind = "class" if hook == "Config" else "def"
    with pytest.raises(SettingError, match=f"algorithm 'theirs': their_module does not define {hook}$"):
        load(MODULE.replace(f"{kind} {hook}", f"{kind} _{hook}_elsewhere"))


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "Config"])
def test_a_misspelt_hook_that_must_be_there_is_pointed_at(load: Load, hook: str) -> None:
    misspelt = hook[:-1]
    with pytest.raises(SettingError, match=f"does not define {hook}; is '{misspelt}' meant to be it?"):
        load(MODULE.replace(f"def {hook}", f"def {misspelt}"))


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("critic_penalti", "critic_penalty"),
        ("auxiliary_loss", "auxiliary_losses"),
        ("td_targets", "td_target"),
        ("stage", "stages"),
        ("actor_losses", "actor_loss"),
    ],
)
def test_a_misspelt_hook_is_refused_with_its_name_also_where_it_is_listed_for_others(
    load: Load, misspelt: str, meant: str, listed: bool
) -> None:
    with pytest.raises(SettingError, match=rf"their_module\.{misspelt} is not a hook; did you mean '{meant}'\?"):
        load(with_function(misspelt, (misspelt,) if listed else ()))


def test_a_public_helper_that_is_not_listed_for_others_is_refused_with_the_hooks(load: Load) -> None:
    with pytest.raises(
        SettingError, match=r"smoothed is not a hook; hooks are act, actor_loss, .*The name of a helper"
    ):
        load(with_function("smoothed"))


def test_a_helper_is_private_or_listed_for_others(load: Load) -> None:
    found = load(with_function("_smoothed"))
    assert found.actor_loss is sys.modules["their_module"].actor_loss


def test_a_helper_that_is_listed_for_others_is_taken(load: Load) -> None:
    found = load(with_function("smoothed", ("smoothed",)))
    assert found.actor_loss is sys.modules["their_module"].actor_loss


def test_what_a_module_imports_is_not_taken_for_a_hook(load: Load) -> None:
    found = load(f"from algos.contract import bellman, effective_sample_size\n{MODULE}")
    assert found.td_target is Objective.td_target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", r"their_module cannot be imported \(ModuleNotFoundError: No module named 'no_such_"),
        ("def (", r"cannot be imported \(SyntaxError: .*their_module\.py, line 1\)\)$"),
        (
            "\n1 / 0",
            r"'theirs' from their-package: .*ZeroDivisionError: division by zero, .*their_module\.py, line 2\)$",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_the_place_and_hides_no_other(
    load: Load, text: str, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        load(text)
    assert [found.name for found in algos.usable()] == [name for name in algos.names() if name != "theirs"]


@pytest.mark.parametrize(
    ("mine", "given"),
    [
        ("critic_penalty(cfg, nets, step)", r"\(cfg, nets, step, q\)"),
        ("td_target(cfg, nets, step, next_dist, more)", r"\(cfg, nets, step, next_dist\)"),
        ("act(cfg, nets, obs, *, noise)", r"\(cfg, nets, obs, noise\)"),
    ],
)
def test_a_hook_that_takes_other_arguments_is_refused_before_a_run(load: Load, mine: str, given: str) -> None:
    with pytest.raises(SettingError, match=rf"their_module\.\w+\(.*\) cannot be called: it is given {given}"):
        load(f"{MODULE}\n\ndef {mine}:\n    return None\n")


def test_a_hook_may_name_its_arguments_as_it_likes_and_have_more_with_defaults(load: Load) -> None:
    assert load(f"{MODULE}\n\ndef critic_penalty(c, n, s, q, scale=1.0):\n    return None\n")


def test_the_hooks_are_the_fields_of_an_objective_that_are_called() -> None:
    assert HOOKS == ("Config", "needs", "actor_loss")
    assert {*HOOKS, *OPTIONAL_HOOKS} | {"name", "summary", "settings", "metrics", "presets", "space"} == set(
        Objective.__dataclass_fields__
    )
    assert all(callable(getattr(Objective, hook)) for hook in OPTIONAL_HOOKS)


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "suite/new/algorithm/module.py.j2"])
def test_every_optional_hook_is_named_where_a_method_is_written(document: str) -> None:
    text = (Path(__file__).parents[2] / document).read_text()
    assert not [hook for hook in OPTIONAL_HOOKS if f"`{hook}`" not in text]


def test_the_page_on_adding_one_says_what_each_hook_is_called_with() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-algorithm.md").read_text()
    said = [f"`{hook}({', '.join(arguments)})`" for hook, arguments in ARGUMENTS.items()]
    assert {*ARGUMENTS} == {*HOOKS, *OPTIONAL_HOOKS} - {"Config"}
    assert not [line for line in said if line not in page]


@pytest.mark.parametrize("name", list(algos.names()))
def test_every_entry_is_loaded(name: str) -> None:
    found = algos.load(name)
    assert (found.name, found.summary) == (name, algos.get(name).summary)
    assert found.default_needs
