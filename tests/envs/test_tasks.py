"""What a task declares is what its environment is, for every task of the registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest
from gymnasium.spaces import Box
from house import ROOT

from envs import plugins, tasks
from envs.discrete import boxed
from envs.errors import SimulatorError
from envs.task import Task

OURS = tuple(tasks.TASKS.values())
ENVIRONMENTS = [(task, env_id) for task in OURS for env_id in (task.id, *task.variants)]


@pytest.mark.parametrize(("task", "env_id"), ENVIRONMENTS, ids=[env_id for _, env_id in ENVIRONMENTS])
def test_dimensions_and_horizon_are_those_of_the_environment(task: Task, env_id: str) -> None:
    try:
        task.check_simulator()
    except SimulatorError as missing:
        pytest.skip(str(missing))
    with plugins.make(env_id) as env:
        space = boxed(env).action_space
        assert env.observation_space.shape == (task.obs_dim,)
        assert isinstance(space, Box)
        assert space.shape == (task.action_dim,)
        assert (space.low == (0 if task.discrete else -1)).all()
        assert (space.high == 1).all()
        assert env.spec is not None
        assert env.spec.max_episode_steps == task.horizon


def test_gymnasium_makes_them_by_the_name_of_the_package() -> None:
    program = "import gymnasium; print(gymnasium.make('envs:point-reach-v0').spec.max_episode_steps)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "100\n", "")


def test_recipes_collect_in_environments_that_their_task_declares() -> None:
    for task in OURS:
        for name in ("default", *task.recipes):
            anywhere = getattr(task.recipe_of(name), "anywhere", None)
            assert anywhere is None or anywhere in task.variants


class _OtherEnv(gymnasium.Env[Any, Any]):
    observation_space = Box(-1.0, 1.0, (3,))
    action_space = Box(-1.0, 1.0, (2,))

    def __init__(self, size: int, wide: bool = False) -> None:
        self.size, self.wide = size, wide


@pytest.fixture
def other() -> Iterator[Task]:
    """A task that names its class and leaves the rest to the suite."""
    yield Task(
        id="other-v0",
        summary="",
        obs_dim=3,
        action_dim=2,
        horizon=7,
        success_rule="",
        success=None,
        expert="",
        recipe=tasks.NoiseRecipe(),
        entry_point=f"{__name__}:_OtherEnv",
        options={"size": 2},
        variants={"other-wide-v0": {"wide": True}},
    )
    for env_id in ("other-v0", "other-wide-v0"):
        gymnasium.registry.pop(env_id, None)


class _Point:
    """Stands in for an entry point of an installed package."""

    name, value, dist = "other-v0", "other:TASK", None

    def __init__(self, task: Task) -> None:
        self.load = lambda: task


def test_a_task_of_a_package_is_registered_by_what_it_declares(other: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "points", lambda: {"other-v0": _Point(other)})
    assert tasks.get("other") is other
    made: Any = plugins.make("other-v0", disable_env_checker=True)
    wide: Any = plugins.make("other-wide-v0", disable_env_checker=True)
    assert (made.unwrapped.size, made.unwrapped.wide, made.spec.max_episode_steps) == (2, False, 7)
    assert (wide.unwrapped.size, wide.unwrapped.wide, wide.spec.max_episode_steps) == (2, True, 7)
    assert tasks.get("other") is other, "asked for again, it is not registered again"


def test_a_package_may_register_its_environment_itself(other: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    gymnasium.register("other-v0", f"{__name__}:_OtherEnv", max_episode_steps=7, kwargs={"size": 5})
    monkeypatch.setattr(plugins, "points", lambda: {"other-v0": _Point(other)})
    made: Any = plugins.make("other-v0", disable_env_checker=True)
    tasks.get("other")
    assert made.unwrapped.size == 5
