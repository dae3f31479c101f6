"""Which runs compile their updates: those that are long enough to gain by it, on a CPU that has a compiler."""

from __future__ import annotations

import pytest
from asked import resolve

from suite.experiment import requirements
from suite.experiment.requirements import LONG, compiles


@pytest.fixture(autouse=True)
def with_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "compiler", lambda: "/usr/bin/c++")


def says(algo: str, *overrides: str, profile: str = "quick", device: str = "cpu") -> bool:
    return compiles(resolve(algo, "door-binary", (0,), profile, overrides), device)


def test_long_runs_are_compiled_and_short_ones_are_not() -> None:
    assert says("awac")
    assert says("awac", profile="paper")
    assert not says("awac", profile="smoke")
    at_least = (f"offline_updates={LONG - 1000}", "online_steps=1000")
    assert says("awac", *at_least, "updates_per_step=1")
    assert not says("awac", *at_least, "updates_per_step=0.5")
    assert says("bc", f"offline_updates={LONG}"), "which has no other updates"
    assert not says("bc", f"offline_updates={LONG - 1}")
    assert not says("sac-scratch", f"offline_updates={LONG}", "updates_per_step=0.1"), "which has no offline phase"


def test_of_methods_with_stages_every_stage_has_to_be_long_enough() -> None:
    many = ("online_steps=100000", "steps_per_iteration=1000")
    assert says("awr", *many, "value_updates=100", "policy_updates=100")
    assert not says("awr", *many, "value_updates=99", "policy_updates=5000")


def test_the_setting_says_so_or_not() -> None:
    assert says("awac", "compile=true", profile="smoke")
    assert not says("awac", "compile=false", profile="paper")
    assert resolve("awac", "door-binary", (0,)).settings["compile"]["value"] == "auto"


def test_without_a_compiler_or_on_a_gpu_auto_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not says("awac", device="cuda"), "which replays its updates as a graph"
    monkeypatch.setattr(requirements, "compiler", lambda: None)
    assert not says("awac")
