"""Search spaces: every method has one of its own, and whatever is drawn from it can be run."""

from __future__ import annotations

import random
from typing import Any

import pytest
from asked import request

import algos
from algos.settings import SettingError, check_range, spell
from algos.space import SHARED, Choice, Space, Span
from envs import tasks
from suite.experiment.resolve import resolve_all, setting_owners
from suite.tune.plan import Plan
from suite.tune.space import Searched, space_of

EVERY = pytest.mark.parametrize("algo", sorted(algos.ALGOS))
TASKS = ("door-binary", "walker2d", "sawyer-push", "antmaze-umaze")


def space(algo: str, env: str = "door-binary", *search: str, overrides: tuple[str, ...] = ()) -> Space:
    cells = resolve_all(request(algo, env, overrides=overrides))
    return space_of(cells, [Searched.parse(text) for text in search])


def drawn(domain: Span | Choice, draw: random.Random) -> Any:
    return draw.uniform(domain.low, domain.high) if isinstance(domain, Span) else draw.choice(domain.values)


def test_there_are_as_many_methods_as_the_registry_names() -> None:
    assert len(algos.ALGOS) == 36


@EVERY
def test_a_method_has_a_space_of_its_own_beside_the_shared_one(algo: str) -> None:
    found = space(algo)
    assert {"policy_lr", "batch_size"} <= found.keys()
    assert found.keys() - SHARED.keys() == algos.load(algo).space.keys() != set()


@EVERY
def test_ends_and_choices_are_values_that_a_setting_may_have(algo: str) -> None:
    objective = algos.load(algo)
    owners = setting_owners(objective)
    for name, domain in {**SHARED, **objective.space}.items():
        for value in (domain.low, domain.high) if isinstance(domain, Span) else domain.values:
            check_range(owners[name], name, value)


@EVERY
def test_whatever_is_drawn_from_a_space_can_be_run(algo: str) -> None:
    """No two settings of a space contradict each other, on no task that the method takes."""
    draw = random.Random(0)
    for env in TASKS:
        plan = Plan(request(algo, env), {algo: space(algo, env)}, 5, {}, "end", True, 4, "tpe", 0)
        for number in range(1, 9):
            values = {name: drawn(domain, draw) for name, domain in plan.spaces[algo].items()}
            (cell,) = plan.cells(algo, number, {name: spell(value) for name, value in values.items()})
            assert {name: cell.settings[name]["value"] for name in values} == values
            assert cell.settings["policy_lr"]["source"] == f"--set: trial {number}"


@EVERY
def test_what_the_registry_makes_a_method_of_is_not_searched(algo: str) -> None:
    """But for Cal-QL's weights, whose values the entry takes from its authors' scale."""
    fixed = {*algos.get(algo).settings} & {*algos.load(algo).space}
    assert fixed <= {"conservative_weight", "conservative_temperature", "eps_online"}


@EVERY
def test_defaults_of_the_quick_profile_are_inside(algo: str) -> None:
    """Else the sampler would not see the first trial, which is the method as it stands."""
    for env in ("door-binary", "walker2d"):
        (cell,) = resolve_all(request(algo, env))
        assert all(cell.settings[name]["value"] in domain for name, domain in space(algo, env).items())


def test_a_method_without_critics_is_not_asked_for_their_step_size() -> None:
    assert not {"critic_lr", "tau"} & space("bc").keys()
    assert {"critic_lr", "tau"} <= space("awac").keys()


def test_what_is_set_is_not_searched() -> None:
    assert "tau" not in space("awac", overrides=("tau=0.01",))
    assert "temperature" not in space("awac", overrides=("awac.temperature=1",))
    with pytest.raises(SettingError, match="nothing is left to search of awac"):
        space("awac", "door-binary", "tau", overrides=("tau=0.01",))


def test_a_setting_without_meaning_on_the_task_is_not_searched() -> None:
    assert tasks.get("sawyer-push").goal is not None
    assert "her_future" in space("awac", "sawyer-push", "her_future=0..1", "tau")
    assert "her_future" not in space("awac", "door-binary", "her_future=0..1", "tau")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("temperature=0.05..5:log", Span(0.05, 5, log=True)),
        ("temperature=0.5..5", Span(0.5, 5)),
        ("awac.temperature=0.5,1", Choice((0.5, 1.0))),
        ("advantage_clip=none,0.5", Choice((None, 0.5))),
        ("batch_size=64,128", Choice((64, 128))),
        ("temperature", algos.load("awac").space["temperature"]),
    ],
)
def test_what_is_searched_may_be_said(text: str, domain: Span | Choice) -> None:
    name = text.partition("=")[0].rpartition(".")[2]
    assert space("awac", "door-binary", text) == {name: domain}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("temperature=5..0.5", "a span rises"),
        ("temperature=-1..1", "must be above 0"),
        ("temperature=0..1:log", "begins above 0"),
        ("temperature=0.1..1:lin", "ends in :log"),
        ("temperature=", "write name"),
        ("batch_size=64..128", "name the values"),
        ("batch_size=64,many", "expected"),
        ("awak.temperature", "did you mean 'awac'"),
    ],
)
def test_what_cannot_be_searched_is_said_in_a_line(text: str, why: str) -> None:
    with pytest.raises(SettingError, match=why) as refused:
        space("awac", "door-binary", text)
    assert "\n" not in str(refused.value)


def test_a_span_holds_its_ends_and_no_truth_values() -> None:
    span = Span(0, 1)
    assert all(value in span for value in (0, 0.5, 1))
    assert not any(value in span for value in (1.1, None, "auto", True))
