"""D4RL by name: which file it is, where it is looked for, and what is said when it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from brought import columns, hdf5
from command import Bench
from file_server import Site, serving
from toy_data import Place, isolated, toy

from envs.data import d4rl_names, datasets, imports
from envs.data.d4rl_names import FILES, File
from envs.errors import DatasetError

NAME = "d4rl/toy-human-v1"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    monkeypatch.delenv("BENCH_OFFLINE", raising=False)
    monkeypatch.setitem(FILES, NAME, File("toy_v1/toy-human-v1.hdf5", 3, demos=True))
    yield from isolated(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("name", "path", "limit"),
    [  # of d4rl/infos.py and the registrations beside it
        ("halfcheetah-medium-v2", "gym_mujoco_v2/halfcheetah_medium-v2.hdf5", 1000),
        ("hopper-medium-replay-v2", "gym_mujoco_v2/hopper_medium_replay-v2.hdf5", 1000),
        ("ant-full-replay-v1", "gym_mujoco_v1/ant_full_replay-v1.hdf5", 1000),
        ("walker2d-medium-expert-v0", "gym_mujoco/walker2d_medium_expert.hdf5", 1000),
        ("walker2d-medium-replay-v0", "gym_mujoco/walker_mixed.hdf5", 1000),
        ("hopper-medium-replay-v0", "gym_mujoco/hopper_mixed.hdf5", 1000),
        ("pen-human-v0", "hand_dapg/pen-v0_demos_clipped.hdf5", 100),
        ("door-cloned-v0", "hand_dapg/door-demos-v0-bc-combined.hdf5", 200),
        ("relocate-expert-v0", "hand_dapg/relocate-v0_expert_clipped.hdf5", 200),
        ("hammer-cloned-v1", "hand_dapg_v1/hammer-cloned-v1.hdf5", 200),
        ("ant-random-expert-v0", "gym_mujoco/ant_random_expert.hdf5", 1000),
        (
            "antmaze-umaze-v2",
            "ant_maze_v2/Ant_maze_u-maze_noisy_multistart_False_multigoal_False_sparse_fixed.hdf5",
            700,
        ),
        (
            "antmaze-large-diverse-v2",
            "ant_maze_v2/Ant_maze_hardest-maze_noisy_multistart_True_multigoal_True_sparse_fixed.hdf5",
            1000,
        ),
        (
            "antmaze-medium-play-v1",
            "ant_maze_v1/Ant_maze_medium_noisy_multistart_True_multigoal_False_sparse.hdf5",
            1000,
        ),
        (
            "antmaze-umaze-diverse-v0",
            "ant_maze_new/Ant_maze_u-maze_noisy_multistart_True_multigoal_True_sparse.hdf5",
            700,
        ),
        (
            "antmaze-eval-medium-play-v0",
            "ant_maze_new/Ant_maze_medium_eval_noisy_multistart_True_multigoal_True_sparse.hdf5",
            1000,
        ),
        ("kitchen-complete-v0", "kitchen/mini_kitchen_microwave_kettle_light_slider-v0.hdf5", 280),
        ("kitchen-partial-v0", "kitchen/kitchen_microwave_kettle_light_slider-v0.hdf5", 280),
        ("kitchen-mixed-v0", "kitchen/kitchen_microwave_kettle_bottomburner_light-v0.hdf5", 280),
        ("maze2d-open-v0", "maze2d/maze2d-open-sparse.hdf5", 150),
        ("maze2d-eval-large-dense-v1", "maze2d/maze2d-eval-large-dense-v1.hdf5", 800),
        ("minigrid-fourrooms-random-v0", "minigrid/minigrid4rooms_random.hdf5", 50),
        ("flow-merge-controller-v0", "flow/flow-merge-v0-idm.hdf5", 750),
        ("carla-lane-v0", "carla/carla_lane_follow_flat-v0.hdf5", 250),
        ("bullet-walker2d-medium-replay-v0", "bullet/bullet-walker2d_medium_replay.hdf5", 1000),
        ("bullet-maze2d-umaze-v0", "bullet/bullet-maze2d-umaze-sparse.hdf5", 300),
    ],
)
def test_names_stand_for_the_files_of_d4rl(name: str, path: str, limit: int) -> None:
    assert (FILES[f"d4rl/{name}"].path, FILES[f"d4rl/{name}"].limit) == (path, limit)


def test_the_table_holds_every_robot_and_kind_of_each_version() -> None:
    robots, hands, ant_mazes = 4 * (5 + 6 + 6) + 1, 4 * 3 * 2, 6 * 3 + 6
    others = {"kitchen": 3, "maze2d": 2 + 3 * 2 * 2, "minigrid": 2, "flow": 4, "carla": 3, "bullet": 4 * 5 + 4}
    assert len(FILES) - 1 == robots + hands + ant_mazes + sum(others.values())
    for family, count in others.items():
        assert sum(name.startswith(f"d4rl/{family}-") for name in FILES) == count, family
    assert len({file.name for file in FILES.values()}) == len(FILES), "one folder holds all of them"
    assert "d4rl/hopper-full-replay-v0" not in FILES  # which never was
    people = {f"d4rl/{hand}-human-{v}" for hand in ("pen", "door", "relocate", "hammer") for v in ("v0", "v1")}
    people |= {f"d4rl/kitchen-{kind}-v0" for kind in ("complete", "partial", "mixed")}
    assert {n for n, f in FILES.items() if f.demos} == {NAME, *people}


def test_a_file_in_the_packages_cache_needs_no_network(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d4rl").mkdir()
    hdf5(tmp_path / "d4rl" / "toy-human-v1.hdf5", columns((4, 5)))
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    data = datasets.load(toy(), NAME)  # as --dataset does
    assert (data.info.id, data.info.episodes, data.info.demos) == (NAME, 2, 2)
    assert data.info.recipe["source"] == NAME
    assert not imports.import_data(toy(), NAME).new
    assert not place.attempts


def test_without_marks_in_the_file_episodes_have_d4rls_own_limit(tmp_path: Path) -> None:
    (tmp_path / "d4rl").mkdir()
    made = columns((12,))
    del made["timeouts"]
    hdf5(tmp_path / "d4rl" / "toy-human-v1.hdf5", made)
    assert imports.import_data(toy(), NAME).info.episodes == 4
    assert imports.import_data(toy(), NAME, "lab/toy-v0", limit=6, demos="1").info.episodes == 2


def test_what_is_missing_is_fetched_from_the_first_mirror_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = hdf5(tmp_path / "a.hdf5", columns()).read_bytes()
    monkeypatch.undo()
    monkeypatch.setitem(FILES, NAME, File("toy_v1/toy-human-v1.hdf5", 3))
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    said: list[str] = []
    with serving(Site({})) as empty, serving(Site({"/base/toy_v1/toy-human-v1.hdf5": content})) as full:
        monkeypatch.setenv("BENCH_D4RL_MIRRORS", f"{empty.address}, {full.address}/base/")
        path = d4rl_names.find(NAME, said.append)
        d4rl_names.find(NAME, said.append)
        assert (len(empty.requests), len(full.requests)) == (2, 1)
    assert path == tmp_path / "d4rl" / "toy-human-v1.hdf5"
    assert path.read_bytes() == content
    assert [line.split(":")[0] for line in said] == [NAME, "toy-human-v1.hdf5"]
    path.write_bytes(content + b"!")
    with pytest.raises(DatasetError, match="was expected; delete it to fetch it again"):
        d4rl_names.find(NAME, said.append)


@pytest.mark.parametrize("how", ["--offline", "BENCH_OFFLINE", "no network"])
def test_what_cannot_be_fetched_is_asked_for_by_file_and_folder(
    how: str, tmp_path: Path, place: Place, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "BENCH_OFFLINE":
        monkeypatch.setenv("BENCH_OFFLINE", "1")
    said = bench(
        "data", "import", "d4rl/door-human-v1", "--env", "door-binary", *(("--offline",) * (how == "--offline"))
    )
    assert (said.code, said.out) == (2, "")
    url = "https://rail.eecs.berkeley.edu/datasets/offline_rl/hand_dapg_v1/door-human-v1.hdf5"
    assert f"put door-human-v1.hdf5, which is {url}, into {tmp_path / 'd4rl'}" in said.err
    assert bool(place.attempts) == (how == "no network")
    assert not place.root.exists()


def test_an_unknown_name_gives_the_nearest() -> None:
    for name, hint in {
        "d4rl/hopper-medium": "did you mean",
        "d4rl/pen-human-v2": "did you mean d4rl/pen-human-v0 or ",
    }.items():
        with pytest.raises(DatasetError, match=hint):
            d4rl_names.get(name)


def test_a_mirror_may_lay_all_files_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = hdf5(tmp_path / "made.hdf5", columns((4, 5))).read_bytes()
    monkeypatch.undo()
    monkeypatch.setitem(FILES, NAME, File("toy_v1/toy-human-v1.hdf5", 3))
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "d4rl"))
    with serving(Site({"/flat/toy-human-v1.hdf5": content})) as flat:
        monkeypatch.setenv("BENCH_D4RL_MIRRORS", f"{flat.address}/flat")
        found = d4rl_names.find(NAME, lambda line: None)
    assert found.read_bytes() == content
    assert [path for path, _ in flat.requests] == ["/flat/toy_v1/toy-human-v1.hdf5", "/flat/toy-human-v1.hdf5"]
