"""Requests and overrides: read once from a command line, and spelled again as one that reads the same."""

from __future__ import annotations

import random
from typing import Any

import pytest
from asked import resolve

import algos
from algos.settings import SettingError
from envs.tasks import TASKS
from suite.experiment.request import Override, Request, spell_seeds


@pytest.mark.parametrize(
    ("text", "override"),
    [
        ("tau=0.1", Override("tau", "0.1")),
        (" tau = 0.1 ", Override("tau", "0.1")),
        ("awac.tau=0.1", Override("tau", "0.1", owner="awac")),
        ("hidden=8,8", Override("hidden", "8,8")),
        ("tau=0.1 # faster # targets", Override("tau", "0.1", reason="faster # targets")),
        ("name=a=b", Override("name", "a=b")),
    ],
)
def test_an_override_is_read_once_and_spelled_the_same(text: str, override: Override) -> None:
    assert Override.parse(text) == override
    assert Override.parse(str(override)) == override


@pytest.mark.parametrize(
    ("text", "why"),
    [("tau", "--set tau: write name=value"), ("awak.tau=1", "unknown algorithm 'awak'; did you mean 'awac'?")],
)
def test_an_override_of_another_form_is_refused(text: str, why: str) -> None:
    with pytest.raises(SettingError) as refused:
        Override.parse(text)
    assert str(refused.value).startswith(why)


def read_again(words: list[str]) -> Request:
    """The request that a command line of these words makes, by the options of `bench run` and nothing else."""
    assert words[0] == "run"
    given: dict[str, Any] = {"set_": []}
    for flag, word in zip(words[1::2], words[2::2], strict=True):
        if flag == "--set":
            given["set_"].append(word)
        else:
            given[flag.removeprefix("--")] = word
    return Request.parse(**given)


@pytest.mark.parametrize("seed", range(20))
def test_words_of_a_request_ask_for_it_again(seed: int) -> None:
    rng = random.Random(seed)
    seeds = rng.sample(range(9), rng.randint(1, 4)) if seed % 2 else range(rng.randint(1, 5))
    request = Request(
        algos=tuple(rng.sample(list(algos.names()), rng.randint(1, 3))),
        tasks=tuple(rng.sample(list(TASKS), rng.randint(1, 3))),
        seeds=tuple(seeds),
        profile=rng.choice(["paper", "quick", "smoke"]),
        preset=rng.choice(["paper", "official"]),
        name=rng.choice([None, "mine"]),
        dataset=rng.choice([None, "human", "D4RL/door/human-v2"]),
        overrides=tuple(
            Override(rng.choice(["tau", "hidden"]), rng.choice(["0.1", "8,8"]), rng.choice(["", "awac"]), reason)
            for reason in rng.sample(["", "why not", "a # b"], rng.randint(0, 3))
        ),
    )
    assert read_again(request.words()) == request
    assert spell_seeds(request.seeds) == request.words()[6]


def test_an_experiment_asks_for_itself_again() -> None:
    experiment = resolve("awac", "door-binary", (3,), "smoke", ["tau=0.1 # faster", "bc.source=demos", "bc_weight=2"])
    assert [str(override) for override in experiment.overrides] == ["tau=0.1 # faster"]
    request = read_again(experiment.request.words())
    again = resolve(request.algos[0], request.tasks[0], request.seeds, request.profile, map(str, request.overrides))
    assert (again.hash, again.settings) == (experiment.hash, experiment.settings)


def test_names_that_mean_the_same_are_one() -> None:
    one = Request.parse(algo="awac, awac", env="door-binary,door-binary-v0", seeds="2", dataset="default")
    assert (one.algos, one.tasks, one.dataset) == (("awac",), ("door-binary-v0",), None)
    assert [cell.tasks for cell in Request.parse(algo="awac,bc", env="door-binary,pen-binary", seeds="1").cells()] == [
        ("door-binary-v0",),
        ("door-binary-v0",),
        ("pen-binary-v0",),
        ("pen-binary-v0",),
    ]
    with pytest.raises(SettingError, match="must each name at least one"):
        Request.parse(algo=",", env="door-binary", seeds="1")
