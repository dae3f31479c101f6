"""Files that people bring: every step is kept with its true successor, or dropped and counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from brought import LENGTHS, columns, hdf5, npy, npz, paths, pickled
from toy_data import Place, isolated, some_episodes, toy

from envs.data import datasets, formats
from envs.data.episodes import transitions
from envs.data.formats import Content, write
from envs.errors import DatasetError
from envs.task import Task


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


def dense(**changes: Any) -> Task:
    return toy(**{"success": None, "success_rule": "", **changes})


def lengths(content: Content) -> list[int]:
    return [len(e.action) for e in content.episodes]


def test_with_successors_every_step_is_kept(tmp_path: Path) -> None:
    made = columns()
    content = formats.read(dense(), hdf5(tmp_path / "a.hdf5", made))
    rows = transitions(dense(), content.episodes)
    np.testing.assert_array_equal(rows.obs, made["observations"])
    np.testing.assert_array_equal(rows.next_obs, made["next_observations"])
    np.testing.assert_array_equal(rows.action, made["actions"])
    np.testing.assert_array_equal(rows.reward, made["rewards"])
    np.testing.assert_array_equal(rows.truncated, made["timeouts"])
    assert (lengths(content), content.notes) == (list(LENGTHS), ())


def test_without_successors_the_last_step_of_a_cut_off_episode_goes_and_none_crosses(tmp_path: Path) -> None:
    made = columns(successors=False)
    content = formats.read(dense(), hdf5(tmp_path / "a.hdf5", made))
    assert lengths(content) == [3, 5]
    assert content.notes == (
        "3 steps dropped, the last of their episodes: no observation after them is recorded",
        "1 episodes dropped that had no other step",
    )
    rows = transitions(dense(), content.episodes)
    np.testing.assert_array_equal(rows.obs[:, 1], [0, 1, 2, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(rows.next_obs[:, 1], rows.obs[:, 1] + 1)
    np.testing.assert_array_equal(rows.reward, rows.obs[:, 1])


@pytest.mark.parametrize(
    ("task", "kept"),
    [
        (dense(terminates=True), [3, 6]),  # the value of the state after is not asked for
        (dense(), [3, 5]),  # it is, where the task goes on
        (toy(terminates=True), [3, 5]),  # and where it gives the reward
    ],
)
def test_a_terminal_step_without_successor_is_kept_only_where_nothing_needs_it(
    task: Task, kept: list[int], tmp_path: Path
) -> None:
    made = columns((4, 6), successors=False)
    made["terminals"][9], made["timeouts"][9] = True, False
    content = formats.read(task, hdf5(tmp_path / "a.hdf5", made))
    assert lengths(content) == kept
    assert content.episodes[1].terminated == (kept[1] == 6)
    assert any("stands in" in note for note in content.notes) == (kept[1] == 6)


def test_files_without_timeouts_are_cut_at_the_limit_counted_from_terminals(tmp_path: Path) -> None:
    made = columns((20,))  # one unbroken stretch
    del made["timeouts"]
    made["terminals"][7] = True
    content = formats.read(dense(terminates=True), hdf5(tmp_path / "a.hdf5", made), limit=5)
    assert lengths(content) == [5, 3, 5, 5, 2]
    assert [e.terminated for e in content.episodes] == [False, True, False, False, False]
    assert content.notes == ("the file does not mark where episodes were cut off: taken to be after 5 steps",)
    assert lengths(formats.read(dense(), tmp_path / "a.hdf5")) == [6, 2, 6, 6]  # the task's horizon


def test_a_gap_between_rows_ends_an_episode(tmp_path: Path) -> None:
    made = columns((30,))
    made["next_observations"][11, 0] += 1
    content = formats.read(dense(), hdf5(tmp_path / "a.hdf5", made))
    assert lengths(content) == [12, 18]
    assert content.episodes[0].obs[-1, 0] == made["next_observations"][11, 0]
    assert content.notes == ("1 episodes cut where the next row is not where the step before arrived",)


def test_blocks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = columns((30, 20))
    made["next_observations"][11, 0] += 1
    made["observations"] = made["observations"].astype(np.float64)
    path = hdf5(tmp_path / "a.hdf5", made)
    whole = datasets.fingerprint(formats.read(dense(), path).episodes)
    monkeypatch.setattr(formats.flat, "_BLOCK", 4)
    assert datasets.fingerprint(formats.read(dense(), path).episodes) == whole


def test_simulator_states_stay_with_their_steps_and_opinions_of_the_policy_do_not(tmp_path: Path) -> None:
    made = columns() | {
        "infos/qpos": np.arange(22.0).reshape(11, 2),
        "infos/action_mean": np.zeros((11, 2)),
        "metadata/algorithm": "SAC",
    }
    episodes = formats.read(dense(), hdf5(tmp_path / "a.hdf5", made)).episodes
    assert [set(e.infos) for e in episodes] == [{"qpos"}] * 3
    np.testing.assert_array_equal(episodes[2].infos["qpos"][:6], made["infos/qpos"][5:])
    assert np.isnan(episodes[2].infos["qpos"][6]).all()  # nobody recorded it
    del made["next_observations"]
    episodes = formats.read(dense(), hdf5(tmp_path / "b.hdf5", made)).episodes
    np.testing.assert_array_equal(episodes[1].infos["qpos"], made["infos/qpos"][5:])


def test_trailing_columns_of_zeros_are_left_out_and_others_refused(tmp_path: Path) -> None:
    made = columns()
    for key in ("observations", "next_observations"):
        made[key] = np.concatenate((made[key], np.zeros((11, 4), np.float32)), axis=1)
    content = formats.read(dense(), hdf5(tmp_path / "a.hdf5", made))
    np.testing.assert_array_equal(transitions(dense(), content.episodes).obs, made["observations"][:, :3])
    assert content.notes == ("4 columns of zeros left out behind the 3 observations of toy-binary-v0",)
    made["observations"][6, 5] = 1
    with pytest.raises(DatasetError, match="beyond the first 3 columns is not all zero"):
        formats.read(dense(), hdf5(tmp_path / "b.hdf5", made))


@pytest.mark.parametrize("layout", ["flags", "lengths", "with last", "stacked"])
def test_every_layout_of_npz_gives_the_same_steps(layout: str, tmp_path: Path) -> None:
    made = columns((4, 4, 4))
    want = datasets.fingerprint(formats.read(dense(), npz(tmp_path / "want.npz", made)).episodes)
    if layout != "flags":
        del made["timeouts"], made["terminals"]
        made["episode_lengths"] = np.array([4, 4, 4])
    if layout in ("with last", "stacked"):
        made["observations"] = np.insert(made["observations"], [4, 8, 12], made.pop("next_observations")[[3, 7, 11]], 0)
    if layout == "stacked":
        del made["episode_lengths"]
        made |= {k: v.reshape(3, -1, *v.shape[1:]) for k, v in made.items()}
    assert datasets.fingerprint(formats.read(dense(), npz(tmp_path / "a.npz", made)).episodes) == want


@pytest.mark.parametrize("successors", [True, False])
@pytest.mark.parametrize("flags", [("terminals",), ("timeouts",), ("terminals", "timeouts")])
def test_flags_of_stacked_episodes_end_them_early_and_join_none(
    flags: tuple[str, ...], successors: bool, tmp_path: Path
) -> None:
    made = columns((4, 4, 4))
    after, made["timeouts"] = made.pop("next_observations"), np.zeros(12, np.bool_)
    made["terminals" if "terminals" in flags else "timeouts"][5] = True
    made = {k: v.reshape(3, 4, *v.shape[1:]) for k, v in made.items() if k not in {"terminals", "timeouts"} - {*flags}}
    if successors:
        made["observations"] = np.concatenate((made["observations"], after.reshape(3, 4, 3)[:, -1:]), axis=1)
    content = formats.read(dense(), npz(tmp_path / "a.npz", made))
    assert lengths(content) == ([4, 2, 2, 4] if successors else [3, 1, 1, 3])
    assert [e.obs[0, 1] for e in content.episodes] == [0, 4, 6, 8]
    assert not any("taken to be" in note for note in content.notes)


@pytest.mark.parametrize("nested", [False, True])
def test_awacs_npy_is_read_flat_and_as_dictionaries(nested: bool, tmp_path: Path) -> None:
    want = formats.read(dense(), hdf5(tmp_path / "a.hdf5", columns())).episodes
    content = formats.read(dense(), npy(tmp_path / "a.npy", paths(nested=nested)))
    assert datasets.fingerprint(content.episodes) == datasets.fingerprint(want)
    assert content.demos is None


@pytest.mark.parametrize("protocol", range(6))
def test_dapgs_pickle_is_read_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    made = paths(successors=False)
    for i, one in enumerate(made):
        one["init_state_dict"] = {"qpos": np.full(2, float(i))}
    content = formats.read(dense(), pickled(tmp_path / "a.pickle", made, protocol))
    assert (lengths(content), content.demos) == ([3, 5], True)
    np.testing.assert_array_equal(content.episodes[1].obs, made[2]["observations"])
    assert [e.infos["init_qpos"][0].tolist() for e in content.episodes] == [[0, 0], [2, 2]]
    assert np.isnan(content.episodes[1].infos["init_qpos"][1:]).all()


def test_the_content_decides_what_a_file_is_and_a_name_overrides_it(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.npz", columns())
    assert formats.detect(path) == "d4rl"
    assert formats.detect(npz(tmp_path / "b.npz", columns())) == "npz"
    assert formats.detect(npy(tmp_path / "c.npy", paths())) == "awac-npy"
    assert formats.detect(pickled(tmp_path / "d.bin", paths())) == "dapg"
    assert formats.detect(pickled(tmp_path / "e.pickle", paths(), protocol=0)) == "dapg"
    assert len(formats.read(dense(), path).episodes) == 3
    with pytest.raises(DatasetError, match="damaged npz"):
        formats.read(dense(), path, "npz")
    with pytest.raises(DatasetError, match="unknown format 'd4lr'; did you mean 'd4rl'"):
        formats.read(dense(), path, "d4lr")


# writing


@pytest.mark.parametrize("extension", [".hdf5", ".npz"])
@pytest.mark.parametrize("has_rule", [True, False])
def test_a_round_trip_through_a_file_is_bit_exact(has_rule: bool, extension: str, tmp_path: Path) -> None:
    task = toy() if has_rule else dense(terminates=True)
    episodes = some_episodes()
    rng = np.random.default_rng(1)
    for i, e in enumerate(episodes):
        extra: dict[str, Any] = {"infos": {"qpos": rng.random((len(e.obs), 3)), "state/time": rng.random(len(e.obs))}}
        if not has_rule:
            extra |= {"reward": rng.random(len(e.action)).astype(np.float32), "terminated": i == 2}
        episodes[i] = dataclasses.replace(e, **extra)
    path = tmp_path / f"a{extension}"
    write.write(task, episodes, path)
    read = formats.read(task, path)
    assert datasets.fingerprint(read.episodes) == datasets.fingerprint(episodes)
    for before, after in zip(episodes, read.episodes, strict=True):
        assert (before.seed, before.demo, before.terminated) == (after.seed, after.demo, after.terminated)
        assert set(after.infos) == {"qpos", "state/time"}
        for name in after.infos:
            np.testing.assert_array_equal(after.infos[name], before.infos[name])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(DatasetError, match="is there already"):
        write.write(task, episodes, path)


def test_an_npz_holds_nothing_but_its_arrays_by_numpy_1_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(np, "savez", lambda path, **arrays: kept.update(arrays) or path.touch())  # of 1.26: no options
    write.write(toy(), some_episodes(), tmp_path / "a.npz")
    assert {type(values) for values in kept.values()} == {np.ndarray}


def test_what_is_written_is_d4rls_layout(tmp_path: Path) -> None:
    write.write(toy(), some_episodes(), tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        rows = transitions(toy(), some_episodes())
        for key, values in {
            "observations": rows.obs,
            "next_observations": rows.next_obs,
            "rewards": rows.reward,
            "terminals": rows.terminated,
            "timeouts": rows.truncated,
        }.items():
            np.testing.assert_array_equal(file[key][()], values)
    with pytest.raises(DatasetError, match=r"end the name in \.hdf5 or \.h5 or \.npz"):
        write.write(toy(), some_episodes(), tmp_path / "a.csv")
