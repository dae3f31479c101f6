"""Hindsight: which goals relabelled rows get, against rows whose goals say where they come from."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import tiny
import torch
from asked import resolve
from toy_run import TASK, experiment, registered, train
from updates import followed_by

from algos.contract import Needs
from algos.learner.actor_critic import ActorCritic
from algos.learner.hindsight import Hindsight, Relabeller
from algos.learner.replay import Layout, Replay, columns, steps_left
from algos.learner.sampling import Sampler
from algos.settings import SettingError
from envs.tasks import TASKS, Goal

Tensor = torch.Tensor

# observation: the row's own number, what was reached, what was wanted. The state after t steps of episode e has
# reached 100 e + t, so that a goal says where it was taken from.
LAYOUT = Layout(obs_dim=3, action_dim=1, columns=("steps_left",))
WANTED, RECORDED = -5.0, 77.0
CPU = torch.device("cpu")


def squared(achieved: Tensor, desired: Tensor) -> Tensor:
    return -((achieved - desired) ** 2).sum(-1)


def hindsight(share: float) -> Hindsight:
    return Hindsight((1,), (2,), squared, share)


def episode(number: int, steps: int) -> Tensor:
    """The rows of one episode: [T, width]."""
    t = torch.arange(steps, dtype=torch.float32)
    own, wanted = 1000 * number + t, torch.full((steps,), WANTED)
    obs = torch.stack((own, 100 * number + t, wanted), -1)
    next_obs = torch.stack((own, 100 * number + t + 1, wanted), -1)
    reward = torch.full((steps,), RECORDED)
    return LAYOUT.pack(obs, own[:, None], reward, next_obs, torch.zeros(steps), steps_left=steps - t)


def episodes(*numbered: tuple[int, int]) -> Tensor:
    return torch.cat([episode(*one) for one in numbered])


def replay(offline: Tensor, seeds: int = 1, capacity: int = 0) -> Replay:
    return Replay(LAYOUT, offline, demos=0, seeds=seeds, capacity=capacity, device=CPU)


def even(n: int) -> Tensor:
    """Draws spread evenly over [0, 1)."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def relabelled(r: Replay, row: Tensor, u: Tensor, share: float) -> Any:
    """Each row number [S, B] with each of the draws [n], as a batch [S, B n]."""
    index = row.repeat_interleave(len(u), dim=1)
    draws = u.repeat(row.shape[1]).expand(len(row), -1)
    return LAYOUT.batch(Relabeller(hindsight(share), LAYOUT, CPU).gather(r, index, draws))


# the column


def test_steps_left_count_down_to_one_in_the_last_row_of_an_episode() -> None:
    ends = np.array([[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 1]], np.bool_)
    assert steps_left(ends).tolist() == [[3, 2, 1, 1, 2, 1], [2, 1, 4, 3, 2, 1]]
    blank = np.zeros((2, 6), np.float32)
    found = columns(("steps_left",), blank[..., None], blank, blank > 0, ends, 0.99)["steps_left"]
    assert np.array_equal(found, steps_left(ends))
    assert found.dtype == np.float32


# which goal


@pytest.mark.parametrize("share", [0.25, 0.8, 1.0])
def test_every_later_state_of_the_episode_is_as_likely_and_no_other_is_drawn(share: float) -> None:
    """60 draws below the share for 1 to 5 later states: exactly 60, 30, 20, 15 or 12 of each."""
    r = replay(episodes((1, 3), (2, 5), (3, 1), (4, 4)))
    total = round(60 / share)
    for row in range(r.offline):
        number, step = divmod(int(r.rows[row, 0]), 1000)
        left = int(r.rows[row, -1])
        goals = Counter(relabelled(r, torch.tensor([[row]]), even(total), share).obs[0, :, 2].tolist())
        kept = goals.pop(WANTED, 0)
        assert kept == total - 60
        assert goals == {100.0 * number + step + 1 + k: 60 // left for k in range(left)}


def test_the_ends_of_what_a_generator_returns_stay_within_the_episode() -> None:
    r = replay(episodes((1, 3), (2, 7)))
    ends = torch.tensor([0.0, np.nextafter(0.7, 0.0), np.nextafter(1.0, 0.0)], dtype=torch.float64)
    for share, expected in ((0.7, [201, 207, WANTED]), (1.0, [201, 205, 207])):
        goals = relabelled(r, torch.tensor([[3]]), ends, share).obs[0, :, 2]
        assert goals.tolist() == expected


def test_a_relabelled_row_has_the_goal_in_both_observations_and_the_reward_of_arriving() -> None:
    r = replay(episodes((1, 4)))
    batch = relabelled(r, torch.tensor([[1]]), torch.tensor([0.5, 0.9], dtype=torch.float64), 0.8)
    # u = 0.5 is 0.625 of the share: of the states after 2, 3 and 4 steps the second
    assert batch.obs.tolist() == [[[1001, 101, 103], [1001, 101, WANTED]]]
    assert batch.next_obs.tolist() == [[[1001, 102, 103], [1001, 102, WANTED]]]
    assert batch.reward.tolist() == [[-1.0, RECORDED]]  # -(102 - 103)^2; the other row keeps what was recorded
    assert batch.action.tolist() == [[[1001], [1001]]]
    assert (r.rows[:, 2] == WANTED).all(), "the stored rows are left alone"


def test_goals_of_several_entries_are_taken_in_the_order_given() -> None:
    layout = Layout(5, 1, ("steps_left",))
    obs = torch.tensor([[1.0, 2, 3, 0, 0], [4, 5, 6, 0, 0]])
    rows = layout.pack(obs, obs[:, :1], obs[:, 0], obs + 10, torch.zeros(2), steps_left=torch.tensor([2, 1]))
    r = Replay(layout, rows, demos=0, seeds=1, capacity=0, device=CPU)
    relabeller = Relabeller(Hindsight((2, 0), (3, 4), squared, 1.0), layout, CPU)
    batch = layout.batch(relabeller.gather(r, torch.tensor([[0]]), torch.tensor([[0.75]], dtype=torch.float64)))
    assert batch.obs.tolist() == [[[1, 2, 3, 16, 14]]]
    assert batch.next_obs.tolist() == [[[11, 12, 13, 16, 14]]]
    assert batch.reward.tolist() == [[-((13 - 16) ** 2 + (11 - 14) ** 2)]]


def test_a_ring_that_wraps_never_gives_a_row_the_goal_of_another_episode() -> None:
    """After every append, every row that is left, of every seed, with 60 draws: its own episode's later states."""
    rng = np.random.default_rng(0)
    r, number = replay(episodes((1, 2)), seeds=2, capacity=13), 10
    seen_wrapped = False
    for _ in range(25):
        lengths = rng.integers(1, 6, 2)  # episodes of different lengths, some cut by the ring's end
        r.append(torch.stack([episodes(*((number + 500 * s + k, n) for k, n in enumerate(lengths))) for s in (0, 1)]))
        number += 2
        filled = torch.arange(min(r.inserted, r.capacity))
        batch = relabelled(r, r._start + filled, even(60), 1.0)
        own, step = batch.obs[..., 0] // 1000, batch.obs[..., 0] % 1000
        last = torch.tensor([[int(x) for x in r.gather(r._start + filled)[s, :, -1]] for s in (0, 1)])
        goal = batch.obs[..., 2]
        assert torch.equal(goal // 100, own)
        assert (goal % 100 > step).all()
        assert (goal % 100 <= step + last.repeat_interleave(60, dim=1)).all()
        for s in (0, 1):
            for row in range(len(filled)):
                reached = set(goal[s, 60 * row : 60 * (row + 1)].tolist())
                assert len(reached) == last[s, row]
        at = (r._start + filled)[0]
        jumps = r.rows[at[-1], 0] // 1000 == r.rows[at[0], 0] // 1000
        seen_wrapped |= bool(jumps) and r.inserted > r.capacity
    assert seen_wrapped, "no episode ever lay across the ring's end"


# the sampler


def sampler(
    share: float | None, seeds: tuple[int, ...] = (3, 7), batch: int = 64, normalise_obs: bool = False, **needs: Any
) -> Sampler:
    offline = episodes(*((n, 1 + n % 6) for n in range(1, 60)))
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    return Sampler(
        Needs(action_samples=1, **needs),
        layout=LAYOUT,
        replay=replay(offline, len(seeds)),
        batch_size=batch,
        generators=generators,
        device=CPU,
        hindsight=None if share is None else hindsight(share),
        normalise_obs=normalise_obs,
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_relabelled_rows(share: float) -> None:
    """Within five standard deviations of the binomial, and exactly none or all at the ends."""
    batch, _ = sampler(share, batch=20_000).draw()
    found = (batch.obs[..., 2] != WANTED).double().mean(1)
    assert found == pytest.approx([share] * 2, abs=5 * np.sqrt(share * (1 - share) / 20_000))


def test_drawn_offsets_are_uniform_over_the_rest_of_the_episode() -> None:
    """Chi-squared of thousands of rows per number of later states, below its 1e-6 quantile for 5 degrees of freedom."""
    batch, _ = sampler(1.0, seeds=(5,), batch=100_000).draw()
    left, ahead = batch.columns["steps_left"][0], batch.obs[0, :, 2] - batch.obs[0, :, 1]
    for n in range(2, 7):
        counts = torch.bincount(ahead[left == n].long(), minlength=n + 1)[1:].double()
        assert len(counts) == n
        expected = counts.sum() / n
        assert expected > 500
        assert ((counts - expected) ** 2 / expected).sum() < 36.0


def test_without_relabelled_rows_only_the_extra_draws_differ() -> None:
    """her_future=0: the batches of a task without goals, if that task's streams skip one number per row and batch."""
    plain, none = sampler(None), sampler(0.0)
    for _ in range(3):
        (batch, noise), (again, same) = plain.draw(), none.draw()
        for name in ("obs", "action", "reward", "next_obs", "terminated"):
            assert torch.equal(getattr(batch, name), getattr(again, name)), name
        assert noise.action is not None
        assert same.action is not None
        assert torch.equal(noise.action, same.action)
        for generator in plain.generators:
            torch.empty(64, dtype=torch.float64).uniform_(generator=generator)


def test_a_seed_is_relabelled_alike_alone_and_packed() -> None:
    together, _ = sampler(0.8, (3, 7, 11)).draw()
    for k, seed in enumerate((3, 7, 11)):
        alone, _ = sampler(0.8, (seed,)).draw()
        assert torch.equal(alone.obs[0], together.obs[k])
        assert torch.equal(alone.reward[0], together.reward[k])
    assert not torch.equal(together.obs[0], together.obs[1])


def test_observations_are_standardised_after_relabelling() -> None:
    plain, scaled = sampler(1.0), sampler(1.0, normalise_obs=True)
    (batch, _), (again, _) = plain.draw(), scaled.draw()
    torch.testing.assert_close(again.obs, scaled.scaled(batch.obs))
    assert not torch.equal(again.obs, batch.obs)
    assert torch.equal(again.reward, batch.reward)


def test_demonstrations_beside_the_batch_keep_their_goals() -> None:
    made = sampler(1.0, demo_batch=16)
    made.rows().demos = 20
    batch, _ = made.draw()
    assert batch.demo is not None
    assert (batch.obs[..., 2] != WANTED).all()
    assert (batch.demo.obs[..., 2] == WANTED).all()
    assert (batch.demo.reward == RECORDED).all()


@pytest.mark.parametrize("column", ["return_to_go", "ends"])
def test_rows_that_stand_for_more_than_themselves_are_not_relabelled(column: str) -> None:
    with pytest.raises(ValueError, match="rows that carry returns"):
        sampler(0.5, columns=(column,))
    assert not Needs(columns=("next_action", column)).single_rows
    assert Needs(columns=("next_action", "has_next")).single_rows


# the learner

TINY = Hindsight((0, 1), (3, 4), squared, 0.8)


@pytest.mark.parametrize("phase", ["offline", "online"])
@pytest.mark.parametrize("name", ["awac", "sac", "rebrac"])
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Any) -> None:
    assert tiny.alone_against_packed(name, phase, hindsight=TINY) < 5e-6


def test_a_learner_learns_from_relabelled_rows() -> None:
    """The same draws with and without them lead elsewhere."""
    none, all_ = (tiny.learner("awac", hindsight=dataclasses.replace(TINY, share=s)) for s in (0.0, 1.0))
    for learner in (none, all_):
        learner.run(2)
    assert tiny.changed(tiny.parameters(none), tiny.parameters(all_))


def test_an_update_never_asks_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = tiny.learner("awac", phase="online", hindsight=TINY)
    learner.run(1)

    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("an update read a tensor on the host")

    with monkeypatch.context() as patch:
        for method in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__", "nonzero"):
            patch.setattr(Tensor, method, refuse)
        for maker in ("tensor", "as_tensor", "asarray", "from_numpy"):
            patch.setattr(torch, maker, refuse)
        learner.run(2)
    assert learner.finite().all()


# the experiment


def test_methods_that_learn_from_single_rows_are_relabelled_on_tasks_with_goals() -> None:
    for name in ("awac", "sac", "bc", "cql", "iql", "rebrac", "td3-bc", "rlpd"):
        e = resolve(name, "sawyer-push", (0,))
        assert e.hindsight == Hindsight((2, 3), (4, 5), TASKS["sawyer-push-v0"].goal.reward, 0.8, 0.0), name
        assert e.layout.columns[-1] == "steps_left"
    for name in ("awr", "marwil", "marwil-rllib", "cal-ql", "ppo", "trpo", "dapg", "rwr"):
        e = resolve(name, "sawyer-push", (0,))
        assert e.hindsight is None, name
        assert "steps_left" not in e.layout.columns
    assert resolve("awac", "door-binary", (0,)).hindsight is None
    assert resolve("awac", "door-binary", (0,)).layout.columns == ()


def test_the_share_is_a_setting_of_tasks_with_goals() -> None:
    e = resolve("awac", "sawyer-push", (0,), overrides=["her_future=0.5"])
    assert e.hindsight is not None
    assert e.hindsight.share == 0.5
    assert e.settings["her_future"] == {"value": 0.5, "source": "--set"}
    assert "her_future" not in resolve("awac", "door-binary", (0,)).settings
    with pytest.raises(SettingError, match=r"her_future=1\.5: must be in \[0, 1\]"):
        resolve("awac", "sawyer-push", (0,), overrides=["her_future=1.5"])
    with pytest.raises(SettingError, match="--set her_future: door-binary-v0 has no goals to exchange"):
        resolve("awac", "door-binary", (0,), overrides=["her_future=0.5"])


def test_a_run_with_hindsight_that_is_killed_and_resumed_leaves_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online rows go through checkpoints with their steps left, into a ring that wraps."""
    with registered():
        monkeypatch.setitem(TASKS, TASK.id, dataclasses.replace(TASK, goal=Goal((0,), (2,))))
        cell = experiment("awac", buffer_size=20)
        assert cell.hindsight is not None
        whole = train(cell, tmp_path / "whole")

        def interrupt(learner: ActorCritic, number: int) -> None:
            if number == 18:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(ActorCritic, "update", followed_by(interrupt))
            with pytest.raises(KeyboardInterrupt):
                train(cell, tmp_path / "cut")
        assert train(cell, tmp_path / "cut") == whole
        assert train(experiment("awac", buffer_size=20, her_future=0.0), tmp_path / "none") != whole


def test_fresh_goals_are_those_of_other_rows_and_leave_the_others_alone() -> None:
    """Half of the rows keep their goal where a quarter each is relabelled in the one way and the other."""
    offline = episodes(*((n, 1 + n % 6) for n in range(1, 60)))
    offline[:, 2:3] = 1e5 + torch.arange(len(offline))[:, None]  # the goal that the environment gave
    store = replay(offline, 2)
    index = torch.arange(len(offline)).repeat(2, 40)
    u = torch.rand(2, index.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = Relabeller(Hindsight((1,), (2,), squared, 0.25, 0.25), LAYOUT, CPU).gather(store, index, u)
    batch = LAYOUT.batch(rows)
    goal, own = batch.obs[..., 2], offline[index][..., 2]
    future, fresh = u < 0.25, (u >= 0.25) & (u < 0.5)
    assert torch.equal(goal[~(future | fresh)], own[~(future | fresh)])
    assert (goal[future] < 1e5).all()
    given = goal[fresh]
    assert (given >= 1e5).all()
    assert len(given.unique()) > 0.9 * len(offline)
    assert (given == own[fresh]).double().mean() < 0.05, "that of another row"
    torch.testing.assert_close(batch.next_obs[..., 2], goal)
    expected = squared(batch.next_obs[..., 1:2], goal[..., None])
    torch.testing.assert_close(batch.reward[future | fresh], expected[future | fresh])
