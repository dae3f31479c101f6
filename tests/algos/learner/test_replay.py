"""Replay: what is stored where, and which rows a draw can reach."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from algos.learner.build import stream_seed
from algos.learner.replay import COLUMNS, InitialStates, Layout, Replay

LAYOUT = Layout(obs_dim=2, action_dim=1)
OFFLINE, CAPACITY, SEEDS = 10, 6, 3
ALMOST_ONE = float(np.nextafter(1.0, 0.0))


def tagged(tags: Tensor) -> Tensor:
    """Rows whose every column is a tag: [...] -> [..., width]."""
    return tags[..., None].expand(*tags.shape, LAYOUT.width).float()


def replay(appended: int = 0, offline: int = OFFLINE, capacity: int = CAPACITY, demos: int = 4) -> Replay:
    """Offline rows 0, 1, ..; online row n of seed s is 100 (s + 1) + n."""
    out = Replay(
        LAYOUT,
        tagged(torch.arange(offline)),
        demos=demos,
        seeds=SEEDS,
        capacity=capacity,
        device=torch.device("cpu"),
    )
    for n in range(appended):
        out.append(tagged(100.0 * (torch.arange(SEEDS) + 1)[:, None] + n))
    return out


def reach(r: Replay, index: Tensor) -> list[list[int]]:
    """The tags of the rows that each seed's draw reached, without repeats."""
    return [sorted({int(x) for x in seed}) for seed in r.gather(index)[..., 0]]


def grid(n: int) -> Tensor:
    """Draws spread evenly over [0, 1), with both ends of what a generator can return: [SEEDS, n + 2]."""
    even = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.cat((torch.tensor([0.0, ALMOST_ONE], dtype=torch.float64), even)).expand(SEEDS, -1)


def test_rows_are_unpacked_as_they_were_packed() -> None:
    g = torch.Generator().manual_seed(0)
    parts = [torch.randn(2, 7, *tail, generator=g) for tail in ((4,), (3,), (), (4,), ())]
    parts[-1] = parts[-1] > 0
    layout = Layout(4, 3)
    rows = layout.pack(*parts)
    assert rows.shape == (2, 7, layout.width)
    batch = layout.batch(rows)
    for name, part in zip(("obs", "action", "reward", "next_obs", "terminated"), parts, strict=True):
        assert torch.equal(getattr(batch, name), part.float()), name


@pytest.mark.parametrize("names", [("ends",), ("next_action", "has_next"), tuple(COLUMNS)[::-1]])
def test_columns_follow_the_transition_and_come_back_by_name(names: tuple[str, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    layout = Layout(4, 3, names)
    parts = [torch.randn(2, 7, *tail, generator=g) for tail in ((4,), (3,), (), (4,), ())]
    more = {
        name: torch.randn((2, 7, 3) if COLUMNS[name] == "action" else (2, 7), generator=g) for name in sorted(COLUMNS)
    }
    rows = layout.pack(*parts, **more)  # a column that the layout does not name is left out
    assert rows.shape == (2, 7, layout.width)
    assert torch.equal(rows[..., :13], Layout(4, 3).pack(*parts))
    batch = layout.batch(rows)
    assert tuple(batch.columns) == names
    assert all(torch.equal(batch.columns[name], more[name]) for name in names)


def test_a_batch_whose_parts_do_not_fit_is_refused() -> None:
    batch = tiny.LAYOUT.batch(tiny.rows(4, seed=0)[None])
    with pytest.raises(ValueError, match=r"\(1, 4\).*'reward': \(1, 4, 1\)"):
        type(batch)(batch.obs, batch.action, batch.reward[..., None], batch.next_obs, batch.terminated)


def test_offline_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 5\), expected \[N, 7\]"):
        Replay(LAYOUT, torch.zeros(3, 5), demos=0, seeds=1, capacity=1, device=torch.device("cpu"))


@pytest.mark.parametrize("appended", [0, 1, 4, CAPACITY, CAPACITY + 1, 3 * CAPACITY + 2])
def test_every_filled_row_can_be_drawn_and_no_other(appended: int) -> None:
    """The ring keeps the newest rows, each seed sees its own, and all see the offline rows."""
    r = replay(appended)
    newest = range(max(0, appended - CAPACITY), appended)
    expected = [[*range(OFFLINE), *(100 * (s + 1) + n for n in newest)] for s in range(SEEDS)]
    assert reach(r, r.uniform_rows(grid(1000))) == expected


def test_blocks_wrap_around_the_ring_like_single_rows() -> None:
    one_by_one, block = replay(CAPACITY + 3), replay(4)
    block.append(tagged(100.0 * (torch.arange(SEEDS) + 1)[:, None] + torch.arange(4, 9)))
    assert torch.equal(block.rows, one_by_one.rows)
    assert (block.inserted, float(block.online_filled)) == (CAPACITY + 3, CAPACITY)


def test_uniform_draws_are_in_proportion_to_what_is_stored() -> None:
    r = replay(5)
    index = r.uniform_rows(grid(15 * 40)[:, 2:])
    tags, counts = r.gather(index)[1, :, 0].unique(return_counts=True)
    assert tags.tolist() == [*range(OFFLINE), *range(200, 205)]
    assert counts.tolist() == [40] * 15


@pytest.mark.parametrize("total", [1, 2, 3, 7, 8, 9, 1023, 1024, 1025, 999_999, 1_048_576, 1_500_001])
def test_the_largest_draw_stays_in_range(total: int) -> None:
    r = Replay(LAYOUT, torch.zeros(0, LAYOUT.width), demos=0, seeds=1, capacity=1, device=torch.device("cpu"))
    r.offline_in_use.fill_(total)
    assert int(r.uniform_rows(torch.full((1, 1), ALMOST_ONE, dtype=torch.float64))) == total - 1


def test_a_mixed_batch_has_a_fixed_share_of_offline_rows() -> None:
    r = replay(4)
    index = r.mixed_rows(grid(1000), 501)
    tags = r.gather(index)[..., 0]
    assert (tags[:, :501] < OFFLINE).all()
    assert (tags[:, 501:] >= 100).all()
    halves = grid(1000)
    mixed = r.mixed_rows(torch.cat((halves, halves), 1), halves.shape[1])
    assert reach(r, mixed) == [[*range(OFFLINE), *(100 * (s + 1) + n for n in range(4))] for s in range(SEEDS)]


def test_demonstrations_are_the_first_offline_rows() -> None:
    r = replay(4)
    assert reach(r, r.source_rows(grid(1000), "demos")) == [[0, 1, 2, 3]] * SEEDS
    assert torch.equal(r.source_rows(grid(50), "all"), r.uniform_rows(grid(50)))


def test_dropped_offline_rows_are_not_drawn_again() -> None:
    r = replay(4)
    r.drop_offline()
    assert reach(r, r.uniform_rows(grid(1000))) == [[100 * (s + 1) + n for n in range(4)] for s in range(SEEDS)]
    r.append(tagged(100.0 * (torch.arange(SEEDS) + 1)[:, None] + 4))
    assert reach(r, r.uniform_rows(grid(1000)))[2] == [300, 301, 302, 303, 304]


def test_a_gather_copies_the_rows_it_names() -> None:
    r = replay(2)
    index = torch.tensor([[0, 9, 10], [1, 16, 17], [2, 22, 23]])
    assert r.gather(index)[..., 0].tolist() == [[0, 9, 100], [1, 200, 201], [2, 300, 301]]
    r.gather(index).zero_()
    assert r.rows[9, 0] == 9


def in_order(r: Replay, newest: int | None = None, collected: int | None = None) -> list[list[int]]:
    return [[int(x) for x in seed] for seed in r.gather(r.in_order(newest, collected))[..., 0]]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("appended", [0, 1, CAPACITY, CAPACITY + 1, 3 * CAPACITY + 2])
def test_rows_in_order_are_the_offline_ones_and_then_the_collected_from_the_oldest_on(
    appended: int, dropped: bool
) -> None:
    r = replay(appended)
    if dropped:
        r.drop_offline()
    kept = [] if dropped else list(range(OFFLINE))
    online = range(max(0, appended - CAPACITY), appended)
    for s, rows in enumerate(in_order(r)):
        assert rows == [*kept, *(100 * (s + 1) + n for n in online)]
    for newest in (1, 3, CAPACITY, CAPACITY + 1, OFFLINE + CAPACITY, 1000):
        assert in_order(r, newest) == [rows[-newest:] for rows in in_order(r)]
        assert in_order(r, collected=newest) == [
            rows[: len(kept)] + rows[len(kept) :][-newest:] for rows in in_order(r)
        ]


def test_a_replay_without_a_ring_has_an_order_too() -> None:
    assert in_order(replay(capacity=0), 3) == [[7, 8, 9]] * SEEDS


@pytest.mark.parametrize("name", ["reward", "terminated", "ends", "return_to_go"])
def test_one_number_of_each_row_is_the_one_that_a_batch_shows(name: str) -> None:
    layout = Layout(4, 3, ("next_action", "ends", "return_to_go"))
    g = torch.Generator().manual_seed(0)
    r = Replay(
        layout, torch.randn(9, layout.width, generator=g), demos=0, seeds=2, capacity=3, device=torch.device("cpu")
    )
    r.append(torch.randn(2, 3, layout.width, generator=g))
    index = r.in_order()[:, torch.tensor([3, 11, 0, 3])]
    batch = layout.batch(r.gather(index))
    expected = batch.columns[name] if name in layout.columns else getattr(batch, name)
    assert torch.equal(r.number(name, index), expected)


def first_states(offline: int, appended: int, capacity: int = 4) -> InitialStates:
    """Offline states 0, 1, ..; collected state n of seed s is 100 (s + 1) + n."""
    out = InitialStates(torch.arange(offline).float()[:, None], SEEDS, capacity, torch.device("cpu"))
    for n in range(appended):
        out.append(100.0 * (torch.arange(SEEDS).float() + 1)[:, None, None] + n)
    return out


@pytest.mark.parametrize(("offline", "appended"), [(5, 0), (5, 1), (5, 4), (5, 11), (0, 1), (0, 4), (0, 11)])
def test_every_first_state_can_be_drawn_and_no_other(offline: int, appended: int) -> None:
    """Offline ones by all seeds; of the collected ones the newest four, by the seed that collected them."""
    drawn = first_states(offline, appended).draw(grid(1000))
    assert drawn.shape == (SEEDS, 1002, 1)
    newest = range(max(0, appended - 4), appended)
    for s in range(SEEDS):
        expected = [*range(offline), *(100 * (s + 1) + n for n in newest)]
        assert sorted({int(x) for x in drawn[s, :, 0]}) == expected


def test_first_states_are_drawn_in_proportion_to_what_is_stored() -> None:
    drawn = first_states(offline=5, appended=3).draw(grid(8 * 40)[:, 2:])
    tags, counts = drawn[1, :, 0].unique(return_counts=True)
    assert tags.tolist() == [0, 1, 2, 3, 4, 200, 201, 202]
    assert counts.tolist() == [40] * 8


def test_blocks_of_first_states_wrap_around_like_single_ones() -> None:
    block = first_states(offline=2, appended=3)
    block.append(100.0 * (torch.arange(SEEDS).float() + 1)[:, None, None] + torch.arange(3.0, 6.0)[:, None])
    assert torch.equal(block.online, first_states(offline=2, appended=6).online)
    assert (block.inserted, float(block.filled)) == (6, 4)


def test_appending_more_rows_than_fit_is_an_error() -> None:
    r = replay()
    with pytest.raises(ValueError, match="7 rows do not fit a ring of 6"):
        r.append(torch.zeros(SEEDS, CAPACITY + 1, LAYOUT.width))
    assert r.inserted == 0


@pytest.mark.parametrize(("fraction", "offline_rows"), [(0.0, 0), (0.25, 8), (0.5, 16), (1.0, 32)])
def test_a_learner_mixes_only_online(fraction: float, offline_rows: int) -> None:
    offline = tiny.rows(tiny.OFFLINE, seed=1)
    offline[:, 0] = 1e6
    learner = tiny.learner("awac", offline=offline, offline_fraction=fraction)
    batch, _ = learner.draw()
    assert (batch.obs[..., 0] == 1e6).all()
    learner = tiny.learner("awac", phase="online", offline=offline, offline_fraction=fraction)
    batch, _ = learner.draw()
    assert (batch.obs[..., 0] == 1e6).sum(1).tolist() == [offline_rows] * len(tiny.SEEDS)


def test_streams_of_a_seed_and_of_different_seeds_differ() -> None:
    streams = [stream_seed(seed, stream) for seed in range(50) for stream in ("init", "learn")]
    assert len(set(streams)) == 100
    assert all(0 <= s < 2**63 for s in streams)
    batch, noise = tiny.learner("awac").draw()
    assert noise.next_action is not None
    assert not torch.equal(noise.next_action[0], noise.next_action[1])
    assert not torch.equal(batch.obs[0], batch.obs[1])


def test_rows_are_spread_evenly_over_a_source() -> None:
    """All of them where there are few, else evenly spaced ones; online each seed's own, also in a ring that is full."""
    r = replay(appended=4)
    assert reach(r, r.spread_rows("offline", 100)) == [list(range(OFFLINE))] * SEEDS
    assert reach(r, r.spread_rows("offline", 5)) == [[0, 2, 4, 6, 8]] * SEEDS
    assert reach(r, r.spread_rows("offline", 3)) == [[0, 3, 6]] * SEEDS
    assert reach(r, r.spread_rows("online", 100)) == [[100 * s + n for n in range(4)] for s in (1, 2, 3)]
    assert reach(r, r.spread_rows("online", 2)) == [[100 * s + n for n in (0, 2)] for s in (1, 2, 3)]
    full = replay(appended=CAPACITY + 2)
    assert reach(full, full.spread_rows("online", 100)) == [[100 * s + n for n in range(2, 8)] for s in (1, 2, 3)]
    for source, none in (("online", replay()), ("offline", replay(offline=0, demos=0))):
        assert none.spread_rows(source, 100).shape == (SEEDS, 0)  # type: ignore[arg-type]
