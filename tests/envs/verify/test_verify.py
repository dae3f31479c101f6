"""`bench data verify`: quiet on good data, and each planted fault is found under its own name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Bench
from recorded import Parts, bare, early, late, record, save

from envs import tasks, verify
from envs.data import datasets
from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.task import Task
from envs.verify import Report, rerun

POINT, CHEETAH, DOOR = (tasks.get(name) for name in ("point-reach", "halfcheetah", "door-binary"))
WALKER = dataclasses.replace(tasks.get("walker2d"), horizon=30)  # enough to fall in under random actions


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


@pytest.fixture(scope="module")
def good() -> Mapping[str, list[Parts]]:
    """Recordings of each task, as they should be; of the walker one that fell and two that were cut off."""
    made = {CHEETAH.id: record(CHEETAH, [40] * 4), DOOR.id: record(DOOR, [20] * 3, states=True)}
    fell, stood = record(WALKER, [30] * 2)[1], record(WALKER, [30] * 3, scale=0.1)
    assert [bool(e["terminations"][-1]) for e in (fell, *stood)] == [True, False, False, False]
    return made | {POINT.id: record(POINT, [100] * 4), WALKER.id: [fell, stood[0], stood[2]]}


def states(report: Report) -> dict[str, str]:
    return {c.name: c.state for c in report.checks}


def found(report: Report, name: str) -> str:
    return next(c.found for c in report.checks if c.name == name)


def verified(task: Task, episodes: list[Parts], change: Callable[[Parts], Parts] = lambda e: e) -> Report:
    return verify.verify(task, save(task, "lab/planted-v0", [change(e) for e in episodes]))


# good data


@pytest.mark.parametrize("task", [POINT, CHEETAH, WALKER, DOOR], ids=lambda t: str(t.short_name))
@pytest.mark.parametrize("change", [lambda e: e, bare], ids=["with seeds", "without"])
def test_good_data_are_sound(task: Task, change: Any, good: Mapping[str, list[Parts]]) -> None:
    episodes = good[task.id]
    if task is not WALKER:
        task = dataclasses.replace(task, horizon=len(episodes[0]["actions"]))
    report = verified(task, episodes, change)
    assert {n: s for n, s in states(report).items() if s not in ("ok", "skipped")} == {}
    assert (report.state, report.verdict) == ("ok", "sound")
    assert (report.episodes, report.replayed) == (len(episodes), len(episodes))
    skipped = {n for n, s in states(report).items() if s == "skipped"}
    assert skipped == ({"replay"} if change is bare and task.id != DOOR.id else set())
    assert ("bit for bit" in found(report, "replay")) == (change is not bare)


def test_the_default_data_of_a_task_are_sound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"demonstrations": 2, "rollouts": 2}
    small = dataclasses.replace(POINT.recipe, clone_updates=5, **sizes)
    monkeypatch.setitem(
        tasks.TASKS, POINT.id, dataclasses.replace(POINT, recipe=small, settings=POINT.settings | sizes)
    )
    assert bench("data", "build", "--env", "point-reach", "--workers", "0").code == 0
    said = bench("data", "verify", "--env", "point-reach")
    assert said.code == 0
    assert said.out.splitlines()[-1].endswith("4 episodes, 400 steps, 4 episodes replayed: sound")
    (row,) = json.loads(bench("data", "verify", "--env", "point-reach", "--json", "--episodes", "3").out)
    assert (row["verdict"], row["replayed"]) == ("sound", 3)
    assert {c["state"] for c in row["checks"]} == {"ok"}
    assert [c["name"] for c in row["checks"]][:2] == ["content", "numbers"]


def test_every_simulator_is_closed_also_when_a_check_fails(
    good: Mapping[str, list[Parts]], monkeypatch: pytest.MonkeyPatch
) -> None:
    making, made, closed = rerun.simulator, [], []

    def simulator(task: Task) -> Any:
        made.append(env := making(task))
        monkeypatch.setattr(env, "close", lambda: closed.append(env))
        return env

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rerun, "simulator", simulator)
    verified(POINT, good[POINT.id])
    assert sorted(map(id, closed)) == sorted(map(id, made))
    monkeypatch.setattr(rerun, "whole", fail)
    with pytest.raises(KeyboardInterrupt):
        verify.verify(POINT, "lab/planted-v0")
    assert sorted(map(id, closed)) == sorted(map(id, made))


# planted faults


@pytest.mark.parametrize("change", [lambda e: e, bare], ids=["with seeds", "without"])
def test_a_reversed_reward_term_is_named(change: Any, good: Mapping[str, list[Parts]]) -> None:
    def reversed_cost(e: Parts) -> Parts:
        cost = 0.1 * np.square(e["actions"]).sum(axis=1)  # of HalfCheetah-v5
        return change({**e, "rewards": e["rewards"] + 2 * cost})

    report = verified(CHEETAH, good[CHEETAH.id], reversed_cost)
    assert {n for n, s in states(report).items() if s == "fail"} == {"reward"}
    assert found(report, "reward").startswith("100.0% of the rewards are not the environment's")
    assert found(report, "reward").endswith(": reward_ctrl is reversed")
    assert report.verdict == "do not train on this"


def test_a_reversed_reward_is_named(good: Mapping[str, list[Parts]]) -> None:
    report = verified(POINT, good[POINT.id], lambda e: {**e, "rewards": -e["rewards"]})
    assert {n for n, s in states(report).items() if s == "fail"} == {"reward"}
    assert found(report, "reward").endswith(": the environment's reward is reversed")


def test_rewards_of_another_row_are_named(good: Mapping[str, list[Parts]]) -> None:
    report = verified(CHEETAH, good[CHEETAH.id], lambda e: {**e, "rewards": np.roll(e["rewards"], 1)})
    assert found(report, "reward").endswith("they are those of the row before")


@pytest.mark.slow
@pytest.mark.parametrize("task", [POINT, CHEETAH, DOOR], ids=lambda t: str(t.short_name))
@pytest.mark.parametrize(("shift", "side"), [(early, "after"), (late, "before")])
@pytest.mark.parametrize("kept", ["seeds", "states", "nothing"])
def test_shifted_observations_are_named(
    task: Task, shift: Any, side: str, kept: str, good: Mapping[str, list[Parts]]
) -> None:
    def planted(e: Parts) -> Parts:
        e = shift(e)
        if e["infos"] is not None:  # states move with the observations that they belong to
            rows = slice(1, None) if side == "after" else [0, *range(len(e["actions"]) - 1)]
            e = {**e, "infos": {k: v[rows] for k, v in e["infos"].items()} if kept == "states" else None}
        return e if kept == "seeds" else bare(e)

    report = verified(task, good[task.id], planted)
    if kept == "nothing" and task is DOOR and side == "after":  # the start is lost with the first observation
        assert states(report)["shift"] == "skipped"
        return
    assert states(report)["shift"] == "fail", [vars(c) for c in report.checks]
    assert f"the row {side}" in found(report, "shift")
    assert states(report)["reward"] in ("skipped", "ok", "warn"), "nothing is said of rewards that cannot be compared"


def test_timeouts_marked_as_terminals_are_named(good: Mapping[str, list[Parts]]) -> None:
    def terminal(e: Parts) -> Parts:
        return {**e, "terminations": np.arange(len(e["actions"])) == len(e["actions"]) - 1}

    report = verified(WALKER, good[WALKER.id], terminal)
    assert {n for n, s in states(report).items() if s == "fail"} == {"flags"}
    assert found(report, "flags").startswith("2 episodes of the full 30 steps flagged terminated: timeouts marked")
    never = verified_again(CHEETAH, good[CHEETAH.id], terminal)
    assert states(never)["flags"] == "warn"
    assert "4 episodes flagged terminated: the task never terminates" in found(never, "flags")


def verified_again(task: Task, episodes: list[Parts], change: Callable[[Parts], Parts]) -> Report:
    return verify.verify(task, save(task, "lab/again-v0", [change(e) for e in episodes]))


def test_ends_that_the_environment_does_not_make_and_those_it_does_are_named(good: Mapping[str, list[Parts]]) -> None:
    fell, stood, _ = good[WALKER.id]
    shorter = {k: stood[k][:-2] for k in ("observations", "actions", "rewards", "terminations", "truncations")}
    shorter["terminations"] = np.arange(28) == 27
    report = verified(WALKER, [fell, {**stood, **shorter}])
    assert "1 episode flagged terminated where the environment would go on" in found(report, "flags")
    missed = {**fell, "terminations": np.zeros_like(fell["terminations"]), "truncations": fell["terminations"]}
    report = verified_again(WALKER, [missed, stood], lambda e: e)
    assert "1 episode flagged as cut where the environment terminates" in found(report, "flags")
    assert report.state == "fail"


def test_a_lost_boundary_between_episodes_is_seen(good: Mapping[str, list[Parts]]) -> None:
    one, two = good[CHEETAH.id][:2]
    joined = {
        k: np.concatenate((one[k][:-1], two[k]) if k == "observations" else (one[k], two[k]))
        for k in ("observations", "actions", "rewards", "terminations", "truncations")
    }
    report = verified(CHEETAH, [bare({**one, **joined})])
    assert states(report)["steps"] == "fail", "one of 80 transitions"
    assert "1 next observation differ" in found(report, "steps")
    assert "step 39" in found(report, "steps")


def test_a_repeated_last_observation_is_seen(good: Mapping[str, list[Parts]]) -> None:
    def repeated(e: Parts) -> Parts:
        return {**e, "observations": np.concatenate((e["observations"][:-1], e["observations"][-2:-1]))}

    report = verified(CHEETAH, good[CHEETAH.id], repeated)
    assert "all in the last step of an episode" in found(report, "steps")
    assert found(report, "shift").startswith("the last observation of 4 episodes repeats the one before")


# versions and damage


def stored(episodes: list[Parts], versions: Mapping[str, str]) -> str:
    made = [Episode(e["observations"], e["actions"], seed=e["seed"], reward=e["rewards"]) for e in episodes]
    return datasets.store(POINT, "awac-bench/point-reach/x-v0", made, {"versions": dict(versions)}).info.id


def test_small_differences_are_another_simulators_or_another_machines(good: Mapping[str, list[Parts]]) -> None:
    nudged = [{**e, "observations": e["observations"] + np.float32(3e-7)} for e in good[POINT.id]]
    other = verify.verify(POINT, stored(nudged, {"gymnasium": "0.1"}))
    assert states(other)["replay"] == "ok"
    assert "gymnasium 0.1 then" in found(other, "replay")


def test_the_same_versions_must_give_the_same_bits(good: Mapping[str, list[Parts]]) -> None:
    nudged = [{**e, "observations": e["observations"] + np.float32(3e-7)} for e in good[POINT.id]]
    same = verify.verify(POINT, stored(nudged, {"gymnasium": version("gymnasium")}))
    assert states(same)["replay"] == "warn"
    assert "first different in episode 0, step 0" in found(same, "replay")
    assert same.verdict == "usable with warnings"


def test_seeds_of_something_else_are_seen(good: Mapping[str, list[Parts]]) -> None:
    report = verified(POINT, good[POINT.id], lambda e: {**e, "seed": e["seed"] + 100})
    assert states(report)["replay"] == "warn"
    assert "leave the recorded course" in found(report, "replay")
    assert states(report)["steps"] == states(report)["reward"] == "ok", "the transitions themselves are sound"


def test_another_simulators_contacts_are_a_warning_and_the_own_ones_a_fault(good: Mapping[str, list[Parts]]) -> None:
    def moved(e: Parts) -> Parts:  # by a tenth of the motion, in every step
        obs, rng = e["observations"], np.random.default_rng(0)
        change = np.diff(obs, axis=0) * rng.uniform(-0.1, 0.1, (len(obs) - 1, 1))
        return {**e, "observations": np.concatenate((obs[:1], obs[1:] + change)).astype(np.float32)}

    episodes = [moved(e) for e in good[POINT.id]]
    report = verified(POINT, [bare(e) for e in episodes])
    assert states(report)["steps"] == "warn", found(report, "steps")
    assert found(report, "steps").endswith("perhaps another simulator version")
    same = verify.verify(POINT, stored(episodes, {"gymnasium": version("gymnasium")}))
    assert states(same)["steps"] == "fail"


def test_numbers_that_are_none_are_a_finding_not_an_error(good: Mapping[str, list[Parts]]) -> None:
    broken = {**good[POINT.id][2], "rewards": good[POINT.id][2]["rewards"].copy()}
    broken["rewards"][7] = np.nan
    report = verified(POINT, [*good[POINT.id][:2], broken])
    assert {n for n, s in states(report).items() if s == "fail"} == {"numbers"}
    assert "1 episode, first in the rewards of episode 2, step 7" in found(report, "numbers")
    assert report.replayed == 2
    assert verified_again(POINT, [broken], lambda e: e).state == "fail", "nothing is left to replay"


# the command


def test_the_exit_code_is_the_verdict(bench: Bench, good: Mapping[str, list[Parts]]) -> None:
    name = save(POINT, "lab/wrong-v0", [{**e, "rewards": -e["rewards"]} for e in good[POINT.id]])
    said = bench("data", "verify", "--env", "point-reach", "--dataset", name)
    assert said.code == 1
    assert said.out.splitlines()[-1].endswith("do not train on this")
    for episodes in ("0", "-2", "some"):
        said = bench("data", "verify", "--env", "point-reach", "--dataset", name, "--episodes", episodes)
        assert (said.code, said.out) == (2, "")
        assert said.err == f"bench: --episodes {episodes}: give auto, all, or a number from 1 on\n"
    assert bench("data", "verify", "--env", "point-reach").err.startswith(
        "bench: the default dataset of point-reach-v0"
    )
    with pytest.raises(DatasetError, match="belongs to point-reach-v0"):
        verify.verify(CHEETAH, name)
