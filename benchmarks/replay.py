"""Replay recorded hand rollouts in the environments and report where the two disagree.

    python benchmarks/replay.py FOLDER [--episodes N]

FOLDER holds {pen,door,relocate,hammer}-expert-rollouts.npz: `observations` [E, T+1, O], `actions` [E, T, A]
and gymnasium-robotics' own `success` [E, T]; episode e was reset with seed 500 + e.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import gymnasium
import numpy as np

from envs import tasks

HANDS = ("pen", "door", "relocate", "hammer")
FIRST_SEED = 500


class Replay(NamedTuple):
    """What replaying some episodes of one task showed; counts are of steps."""

    steps: int
    successes: int  # by the environment's reward
    largest_error: float  # between recorded and replayed observation, over all entries
    against_observation: int  # reward of the simulator differs from the task's reward of the observation returned
    against_record: int  # reward of the simulator differs from the task's reward of the recorded observation
    against_robotics: int  # success differs from the recorded one of gymnasium-robotics


def replay(hand: str, folder: Path, episodes: int | None = None) -> Replay:
    """Replay the first `episodes` (default: all) recorded episodes of one hand task."""
    with np.load(folder / f"{hand}-expert-rollouts.npz") as data:
        observations, actions, recorded = data["observations"], data["actions"], data["success"]
    task = tasks.get(f"{hand}-binary")
    env = gymnasium.make(task.id)
    count, horizon = actions[:episodes].shape[:2]
    replayed = np.empty_like(observations[:count])
    reward = np.empty((count, horizon), dtype=np.float32)
    from_observation = np.empty_like(reward)
    for e in range(count):
        replayed[e, 0] = env.reset(seed=FIRST_SEED + e)[0]
        for t in range(horizon):
            obs, reward[e, t], *_ = env.step(actions[e, t])
            replayed[e, t + 1], from_observation[e, t] = obs, task.reward(obs)
    env.close()
    return Replay(
        steps=reward.size,
        successes=int((reward == 0).sum()),
        largest_error=float(np.abs(replayed - observations[:count]).max()),
        against_observation=int((reward != from_observation).sum()),
        against_record=int((reward != task.reward(observations[:count, 1:])).sum()),
        against_robotics=int(((reward == 0) != recorded[:count]).sum()),
    )


def main() -> None:
    """Print one line per task; exit with status 1 where a reward disagrees with its observation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--episodes", type=int, default=None, help="per task (default: all)")
    arguments = parser.parse_args()
    missing = [h for h in HANDS if not (arguments.folder / f"{h}-expert-rollouts.npz").is_file()]
    if missing:
        parser.error(f"{arguments.folder} has no {missing[0]}-expert-rollouts.npz")
    print(f"{'':10}{'':8}{'':10}{'largest':>14}   reward differs from that of  success differs from")
    heads = ("replayed obs", "recorded obs", "gymnasium-robotics")
    print(f"{'task':10}{'steps':>8}{'success':>10}{'obs error':>14}{heads[0]:>15}{heads[1]:>15}{heads[2]:>22}")
    wrong = 0
    for hand in HANDS:
        r = replay(hand, arguments.folder, arguments.episodes)
        wrong += r.against_observation
        print(
            f"{hand:10}{r.steps:8d}{r.successes:10d}{r.largest_error:14.3g}"
            f"{r.against_observation:15d}{r.against_record:15d}{r.against_robotics:22d}",
            flush=True,
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
