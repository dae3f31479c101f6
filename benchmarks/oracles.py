"""How often those who make OGBench's data arrive: plans that reach their target, goals per episode.

    python benchmarks/oracles.py [--env cube-single,antmaze-medium-navigate] [--episodes 10]

Episodes are the first of the default datasets with seed 0, of 1,000 steps each.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from envs import tasks
from envs.task import NavigateRecipe, PlayRecipe, Task
from suite.recipes.oracle import Led
from suite.recipes.play import STREAMS, env_seed, random_streams
from suite.recipes.policies import policy_file

SCENES = (
    "cube-single,cube-double,scene,puzzle-3x3,pointmaze-medium-navigate,pointmaze-large-navigate,"
    "antmaze-medium-navigate,antmaze-large-navigate"
)


def arrivals(task: Task, episodes: int) -> str:
    """What came of the plans, or of the goals, of so many episodes, in words."""
    seeds = [env_seed(rng) for rng in random_streams(0, STREAMS["rollouts"], range(episodes))]
    recipe = task.recipe
    if isinstance(recipe, PlayRecipe):
        from envs.simulators.ogbench_manipulation import play

        done: list[bool] = []
        for seed in seeds:
            play(task.options, recipe, seed, done)
        return f"{sum(done)} of {len(done)} plans reached their target ({np.mean(done):.3f})"
    from envs.simulators.ogbench_mazes import navigate

    assert isinstance(recipe, NavigateRecipe), task.id
    agent = Led(policy_file(task, recipe.expert) if recipe.expert else None, recipe.gain)
    goals: list[int] = []
    for seed in seeds:
        navigate(task.options, recipe, agent, seed, goals)
    return f"{np.mean(goals):.1f} goals per episode, {np.min(goals)} to {np.max(goals)}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default=SCENES)
    parser.add_argument("--episodes", type=int, default=10)
    arguments = parser.parse_args()
    for name in arguments.env.split(","):
        start = time.process_time()
        found = arrivals(tasks.get(f"{name}-task1"), arguments.episodes)
        rate = arguments.episodes * 1000 / (time.process_time() - start)
        print(f"{name}: {found}; {rate:.0f} steps per CPU second", flush=True)


if __name__ == "__main__":
    main()
