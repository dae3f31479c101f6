"""Importing: whole or nothing, once, and every broken file is one line that names it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brought import changed, columns, hdf5, npz
from command import Bench
from toy_data import Place, isolated, some_episodes, toy

from envs import tasks
from envs.data import datasets, imports, minari_store
from envs.data.formats import write
from envs.errors import DatasetError

ID = "imported/toy-binary/a-v0"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.delenv("BENCH_OFFLINE", raising=False)
    yield from isolated(tmp_path, monkeypatch)


def stored(place: Place) -> list[str]:
    """What lies in the store, hidden folders too."""
    return sorted(p.relative_to(place.root).as_posix() for p in place.root.rglob("*")) if place.root.exists() else []


def test_a_file_becomes_a_dataset_that_says_where_it_is_from(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.hdf5", columns() | {"infos/qpos": np.ones((11, 2))})
    done = imports.import_data(toy(), str(path), command="bench data import a.hdf5")
    assert (done.info.id, done.new, done.info.episodes, done.info.steps) == (ID, True, 3, 11)
    recipe = done.info.recipe
    assert (recipe["source"], recipe["format"], recipe["command"]) == ("a.hdf5", "d4rl", "bench data import a.hdf5")
    assert recipe["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.info.demos == 0
    assert [e.infos["qpos"].shape for e in datasets.load_episodes(toy(), ID, infos=True)] == [(5, 2), (2, 2), (7, 2)]


def test_the_same_content_is_stored_once_and_other_content_is_refused(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.hdf5", columns())
    first = imports.import_data(toy(), str(path)).info
    again = imports.import_data(toy(), str(path))
    assert (again.info, again.new) == (first, False)
    (tmp_path / "sub").mkdir()
    same = npz(tmp_path / "sub" / "a.npz", columns())  # another file, the same steps
    assert not imports.import_data(toy(), str(same)).new
    for change in ({"demos": "1"}, {"demos": "all"}):
        with pytest.raises(DatasetError, match=f"{ID} is in the store already with other content; --as gives another"):
            imports.import_data(toy(), str(path), **change)
    assert datasets.load(toy(), ID).info == first
    other = imports.import_data(toy(), str(path), "imported/other-v3", demos="2").info
    assert (other.id, other.demos) == ("imported/other-v3", 2)


@pytest.mark.parametrize(("demos", "count"), [(None, 1), ("all", 3), ("none", 0), ("2", 2)])
def test_demonstrations_are_those_of_the_file_unless_said_otherwise(
    demos: str | None, count: int, tmp_path: Path
) -> None:
    marked = columns() | {"demonstrations": np.arange(11) < 4}
    assert imports.import_data(toy(), str(npz(tmp_path / "a.npz", marked)), demos=demos).info.demos == count


def test_more_steps_than_the_horizon_are_kept_and_counted(tmp_path: Path) -> None:
    done = imports.import_data(toy(), str(npz(tmp_path / "a.npz", columns((5, 9, 30)))))
    assert (done.info.over_horizon, done.info.steps) == (2, 44)


def test_converting_and_importing_again_is_bit_exact(tmp_path: Path) -> None:
    made = datasets.store(toy(), "lab/toy-v0", some_episodes(), {}).info
    for extension in (".hdf5", ".npz"):
        write.write(toy(), datasets.load_episodes(toy(), "lab/toy-v0", infos=True), tmp_path / f"b{extension}")
        done = imports.import_data(toy(), str(tmp_path / f"b{extension}"), f"lab/again{extension[1:]}-v0")
        assert (done.info.fingerprint, done.info.demos) == (made.fingerprint, 2)


def test_door_demonstrations_by_people(bench: Bench) -> None:
    folder = os.environ.get("BENCH_TEST_DATA")
    if folder is None:
        pytest.skip("BENCH_TEST_DATA names no folder of recorded data")
    path = Path(folder) / "door-v0_demos.pickle"
    said = bench("data", "import", str(path), "--env", "door-binary", "--json")
    assert said.code == 0
    (info,) = json.loads(said.out)
    assert (info["id"], info["episodes"], info["demos"]) == ("imported/door-binary/door-v0_demos-v0", 25, 25)
    assert info["steps"] == 6729 - 25
    assert info["over_horizon"] == 25  # 223 to 300 steps, where the task has 200
    assert (info["demo_success"], info["demo_success_any"]) == (6 / 25, 6 / 25)
    assert "25 steps dropped" in said.err
    assert "5.6% of action entries lie outside [-1, 1]" in said.err
    with path.open("rb") as f:
        trusted = pickle.load(f)
    rows = datasets.load(tasks.get("door-binary"), info["id"]).transitions
    np.testing.assert_array_equal(rows.next_obs, np.concatenate([p["observations"][1:] for p in trusted]).astype("f4"))
    np.testing.assert_array_equal(
        rows.action, np.concatenate([p["actions"][:-1] for p in trusted]).clip(-1, 1).astype("f4")
    )


# the command line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere.npz", "--env", "pen-binary"), "nowhere.npz: no such file; name a file, or one of D4RL's datasets"),
        (("a.npz", "--env", "door-bin"), "unknown task 'door-bin'; did you mean 'door-binary'?"),
        (("a.npz", "--env", "pen-binary", "--demos", "some"), "--demos some: give all, none, or how many"),
        (("a.npz", "--env", "pen-binary", "--demos", "0"), "--demos 0: give all, none, or how many"),
        (("a.npz", "--env", "pen-binary", "--as", "../x-v0"), "'../x-v0' is not a dataset id"),
        (("a.npz", "--env", "point-reach", "--demos", "9"), "a.npz: --demos 9, but it holds 3 episodes"),
        (("a.npz", "--env", "pen-binary"), "observations have shape [11, 6], pen-binary-v0 needs [rows, 45]"),
        (("d4rl/door-human", "--env", "door-binary"), "did you mean d4rl/door-human-v0 or d4rl/door-human-v1?"),
    ],
)
def test_a_bad_command_line_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], complaint: str, bench: Bench, place: Place
) -> None:
    wide = {"observations": np.ones((11, 6), "f4"), "next_observations": np.ones((11, 6), "f4")}
    npz(Path("a.npz"), changed(**wide))
    said = bench("data", "import", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: ")
    assert complaint in said.err
    assert stored(place) == []


def test_import_convert_and_import_again_from_the_command_line(bench: Bench) -> None:
    wide = {"observations": np.ones((11, 6), "f4"), "next_observations": np.ones((11, 6), "f4")}
    npz(Path("a.npz"), changed(**wide))
    said = bench("data", "import", "a.npz", "--env", "point-reach")
    assert said.code == 0
    assert said.out == bench("data", "info", "--env", "point-reach", "--dataset", "imported/point-reach/a-v0").out
    assert "imported/point-reach/a-v0 is stored" in said.err
    assert "is there already" in bench("data", "import", "a.npz", "--env", "point-reach").err
    assert bench("data", "convert", "imported/point-reach/a-v0", "b.hdf5").code == 0
    assert bench("data", "convert", "b.hdf5", "c.npz", "--env", "point-reach").code == 0
    again = json.loads(bench("data", "import", "c.npz", "--env", "point-reach", "--json").out)
    assert again[0]["fingerprint"] in said.out
    assert "--env says which task" in bench("data", "convert", "b.hdf5", "d.npz").err
    assert "neither a file nor a dataset" in bench("data", "convert", "e-v0", "d.npz").err
    assert not minari_store.exists("e-v0")
