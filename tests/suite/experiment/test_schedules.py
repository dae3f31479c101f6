"""Schedules keep their share of a phase that a profile or an override makes shorter."""

from __future__ import annotations

import pytest
from asked import resolve

from suite.experiment.experiment import Experiment

TASK = "door-binary"


def setting(experiment: Experiment, name: str) -> tuple[object, str]:
    found = experiment.settings[name]
    return found["value"], found["source"]


def test_published_sizes_have_published_schedules() -> None:
    assert setting(resolve("bear", TASK, profile="paper"), "warm_start")[0] == 20_000
    official = resolve("bear", TASK, profile="paper", preset="official")
    assert (official.protocol.offline_updates, official.cfg.warm_start) == (1_000_000, 20_000)


@pytest.mark.parametrize(
    ("algo", "preset", "name", "share"),
    [
        ("bear", "paper", "warm_start", 20_000 / 25_000),
        ("bear", "official", "warm_start", 20_000 / 1_000_000),
        ("cql", "official", "policy_bc_steps", 40_000 / 3_000_000),
        ("brac", "official", "warm_start", 20_000 / 500_000),
    ],
)
def test_an_offline_schedule_keeps_its_share_of_the_phase(algo: str, preset: str, name: str, share: float) -> None:
    quick = resolve(algo, TASK, profile="quick", preset=preset)
    assert getattr(quick.cfg, name) == max(1, round(share * quick.protocol.offline_updates))
    assert setting(quick, name)[1].endswith("here of 5,000")


def test_online_schedules_count_updates_or_steps_of_the_phase() -> None:
    quick = resolve("rebrac", TASK, profile="quick")
    assert quick.cfg.bc_decay_updates == round(1_000_000 * 20_000 / 800_000)
    td3 = resolve("td3", "halfcheetah", profile="quick", preset="official")
    assert td3.protocol.warmup_steps == round(25_000 * 20_000 / 500_000)


def test_a_factor_per_iteration_ends_where_it_would_have_ended() -> None:
    paper, quick = (resolve("dapg", TASK, profile=profile) for profile in ("paper", "quick"))
    ends = [e.cfg.demo_decay ** (e.protocol.online_steps / e.protocol.steps_per_iteration) for e in (paper, quick)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


def test_what_is_set_by_hand_is_left_alone_also_where_it_is_the_default() -> None:
    assert setting(resolve("bear", TASK, overrides=["warm_start=20000"]), "warm_start") == (20_000, "--set")
    longer = resolve("bear", TASK, profile="paper", overrides=["offline_updates=50000"])
    assert setting(longer, "warm_start")[0] == 40_000
    assert resolve("bear", TASK, overrides=["offline_updates=0"]).cfg.warm_start == 20_000, "there is no phase"
