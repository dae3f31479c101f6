"""A whole run on a pretended accelerator leaves what one on the CPU does; see `pretend`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pretend
import pytest
import torch
import toy_run

from suite.train.hardware import Hardware
from suite.train.protocol import Runner


@dataclass(frozen=True)
class There(Hardware):
    """One thread, and the pretended device."""

    threads: int | None = 1
    workers: int | None = 0

    def torch_device(self) -> torch.device:
        return torch.device(pretend.NAME, 0)


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    with toy_run.registered():
        yield


def methods() -> list[Any]:
    """Two of them, and slow ones that differ in what they need."""
    slow = ("sac", "algae-dice", "bear", "fql", "iql", "wsrl")
    return ["awac", "awr", *(pytest.param(algo, marks=pytest.mark.slow) for algo in slow)]


@pytest.mark.parametrize("algo", methods())
def test_a_run_leaves_the_bytes_of_one_on_the_cpu(algo: str, tmp_path: Path) -> None:
    """Scores, logged metrics and policies."""
    cell = toy_run.experiment(algo, normalise_obs="true")
    here = toy_run.train(cell, tmp_path / "here")
    with pretend.device():
        there = toy_run.train(cell, tmp_path / "there", There())
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert len(here) > 1


def test_a_run_that_was_killed_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = toy_run.experiment("awac", reset_at_switch="optimisers")
    whole = toy_run.train(cell, tmp_path / "whole")
    own, left = Runner._evaluate_if_due, iter(range(4))

    def killed(self: Runner) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        own(self)

    with pretend.device():
        monkeypatch.setattr(Runner, "_evaluate_if_due", killed)
        with pytest.raises(KeyboardInterrupt):
            toy_run.train(cell, tmp_path / "killed", There())
        monkeypatch.setattr(Runner, "_evaluate_if_due", own)
        assert toy_run.train(cell, tmp_path / "killed", There()) == whole
