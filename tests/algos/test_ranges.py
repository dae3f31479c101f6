"""Ranges of settings: in every class each number has one, and what lies outside is refused in the same words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import tiny

import algos
from algos.contract import LearnerConfig
from algos.settings import (
    AT_LEAST_ONE,
    FINITE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_OR_INF,
    Interval,
    SettingError,
    Settings,
    allowed,
    parse,
    setting,
)
from suite.experiment.experiment import Protocol

ENTRIES = {algos.get(name).module.rpartition(".")[2]: name for name in reversed(algos.names())}  # the first of each
CLASSES: dict[str, type[Any]] = {
    "learner": LearnerConfig,
    "protocol": Protocol,
    **{module: algos.load(name).Config for module, name in ENTRIES.items()},
}


def kinds(declared: Any) -> list[Any]:
    """The types of a union's parts, and of a tuple's entries."""
    if get_origin(declared) in (Union, UnionType, tuple):
        return [kind for part in get_args(declared) for kind in kinds(part)]
    return [declared]


def numbers() -> Iterator[tuple[str, str, Interval | None]]:
    """(class, setting, interval) of every setting that may be a number."""
    for module, config in CLASSES.items():
        declared = get_type_hints(config)
        for field in dataclasses.fields(config):
            if {int, float} & set(kinds(declared[field.name])):
                yield module, field.name, field.metadata["within"]


NUMBERS = list(numbers())


def said(module: str, name: str, number: Any) -> str:
    """Why this number, in a tuple where the setting is one, is out of range; empty where it is not."""
    config = CLASSES[module]
    declared = get_type_hints(config)[name]
    several = tuple in map(get_origin, (declared, *get_args(declared)))
    value = (64, number) if several else number
    try:
        config(**{name: value})
    except SettingError as error:
        start, _, words = str(error).partition(": ")
        return words if start == f"{name}={value}" and words.startswith("must be ") else ""
    return ""


# every class


@pytest.mark.parametrize(("module", "name", "within"), NUMBERS)
def test_every_number_has_a_range_whose_borders_hold(module: str, name: str, within: Interval | None) -> None:
    assert within is not None, "declare what this setting may be"
    config = CLASSES[module]
    whole = int in kinds(get_type_hints(config)[name])
    for end, bracket, outward in ((within.low, within.ends[0], -math.inf), (within.high, within.ends[1], math.inf)):
        assert bool(said(module, name, end)) == (bracket in "()")
        if math.isinf(end):
            assert not said(module, name, math.copysign(1e9, outward))
        else:
            inside = end - math.copysign(1, outward) if whole else math.nextafter(end, -outward)
            outside = end + math.copysign(1, outward) if whole else math.nextafter(end, outward)
            assert not said(module, name, inside)
            words = f"must be {allowed(config)[name].removesuffix(', up to inf')}"
            note = f"; {within.note}" if within.note else ""
            assert said(module, name, outside) == words + note
    assert said(module, name, math.nan).startswith(f"must be {allowed(config)[name].replace(', up to inf', '')}")


def test_what_is_no_number_has_no_range() -> None:
    ranged = {(module, name) for module, name, _ in NUMBERS}
    for module, config in CLASSES.items():
        for field in dataclasses.fields(config):
            assert field.metadata["within"] is None or (module, field.name) in ranged


# class -> settings -> values that each of them refused when every class still spelled its checks out
ABOVE_0, FROM_0, FROM_1, SHARE = (0, -1), (-1,), (0, -1), (-0.1, 1.1)
HELD: dict[str, dict[str, tuple[float, ...]]] = {
    "learner": {"hidden batch_size": FROM_1, "policy_lr critic_lr": ABOVE_0, "policy_weight_decay": FROM_0,
                "discount": (-0.1, 1.0), "tau": (0.0, 1.1)},
    "protocol": {
        "steps_per_iteration eval_every_offline eval_every_online eval_episodes buffer_size dataset_steps": FROM_1,
        "offline_updates online_steps warmup_steps updates_per_step demonstrations rollouts": FROM_0,
        "updates_per_step": (math.inf, -math.inf), "offline_fraction her_future": SHARE,
    },
    "abm": {"temperature": ABOVE_0, "prior_samples": FROM_1},
    "algae_dice": {"exponent": (1.0, 0.5), "dice_alpha orthogonality alpha": FROM_0, "online_share": SHARE,
                   "policy_every initial_batch": FROM_1},
    "awac": {"temperature exp_cap": ABOVE_0, "v_samples z_samples": FROM_1},
    "awr": {"temperature weight_cap value_lr policy_std": ABOVE_0, "td_lambda": SHARE,
            "value_updates policy_updates replay_size": FROM_1, "momentum": (-0.1, 1.0)},
    "bc": {},
    "bcq": {"phi": FROM_0, "target_candidates act_candidates": FROM_1, "target_min_weight": SHARE, "vae_lr": ABOVE_0},
    "bear": {"eps_offline eps_online": (0.001, 0.0, -1.0), "multiplier warm_start": FROM_0, "target_min_weight": SHARE,
             "multiplier_lr mmd_sigma vae_lr noise_clip": ABOVE_0,
             "mmd_samples target_candidates act_candidates": FROM_1},
    "brac": {"alpha penalty_weight warm_start": FROM_0, "temperature value_penalty_max": ABOVE_0,
             "divergence_samples": FROM_1},
    "cql": {"conservative_weight online_weight policy_bc_steps alpha": FROM_0,
            "conservative_samples backup_samples": FROM_1},
    "dapg": {"step_size damping value_lr": ABOVE_0, "demo_weight value_weight_decay": FROM_0,
             "demo_decay gae_lambda": SHARE, "cg_iterations value_passes value_batch": FROM_1},
    "fql": {"distil_weight": FROM_0, "flow_steps": FROM_1},
    "iql": {"expectile": (0.0, 1.0), "inverse_temperature": FROM_0, "weight_cap": ABOVE_0},
    "marwil": {"beta": FROM_0, "scale_start weight_cap": ABOVE_0, "scale_rate": SHARE, "updates": FROM_1},
    "mpo": {"temperature eps eps_mean eps_std eps_penalty dual_lr": ABOVE_0, "samples": FROM_1},
    "ppo": {"clip max_grad_norm": ABOVE_0, "passes minibatch": FROM_1, "gae_lambda": SHARE},
    "rebrac": {"actor_bc_weight critic_bc_weight online_critic_bc_weight target_noise exploration_noise": FROM_0,
               "bc_decay_floor": SHARE, "bc_decay_updates policy_every": FROM_1, "target_noise_clip": ABOVE_0},
    "rlpd": {"subset critics policy_every": FROM_1, "alpha": FROM_0},
    "sac": {"alpha": FROM_0, "demo_batch": FROM_1},
    "sac_bc": {"bc_weight alpha": FROM_0, "demo_batch": FROM_1},
    "spot": {"support_weight target_noise exploration_noise": FROM_0, "support_decay_floor": SHARE,
             "support_decay_updates policy_every vae_hidden": FROM_1, "vae_lr target_noise_clip": ABOVE_0},
    "td3": {"critics policy_every": FROM_1, "target_noise exploration_noise": FROM_0, "target_noise_clip": ABOVE_0},
    "td3_bc": {"q_weight target_noise exploration_noise": FROM_0, "bc_decay_floor": SHARE,
               "bc_decay_updates policy_every": FROM_1, "target_noise_clip": ABOVE_0},
    "trpo": {"max_kl damping": ABOVE_0, "cg_iterations backtracks value_passes value_batch": FROM_1,
             "gae_lambda": SHARE},
    "wsrl": {"critics subset policy_every conservative_samples backup_samples online_backup_samples": FROM_1,
             "conservative_weight lagrange_gap alpha": FROM_0, "conservative_temperature": ABOVE_0},
    "xql": {"beta max_clip huber_delta weight_cap": ABOVE_0, "inverse_temperature": FROM_0},
}  # fmt: skip


def test_the_table_knows_every_class() -> None:
    assert HELD.keys() == CLASSES.keys()


@pytest.mark.parametrize("module", CLASSES)
def test_what_was_refused_before_ranges_were_declared_still_is(module: str) -> None:
    for names, values in HELD[module].items():
        for name in names.split():
            for value in values:
                assert said(module, name, value), f"{name}={value}"


UNBOUNDED = [(module, name) for module, name, within in NUMBERS if within is not None and math.inf in within]
WITH = {"exp_cap": {"weight_norm": "exp"}, "brac temperature": {"mode": "reward_awac"}, "clip": {"clip_value": True}}


@pytest.mark.parametrize(("module", "name"), UNBOUNDED)
def test_an_update_stays_finite_where_infinity_is_allowed(module: str, name: str) -> None:
    entry = ENTRIES[module]
    more = WITH.get(name) or WITH.get(f"{module} {name}") or {}
    for phase in tiny.phases(entry):
        made = tiny.learner(entry, phase=phase, settings={name: math.inf, **more})
        made.run(3)
        assert made.finite().all()


# the words


@pytest.mark.parametrize(
    ("interval", "words", "inside", "outside"),
    [
        (POSITIVE, "above 0", (5e-324, 1, 1e308), (0, -1, math.inf)),
        (POSITIVE_OR_INF, "above 0, up to inf", (5e-324, math.inf), (0, -1, -math.inf)),
        (NOT_NEGATIVE, "at least 0", (0, 3), (-5e-324, math.inf)),
        (AT_LEAST_ONE, "at least 1", (1, 2), (0, 0.5, math.inf)),
        (FRACTION, "in [0, 1]", (0, 0.5, 1), (-0.1, 1.1, math.inf)),
        (FINITE, "a number", (-1e308, 0, 1e308), (math.inf, -math.inf)),
        (Interval(0, 1, "[)"), "in [0, 1)", (0, 0.999), (-0.1, 1)),
        (Interval(0, 1, "(]"), "in (0, 1]", (0.001, 1), (0, 1.1)),
        (Interval(0.001, ends="()"), "above 0.001", (0.0011,), (0.001,)),
    ],
)
def test_what_an_interval_holds_and_says(
    interval: Interval, words: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    assert str(interval) == words
    assert [number in interval for number in inside] == [True] * len(inside)
    assert [number in interval for number in (*outside, math.nan)] == [False] * (len(outside) + 1)


@dataclasses.dataclass(frozen=True)
class Own(Settings):
    size: int = setting(1, "a count", within=AT_LEAST_ONE)
    share: float | None = setting(None, "a share, or none", within=FRACTION)
    weight: Literal["auto"] | float = setting("auto", "auto, or a weight", within=NOT_NEGATIVE)
    aim: float | None = setting(None, "anything", within=FINITE)
    widths: tuple[int, ...] = setting((4, 4), "sizes", within=AT_LEAST_ONE)
    cap: float = setting(1.0, "a cap", within=Interval(0, math.inf, "(]", "size=1 is none"))
    switch: bool = setting(True, "a switch")
    choice: Literal["one", "two"] = setting("one", "a choice")
    parts: tuple[str, ...] = setting((), "some parts")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size=0: must be at least 1"),
        ({"size": np.int64(0)}, "size=0: must be at least 1"),
        ({"share": 1.5}, "share=1.5: must be in [0, 1] or none"),
        ({"weight": -0.5}, "weight=-0.5: must be auto or at least 0"),
        ({"weight": math.inf}, "weight=inf: must be auto or at least 0, and finite"),
        ({"aim": math.nan}, "aim=nan: must be a number or none, and finite"),
        ({"widths": (4, 0)}, "widths=(4, 0): must be at least 1 in every entry"),
        ({"cap": 0.0}, "cap=0.0: must be above 0; size=1 is none"),
    ],
)
def test_a_number_out_of_range_is_answered_with_the_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Own(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "expected"), [("share", "a finite number or none"), ("cap", "a number or inf"), ("size", "a whole number")]
)
def test_what_is_no_number_is_answered_with_whether_it_may_be_infinite(name: str, expected: str) -> None:
    with pytest.raises(SettingError, match=f"--set {name}=nan: expected {expected}$"):
        parse(Own, name, "nan")


def test_words_and_none_are_let_through_beside_a_range() -> None:
    assert Own(share=None, weight="auto", aim=None, cap=math.inf) == Own(cap=math.inf)


def test_what_every_setting_may_be_in_words() -> None:
    assert allowed(Own) == {
        "size": "at least 1",
        "share": "in [0, 1] or none",
        "weight": "auto or at least 0",
        "aim": "a number or none",
        "widths": "at least 1 in every entry",
        "cap": "above 0, up to inf",
        "switch": "true | false",
        "choice": "one | two",
        "parts": "a comma-separated list of words",
    }
