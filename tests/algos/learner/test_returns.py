"""What is computed along episodes, against sums written out and rows laid by hand."""

from __future__ import annotations

import numpy as np
import pytest

from algos.learner.replay import COLUMNS, columns, next_actions, returns_to_go

GAMMA = 0.9


def flags(*at: int, n: int) -> np.ndarray:
    return np.isin(np.arange(n), at)


def written_out(rewards: list[float], ends_truly: bool) -> list[float]:
    """Returns to go of one episode, term by term; a cut episode goes on with its last reward for ten thousand steps."""
    whole = rewards if ends_truly else rewards + [rewards[-1]] * 10_000
    return [sum(GAMMA**k * r for k, r in enumerate(whole[t:])) for t in range(len(rewards))]


def test_returns_to_go_are_the_sums_written_out() -> None:
    lives, cut, again = [1.0, -2.0, 0.5], [0.0, -1.0], [3.0]
    reward = np.array(lives + cut + again, np.float32)
    ends, terminated = flags(2, 4, 5, n=6), flags(2, 5, n=6)
    expected = written_out(lives, True) + written_out(cut, False) + written_out(again, True)
    assert returns_to_go(reward, terminated, ends, GAMMA) == pytest.approx(np.array(expected), rel=1e-5)


def test_a_reward_that_never_changes_is_worth_the_same_everywhere_in_a_cut_episode() -> None:
    out = returns_to_go(np.full(50, -1.0, np.float32), flags(n=50), flags(49, n=50), 0.99)
    assert out == pytest.approx(np.full(50, -100.0), rel=1e-5)


def test_where_rewards_do_not_settle_the_sum_ends_where_an_episode_was_cut() -> None:
    """A runner that earns 1 in each step, cut off 20 steps before it falls, has not earned 1 for ever."""
    reward, ends, terminated = np.ones(60, np.float32), flags(39, 59, n=60), flags(59, n=60)
    out = returns_to_go(reward, terminated, ends, GAMMA, settles=False)
    expected = written_out([1.0] * 40, True) + written_out([1.0] * 20, True)
    assert out == pytest.approx(np.array(expected), rel=1e-5)


def test_seeds_are_computed_apart() -> None:
    rng = np.random.default_rng(0)
    reward = rng.standard_normal((3, 20)).astype(np.float32)
    ends, terminated = rng.random((3, 20)) < 0.3, rng.random((3, 20)) < 0.15
    action = rng.standard_normal((3, 20, 2)).astype(np.float32)
    ends |= terminated
    ends[:, -1] = True
    returns = returns_to_go(reward, terminated, ends, GAMMA)
    following, has_next = next_actions(action, ends)
    for s in range(3):
        assert np.array_equal(returns[s], returns_to_go(reward[s], terminated[s], ends[s], GAMMA))
        alone, has_one = next_actions(action[s], ends[s])
        assert np.array_equal(following[s], alone)
        assert np.array_equal(has_next[s], has_one)


def test_the_next_action_is_that_of_the_following_row_of_the_same_episode() -> None:
    action = np.array([[1, 10], [2, 20], [3, 30], [4, 40]], np.float32)
    following, has_next = next_actions(action, flags(1, 3, n=4))
    assert following.tolist() == [[2, 20], [0, 0], [4, 40], [0, 0]]
    assert has_next.tolist() == [1, 0, 1, 0]


def test_the_last_row_has_no_next_action_even_where_its_episode_goes_on() -> None:
    ends = flags(n=3)
    following, has_next = next_actions(np.ones((3, 1), np.float32), ends)
    assert has_next.tolist() == [1, 1, 0]
    assert following[-1] == 0
    assert not ends.any()  # the caller's flags are not written to


@pytest.mark.parametrize("names", [(), ("has_next",), ("ends", "return_to_go"), tuple(COLUMNS)])
def test_exactly_the_named_columns_come_back_in_their_order(names: tuple[str, ...]) -> None:
    reward, action = np.ones(4, np.float32), np.ones((4, 2), np.float32)
    out = columns(names, action, reward, flags(1, n=4), flags(1, 3, n=4), GAMMA)
    assert tuple(out) == names
    for name, column in out.items():
        assert column.dtype == np.float32
        assert column.shape == ((4, 2) if COLUMNS[name] == "action" else (4,))
    if "ends" in names:
        assert out["ends"].tolist() == [0, 1, 0, 1]
