"""Files as their writers leave them: what they mark is read under their names, and what is not read is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brought
import gymnasium
import numpy as np
import pytest
from toy_data import Place, isolated, toy
from toy_env import PointEnv

from envs import verify
from envs.data import datasets, formats, imports, minari_store
from envs.data.episodes import fingerprint
from envs.task import Task


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


def read(path: Path, task: Task | None = None, limit: int | None = None) -> tuple[str, list[int], str]:
    """Fingerprint and lengths of what a file holds, and what is said of it."""
    content = formats.read(task or toy(), path, limit=limit)
    return fingerprint(content.episodes), [len(e.action) for e in content.episodes], "; ".join(content.notes)


def renamed(**names: str | None) -> dict[str, Any]:
    """D4RL's columns under other names, or left out where None."""
    held = brought.columns()
    moved = {new: held[old] for old, new in names.items() if new is not None}
    return {k: v for k, v in held.items() if k not in names} | moved


@pytest.mark.parametrize("write", [brought.hdf5, brought.npz])
@pytest.mark.parametrize(
    "names",
    [
        {"timeouts": "truncations"},
        {"timeouts": "truncations", "terminals": "terminations"},
        {"timeouts": "episode_terminals"},
        {"timeouts": "episode_terminals", "terminals": None},
    ],
    ids=lambda names: ",".join(map(str, names.values())),
)
def test_ends_are_read_under_every_writers_name(write: Any, names: dict[str, str | None], tmp_path: Path) -> None:
    path = tmp_path / ("a.h5" if write is brought.hdf5 else "a.npz")
    expected = read(write(path, brought.columns()))
    assert expected[1] == list(brought.LENGTHS)
    path.unlink()
    assert read(write(path, renamed(**names)))[:2] == expected[:2]


def test_two_names_for_the_same_are_both_read(tmp_path: Path) -> None:
    held = brought.columns()
    first, second = held["timeouts"].copy(), held["timeouts"].copy()
    first[3], second[4] = False, False
    path = brought.hdf5(tmp_path / "a.h5", held | {"timeouts": first, "truncations": second})
    assert read(path)[1] == list(brought.LENGTHS)


@pytest.mark.parametrize("write", [brought.hdf5, brought.npz])
def test_what_is_not_read_is_named(write: Any, tmp_path: Path) -> None:
    more = {"costs": np.zeros(11), "infos/action_log_probs": np.zeros(11), "infos/qpos": np.zeros((11, 2))}
    path = write(tmp_path / ("a.h5" if write is brought.hdf5 else "a.npz"), brought.columns() | more)
    assert "not read: costs, infos/action_log_probs" in read(path)[2].split("; ")
    path = write(tmp_path / ("b.h5" if write is brought.hdf5 else "b.npz"), brought.columns())
    assert "not read" not in read(path)[2]


def test_entries_of_paths_that_are_not_read_are_named(tmp_path: Path) -> None:
    assert "not read: agent_infos, env_infos" in read(brought.npy(tmp_path / "a.npy", brought.paths()))[2]


def test_a_limit_without_effect_is_named_and_flags_never_set_do_not_hide_it(tmp_path: Path) -> None:
    path = brought.npz(tmp_path / "a.npz", brought.columns())
    assert "--limit 3 has no effect: the file marks where episodes end" in read(path, limit=3)[2]
    never = brought.npz(tmp_path / "b.npz", brought.changed(timeouts=np.zeros(11, bool), next_observations=None))
    found = read(never)
    assert (found[1], "timeouts are never set" in found[2]) == ([10], True)
    assert read(never, limit=4)[1] == [3, 3, 2]  # each without its last step, whose successor is not recorded


def test_choices_are_read_as_numbers_and_as_vectors(tmp_path: Path) -> None:
    chosen = np.arange(11) % 2
    task = toy(discrete=True)
    vectors = brought.npz(tmp_path / "a.npz", brought.changed(actions=np.eye(2)[chosen]))
    expected = read(vectors, task)
    for actions in (chosen, chosen[:, None], chosen.astype("f4")):
        path = brought.hdf5(tmp_path / f"{actions.dtype}{actions.ndim}.h5", brought.changed(actions=actions))
        assert read(path, task) == expected
    wrong = brought.hdf5(tmp_path / "wrong.h5", brought.changed(actions=chosen + 0.5))
    with pytest.raises(ValueError, match="actions are not choices; toy-binary-v0 needs whole numbers from 0 to 1"):
        read(wrong, task)


def test_rewards_that_are_not_used_need_not_fit(tmp_path: Path) -> None:
    """AWAC's pen demonstrations hold one more than actions; the task's rule gives the rewards."""
    paths = brought.paths()
    expected = read(brought.npy(tmp_path / "a.npy", brought.paths()))
    for path in paths:
        path["rewards"] = np.append(path["rewards"], 0.0)
    found = read(brought.npy(tmp_path / "b.npy", paths))
    assert found[:2] == expected[:2]
    assert "rewards left out: in 3 of 3 paths not one per action" in found[2]
    with pytest.raises(ValueError, match="5 entries in reward"):
        read(tmp_path / "b.npy", toy(success=None, success_rule=""))


@pytest.mark.parametrize(("wrong", "state"), [(0, "ok"), (4, "warn")])
def test_the_files_rewards_are_compared_with_the_rule_before_it_replaces_them(
    wrong: int, state: str, tmp_path: Path
) -> None:
    """Afterwards the rule could only be compared with itself."""
    held, task = brought.columns(), toy()
    after = held["next_observations"]
    success = task.reward(after) == 0
    success[:wrong] = ~success[:wrong]
    held["rewards"] = np.where(success, 10.0, -0.1).astype(np.float32)
    done = imports.import_data(task, str(brought.npz(tmp_path / "a.npz", held)), "lab/a-v0")
    share = f"{1 - wrong / 11:.1%}"
    assert f"recorded rewards agree with the task's rule in {share} of rows; the rule replaces them" in done.notes
    recipe = minari_store.metadata("lab/a-v0")[minari_store.OWN]["recipe"]
    assert recipe["agreement"] == pytest.approx(1 - wrong / 11)
    check = verify.replay.rule_reward(task, [], datasets.load_episodes(task, "lab/a-v0"), None, recipe)
    assert (check.state, share in check.found) == (state, True)


def test_what_was_clipped_on_the_way_in_is_a_finding(tmp_path: Path) -> None:
    held = brought.columns()
    imports.import_data(
        toy(), str(brought.npz(tmp_path / "a.npz", held | {"actions": 2 * held["actions"]})), "lab/a-v0"
    )
    raw, _, own = datasets.load_raw(toy(), "lab/a-v0")
    check = verify.content.actions(toy(), raw, own["recipe"]["clipped"])
    assert check.state == "warn"
    assert "lay outside [-1, 1] in the file that was imported, and were clipped" in check.found


class Rescaled(gymnasium.ObservationWrapper[Any, Any, Any]):
    """A task whose observations are not its simulator's own."""

    def __init__(self) -> None:
        super().__init__(PointEnv())

    def observation(self, observation: Any) -> Any:
        return 2 * observation


def recorded(task: Task, episodes: int) -> list[datasets.Episode]:
    env, out = gymnasium.make(task.id), []
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        obs, action = [env.reset(seed=seed)[0]], rng.uniform(-1, 1, (task.horizon, 2)).astype(np.float32)
        obs += [env.step(a)[0] for a in action]
        out.append(datasets.Episode(np.array(obs, np.float32), action, seed=seed))
    return out


def test_a_task_is_replayed_with_its_own_wrappers(monkeypatch: pytest.MonkeyPatch) -> None:
    gymnasium.register("rescaled-v0", f"{__name__}:Rescaled", max_episode_steps=8)
    try:
        task = toy("rescaled-v0", horizon=8)
        datasets.store(task, "lab/rescaled-v0", recorded(task, 4), {})
        report = verify.verify(task, "lab/rescaled-v0")
    finally:
        del gymnasium.registry["rescaled-v0"]
    check = next(c for c in report.checks if c.name == "replay")
    assert (check.state, "equal bit for bit" in check.found) == ("ok", True), check.found


def test_nothing_replayed_is_not_called_sound() -> None:
    report = verify.Report("x", 1, 1, 0, (verify.Check("numbers", "ok", ""), verify.Check("replay", "skipped", "")))
    assert (report.state, report.verdict.partition(":")[0]) == ("unchecked", "not checked")
    assert report.summary.endswith("nothing could be replayed in the environment (not checked: replay)")
