"""Settings without effect: which they are, against trainings; refused by hand, and said of those who ignore them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import toy_run
from asked import request, resolve
from command import Bench

import algos
from algos.conditions import unread
from algos.settings import FRACTION, POSITIVE, Settings, describe, parse, setting, spell
from suite.experiment.effect import without_effect
from suite.experiment.explain import explained
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.plans import read as plans

TASK = "door-binary"


# the rule, against what trainings record

SHORT = {"value_updates": 2, "policy_updates": 3}  # of AWR
# algorithm, other settings, setting, two values of it
PAIRS: list[tuple[str, dict[str, Any], str, Any, Any]] = [
    ("awr", SHORT, "offline_fraction", "none", 0.5),
    ("awr", SHORT, "critic_lr", 3e-4, 0.5),
    ("awr", SHORT, "q_bound", "target", "none"),
    ("awr", SHORT, "buffer_size", 16, 64),
    ("awr", SHORT, "keep_offline_data", True, False),
    ("awr", {**SHORT, "policy_std": 0.4}, "log_std_range", "none", "-5,2"),
    ("awr", {**SHORT, "policy_std": 0.4}, "std_start", "none", 0.1),
    ("awr", SHORT, "std_start", "none", 0.1),
    ("rwr", {"policy_updates": 3}, "weight_cap", 20.0, 1.5),
    ("rwr", {"policy_updates": 3}, "keep_offline_data", True, False),
    ("ppo", {"start": "scratch", "passes": 1}, "batch_size", 8, 4),
    ("ppo", {"passes": 1}, "batch_size", 8, 4),
    ("ppo", {"passes": 1}, "buffer_size", 16, 64),
    ("bc", {}, "tau", 0.005, 1.0),
    ("bc", {}, "updates_per_step", 0.25, 0.5),
    ("bc", {}, "discount", 0.99, 0.5),
    ("bc", {}, "batch_size", 8, 4),
    ("bc", {}, "steps_per_iteration", 16, 32),
    ("rlpd", {"policy_every": 1}, "offline_updates", 7, 5),
    ("rlpd", {"policy_every": 1}, "offline_fraction", 0.5, "none"),
    ("sac-scratch", {}, "eval_every_offline", 4, 3),
    ("sac-scratch", {}, "q_bound", "target", "none"),
    ("awac", {}, "z_samples", 10, 2),
    ("awac", {"z_estimator": "policy"}, "z_samples", 10, 2),
    ("awac", {}, "exp_cap", 100.0, 0.5),
    ("awac", {"weight_norm": "exp"}, "exp_cap", 100.0, 0.5),
    ("awac", {"online_steps": 0}, "updates_per_step", 0.25, 0.5),
    ("bear", {"vae_hidden": 8}, "online", False, True),
    ("bear", {"vae_hidden": 8, "multiplier": 1.0}, "eps_offline", 0.05, 0.5),
    ("td3-bc", {}, "bc_decay_updates", 100, 2),
    ("td3-bc", {"bc_decay_floor": 0.0}, "bc_decay_updates", 100, 2),
]


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "others", "name", "one", "two"), PAIRS, ids=lambda part: str(part))
def test_a_setting_has_no_effect_where_and_only_where_the_rule_says_so(
    algo: str, others: dict[str, Any], name: str, one: Any, two: Any, tmp_path: Path
) -> None:
    cells = [toy_run.experiment(algo, (0,), **{**others, name: value}) for value in (one, two)]
    assert cells[0].hash != cells[1].hash
    said = {name in without_effect(cell) for cell in cells}
    assert len(said) == 1
    left = [toy_run.train(cell, tmp_path)["metrics.csv"] for cell in cells]
    assert (left[0] == left[1]) is said.pop()


# what a method's own settings say


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    kind: str = setting("soft", "kind", "a test")
    weight: float = setting(0.0, "weight", "a test")
    cap: float | None = setting(None, "cap", "a test", within=FRACTION)
    width: int = setting(1, "width", "a test", only={"kind": ("soft", "hard"), "weight": POSITIVE})
    either: int = setting(1, "either", "a test", only=({"weight": POSITIVE}, {"cap": FRACTION}))


def test_conditions_hold_together_or_in_place_of_each_other() -> None:
    assert unread(Config()).keys() == {"width", "either"}
    assert unread(Config(weight=1.0)) == {}
    assert unread(Config(cap=0.5)).keys() == {"width"}
    assert unread(Config(kind="none", weight=1.0)) == {"width": "read only with kind=soft or hard and weight above 0"}
    assert describe(Config)["either"][0] == "either; read only with weight above 0, or cap in [0, 1]"


@pytest.mark.parametrize("algo", algos.names())
def test_conditions_name_settings_of_the_same_method_and_values_that_they_may_have(algo: str) -> None:
    config = algos.load(algo).Config
    names = {field.name for field in dataclasses.fields(config)}
    for field in dataclasses.fields(config):
        only = field.metadata.get("only")
        for condition in () if only is None else only if isinstance(only, tuple) else (only,):
            assert condition.keys() <= names - {field.name}
            for other, values in condition.items():
                for value in values if isinstance(values, tuple) else ():
                    assert parse(config, other, spell(value)) == value, field.name


# by hand


@pytest.mark.parametrize(
    ("algo", "texts", "why"),
    [
        (
            "awr",
            ["critic_lr=0.5", "tau=1"],
            "--set critic_lr=0.5: none of the chosen algorithms uses 'critic_lr'; awr has",
        ),
        ("awr", ["policy_std=0.4", "log_std_range=-5,2"], "awr as it is set says the deviation of its policy"),
        ("awr", ["policy_std=0.4", "std_start=0.1"], "awr as it is set says the deviation of its policy"),
        ("awac", ["v_samples=2"], "awac: read only with v_estimator=k_mean"),
        ("bear", ["online=true"], "bear: set by the method itself in every phase"),
        ("dapg", ["clone_std=demos", "std_start=0.1"], "starts with the deviation of the demonstrations"),
    ],
)
def test_what_has_no_effect_is_refused_in_a_line(algo: str, texts: list[str], why: str, bench: Bench) -> None:
    words = [word for text in texts for word in ("--set", text)]
    said = bench("run", "--algo", algo, "--env", TASK, "--dry-run", *words)
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("algo", "text", "why"),
    [
        ("bc", "online_steps=2000", "bc does not learn online"),
        ("awr", "offline_fraction=0.5", "stages of awr draw from all of their rows alike"),
        ("sac-scratch", "offline_updates=9", "sac-scratch never sees offline data"),
    ],
)
def test_what_scripts_give_to_one_method_after_another_is_said_to_have_no_effect(
    algo: str, text: str, why: str
) -> None:
    asked = request(algo, TASK, overrides=[text])
    (cell,) = resolve_all(asked)
    assert check_used(asked, [cell]) == [f"--set {text} has no effect; {why}"]
    assert cell.hash == resolve(algo, TASK).hash


def test_of_several_those_that_ignore_it_are_named_and_left_as_they_are() -> None:
    asked = request(("awac", "awr"), TASK, overrides=["offline_fraction=0.5"])
    awac, awr = resolve_all(asked)
    assert awac.protocol.offline_fraction == 0.5
    assert awr.hash == resolve("awr", TASK).hash
    assert awr.request.overrides == (), "a process of its own is not asked for it either"
    assert check_used(asked, [awac, awr]) == [
        "--set offline_fraction=0.5 applies to awac only; stages of awr draw from all of their rows alike"
    ]


def test_one_with_a_reason_is_part_of_a_record_and_stays() -> None:
    asked = request("awr", TASK, overrides=["tau=0.1 # a suite"])
    (cell,) = resolve_all(asked)
    assert cell.settings["tau"] == {"value": 0.1, "source": "--set: a suite"}
    assert check_used(asked, [cell]) == []
    for plan in map(plans.load, plans.names()):
        assert all(departure.override.reason for entry in plan.entries for departure in entry.departures), plan.name


def test_sizes_of_data_have_an_effect_on_those_that_are_counted_in_them() -> None:
    counted = {"demonstrations", "rollouts", "dataset_steps", "dataset_seed"}
    idle = {
        data: counted & without_effect(resolve("awac", "halfcheetah", dataset=data)).keys()
        for data in (None, "medium", "d4rl/halfcheetah-medium-v0")
    }
    assert idle[None] == {"dataset_steps"}
    assert idle["medium"] == {"demonstrations", "rollouts"}
    assert idle["d4rl/halfcheetah-medium-v0"] == counted


def test_presets_profiles_and_tasks_may_set_what_has_no_effect() -> None:
    for algo, preset in (("awr", "official"), ("sac", "official"), ("bc", "paper")):
        cells = resolve_all(request(algo, TASK, preset=preset))
        assert check_used(request(algo, TASK, preset=preset), cells) == []
        assert "tau" in cells[0].settings


def test_what_is_needed_to_resolve_a_contradiction_is_not_refused() -> None:
    for algo, texts in (
        ("cal-ql", ["prior_data=false", "offline_fraction=none"]),
        ("td3-bc", ["prior_data=false", "normalise_obs=false"]),
        ("awac", ["prior_data=warm", "warmup_steps=1000", "online_steps=0"]),
    ):
        asked = request(algo, TASK, overrides=texts)
        assert check_used(asked, resolve_all(asked)) == []


def test_explain_says_what_has_no_effect_and_what_a_setting_is_read_with() -> None:
    meanings = {row["setting"]: row["meaning"] for row in explained(request("awr", TASK))}
    assert meanings["tau"].endswith("(no effect here: awr has no critics)")
    assert meanings["weight_cap"] == "largest imitation weight; read only with baseline=true"
    meanings = {row["setting"]: row["meaning"] for row in explained(request("awac", TASK))}
    assert meanings["z_samples"].endswith("; read only with z_estimator=policy or behaviour (no effect here)")


def test_a_deviation_of_the_methods_own_stands_over_the_learners() -> None:
    for common in ({"log_std_range": (-5.0, 2.0)}, {"std_start": 0.1}):
        learner = tiny.learner("awr", settings={"policy_std": 0.4}, common=common)
        obs = torch.zeros(len(learner.seeds), 1, learner.layout.obs_dim)
        assert learner.nets.policy(obs).std.mean().item() == pytest.approx(0.4, rel=1e-4)
