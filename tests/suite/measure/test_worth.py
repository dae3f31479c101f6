"""Table 3: scores of random actions, the expert and clones of the data, beside printed ones."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_data
from command import Bench

import algos
from algos.networks.policies import GaussianPolicy
from algos.networks.policy_file import load_policy
from envs import tasks
from suite.recipes import experts as distill
from suite.recipes import policies
from suite.record.metrics import of_mean, of_share, shown
from suite.record.papers import printed


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    yield from toy_data.isolated(tmp_path, monkeypatch)


@pytest.mark.parametrize(("hits", "count"), [(0, 20), (3, 20), (20, 20), (50, 100)])
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int) -> None:
    """Its limits are the shares whose own deviation puts what was seen 1.96 deviations away (Wilson 1927)."""
    share = hits / count
    for limit in of_share(share, count):
        away = abs(share - limit) / max(1e-12, math.sqrt(limit * (1 - limit) / count))
        assert away == pytest.approx(1.96, abs=1e-3) or limit == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (5, 2.776), (50, 2.0096), (100_000, 1.96)])
def test_the_interval_of_a_mean_is_students(count: int, quantile: float) -> None:
    """Quantiles as printed in tables of t."""
    half = quantile * 2.0 / math.sqrt(count)
    assert of_mean(-3.0, 2.0, count) == pytest.approx((-3.0 - half, -3.0 + half), rel=1e-3)


def test_one_value_has_no_interval() -> None:
    assert all(math.isnan(limit) for limit in of_mean(1.0, 0.0, 1))


def test_a_score_is_shown_with_the_interval_of_its_unit() -> None:
    """Wilson's of 15 of 20, from the formula; Student's of 5 values, 2.776 deviations of the mean each way."""
    assert shown("success", 0.75, 9.9, 20) == (0.75, "0.53 to 0.89")
    half = 2.776 * 30 / math.sqrt(5)
    assert shown("return", -1234.567, 30.0, 5) == (-1234.6, f"{-1234.567 - half:.0f} to {-1234.567 + half:.0f}")
    assert shown("return", 7.0, 0.0, 1) == (7.0, "-")


def worth(env: str, *more: str) -> list[str]:
    return [*f"data worth --env {env} --profile smoke --workers 0 --threads 1 --json".split(), *more]


def test_printed_numbers_are_of_our_tasks_and_metrics() -> None:
    rows = printed()
    assert {r.task for r in rows} <= set(tasks.TASKS)
    for r in rows:
        task = tasks.get(r.task)
        measured = {task.headline, *(["normalized_score"] if task.anchors else [])}
        shares = {"success", "success_any"} if r.at == "regret" and task.success is not None else set()
        assert r.metric in measured | shares, r
        assert r.what in {"expert", *algos.names()}, r
        assert r.share_of in ("", "success"), r
        assert r.at in ("switch", "final", "best", "regret"), r
    assert [(r.what, r.value) for r in printed("AWAC Table 3", "pen-binary-v0")] == [
        ("expert", 1.0),
        ("bc-demos", 0.73),
        ("bc", 0.76),
    ]
    assert not printed("AWAC Table 9")


def test_the_table_scores_data_between_random_actions_and_the_expert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = dataclasses.replace(tasks.get("point-reach"), d4rl_anchors=(-7.0, -5.0))
    monkeypatch.setitem(tasks.TASKS, "point-reach-v0", short)
    arguments = worth("point-reach", "--seeds", "2", "--episodes", "4")
    said = bench(*arguments)
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    assert [(r["what"], r["seed"]) for r in rows] == [
        ("random actions", "-"),
        ("expert", "-"),
        ("bc-demos", 0),
        ("bc-demos", 1),
        ("bc", 0),
        ("bc", 1),
    ]
    random, expert = (row["score"] for row in rows[:2])
    assert random < expert
    assert [row["D4RL"] for row in rows[:3]] == ["-7", "-5", "-"]
    policy, _ = load_policy(list(tmp_path.glob("worth/point-reach-v0/bc/*/policy/seed-1.npz")))
    assert distill.scores(short, policy, 4, 13, 0)["return"] == pytest.approx(rows[-1]["score"], abs=0.06)
    assert json.loads(bench(*arguments).out) == rows, "the clones are not trained again"


def test_without_demonstrations_the_other_rows_are_left(bench: Bench) -> None:
    said = bench(*worth("sawyer-push", "--episodes", "2"))
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    assert [(r["what"], r["seed"]) for r in rows] == [("random actions", "-"), ("bc-demos", "-"), ("bc", 0)]
    assert rows[1]["score"] == "no demonstrations"
    assert 0 <= rows[2]["score"] <= 1


def test_the_expert_of_a_maze_is_the_one_that_is_steered_through_it() -> None:
    """It arrives, in about the time that the task's upper anchor says; the bare one runs into a wall."""
    task = tasks.get("antmaze-umaze")
    assert task.anchors is not None
    found = distill.scores(task, policies.expert_of(task), 3, 5, workers=0)
    assert found["success"] == 1
    assert found["return"] == pytest.approx(task.anchors[1], rel=0.2)
    assert isinstance(policies.expert_of(tasks.get("ant")), GaussianPolicy)
