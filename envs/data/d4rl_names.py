"""D4RL's datasets by name: which file holds `d4rl/halfcheetah-medium-v2`, and where it is fetched from.

A file is looked for where the `d4rl` package keeps its downloads, and fetched to there. Names and files as in D4RL's
own table (d4rl/infos.py), to which d4rl/locomotion/__init__.py adds AntMaze of other mazes and versions: -v0, -v1 and
-v2 of a name are different data. Some are of environments that no task here has; a task of a package may.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from envs.data import downloads
from envs.data.published import Shelf
from envs.errors import DatasetError, closest

__all__ = ["FILES", "PREFIX", "SHELF", "File", "find", "get"]

PREFIX = "d4rl/"
SHELF = Shelf(
    "D4RL's",
    (".d4rl", "datasets"),
    "D4RL_DATASET_DIR",
    "BENCH_D4RL_MIRRORS",
    tuple(f"{scheme}://rail.eecs.berkeley.edu/datasets/offline_rl" for scheme in ("https", "http")),
)


@dataclass(frozen=True)
class File:
    """One file of D4RL, which holds one dataset."""

    path: str  # below a mirror
    limit: int  # steps after which episodes were cut off, for files that do not mark it
    demos: bool = False  # whether all episodes are human demonstrations

    @property
    def name(self) -> str:
        """Name of the file without folders, as in the cache of the `d4rl` package."""
        return self.path.rsplit("/", 1)[1]


def _locomotion() -> dict[str, File]:
    kinds = ("random", "medium", "expert", "medium-replay", "medium-expert")
    found = {}
    for robot in ("halfcheetah", "hopper", "walker2d", "ant"):
        for kind in kinds:
            stem = "mixed" if kind == "medium-replay" else kind.replace("-", "_")
            found[f"{robot}-{kind}-v0"] = File(f"gym_mujoco/{robot}_{stem}.hdf5", 1000)
        for version in ("v1", "v2"):
            for kind in (*kinds, "full-replay"):
                file = f"gym_mujoco_{version}/{robot}_{kind.replace('-', '_')}-{version}.hdf5"
                found[f"{robot}-{kind}-{version}"] = File(file, 1000)
    odd = {"walker2d-medium-replay": "walker_mixed", "ant-random-expert": "ant_random_expert"}  # the first so called
    return found | {f"{name}-v0": File(f"gym_mujoco/{stem}.hdf5", 1000) for name, stem in odd.items()}


def _hands() -> dict[str, File]:
    stems = {"human": "{}-v0_demos_clipped", "cloned": "{}-demos-v0-bc-combined", "expert": "{}-v0_expert_clipped"}
    found = {}
    for hand, limit in {"pen": 100, "door": 200, "relocate": 200, "hammer": 200}.items():
        for kind, stem in stems.items():
            found[f"{hand}-{kind}-v0"] = File(f"hand_dapg/{stem.format(hand)}.hdf5", limit, kind == "human")
            found[f"{hand}-{kind}-v1"] = File(f"hand_dapg_v1/{hand}-{kind}-v1.hdf5", limit, kind == "human")
    return found


def _ant_mazes() -> dict[str, File]:
    shapes = {"umaze": ("u-maze", 700), "medium": ("big-maze", 1000), "large": ("hardest-maze", 1000)}
    starts = {  # name -> whether starts and goals are many
        **{"umaze": ("False", "False"), "umaze-diverse": ("True", "True")},
        **{f"{maze}-play": ("True", "False") for maze in ("medium", "large")},
        **{f"{maze}-diverse": ("True", "True") for maze in ("medium", "large")},
    }
    found: dict[str, File] = {}
    for name, (start, goal) in starts.items():
        shape, limit = shapes[maze := name.partition("-")[0]]
        how = f"noisy_multistart_{start}_multigoal_{goal}_sparse"
        files = {
            "v0": f"ant_maze_new/Ant_maze_{shape}_{how}.hdf5",
            "v1": f"ant_maze_v1/Ant_maze_{maze}_{how}.hdf5",
            "v2": f"ant_maze_v2/Ant_maze_{shape}_{how}_fixed.hdf5",
        }
        found |= {f"antmaze-{name}-{version}": File(file, limit) for version, file in files.items()}
    evaluated = {  # registered with the two kinds of goals the other way round in the larger mazes
        "umaze": "umaze_eval_noisy_multistart_True_multigoal_False",
        "umaze-diverse": "umaze_eval_noisy_multistart_True_multigoal_True",
        "medium-play": "medium_eval_noisy_multistart_True_multigoal_True",
        "medium-diverse": "medium_eval_noisy_multistart_True_multigoal_False",
        "large-play": "large_eval_noisy_multistart_True_multigoal_True",
        "large-diverse": "large_eval_noisy_multistart_True_multigoal_False",
    }
    for name, stem in evaluated.items():
        limit = shapes[name.partition("-")[0]][1]
        found[f"antmaze-eval-{name}-v0"] = File(f"ant_maze_new/Ant_maze_{stem}_sparse.hdf5", limit)
    return found


def _kitchens() -> dict[str, File]:
    stems = {
        "complete": "mini_kitchen_microwave_kettle_light_slider",
        "partial": "kitchen_microwave_kettle_light_slider",
        "mixed": "kitchen_microwave_kettle_bottomburner_light",
    }
    return {f"kitchen-{kind}-v0": File(f"kitchen/{stem}-v0.hdf5", 280, demos=True) for kind, stem in stems.items()}


def _point_mazes() -> dict[str, File]:
    found = {
        "maze2d-open-v0": File("maze2d/maze2d-open-sparse.hdf5", 150),
        "maze2d-open-dense-v0": File("maze2d/maze2d-open-dense.hdf5", 150),
    }
    for maze, limit in {"umaze": 300, "medium": 600, "large": 800}.items():
        for name in (maze, f"eval-{maze}"):
            found[f"maze2d-{name}-v1"] = File(f"maze2d/maze2d-{name}-sparse-v1.hdf5", limit)
            found[f"maze2d-{name}-dense-v1"] = File(f"maze2d/maze2d-{name}-dense-v1.hdf5", limit)
    return found


def _others() -> dict[str, File]:
    """Two small mazes, traffic, driving, and PyBullet's robots."""
    found = {
        "minigrid-fourrooms-v0": File("minigrid/minigrid4rooms.hdf5", 50),
        "minigrid-fourrooms-random-v0": File("minigrid/minigrid4rooms_random.hdf5", 50),
        "carla-lane-v0": File("carla/carla_lane_follow_flat-v0.hdf5", 250),
        "carla-town-v0": File("carla/carla_town_subsamp_flat-v0.hdf5", 1000),
        "carla-town-full-v0": File("carla/carla_town_flat-v0.hdf5", 1000),
    }
    for road, limit in {"ring": 500, "merge": 750}.items():
        found[f"flow-{road}-random-v0"] = File(f"flow/flow-{road}-v0-random.hdf5", limit)
        found[f"flow-{road}-controller-v0"] = File(f"flow/flow-{road}-v0-idm.hdf5", limit)
    for robot in ("halfcheetah", "hopper", "ant", "walker2d"):
        for kind in ("random", "medium", "expert", "medium-expert", "medium-replay"):
            file = f"bullet/bullet-{robot}_{kind.replace('-', '_')}.hdf5"
            found[f"bullet-{robot}-{kind}-v0"] = File(file, 1000)
    for maze, limit in {"open": 150, "umaze": 300, "medium": 600, "large": 800}.items():
        found[f"bullet-maze2d-{maze}-v0"] = File(f"bullet/bullet-maze2d-{maze}-sparse.hdf5", limit)
    return found


_FAMILIES = (_locomotion, _hands, _ant_mazes, _kitchens, _point_mazes, _others)
FILES = {PREFIX + name: file for name, file in sorted(pair for family in _FAMILIES for pair in family().items())}


def get(name: str) -> File:
    """Look up a name such as d4rl/door-human-v1; raises `DatasetError` with the nearest names."""
    if name in FILES:
        return FILES[name]
    close = closest(name, FILES, count=3)
    versions = [n for n in FILES if n.startswith(re.sub(r"v\d+$", "v", name))]
    hint = f"did you mean {' or '.join(versions or close)}?" if versions or close else "known: " + ", ".join(FILES)
    raise DatasetError(f"{name!r} is none of D4RL's datasets known here; {hint}")


def find(name: str, say: downloads.Progress, offline: bool = False) -> Path:
    """Path of the file of a name, fetched if it is not there; see `Shelf.find`."""
    file = get(name)
    return SHELF.find(name, (file.path, file.name), say, offline)  # in D4RL's folders, or all files in one
