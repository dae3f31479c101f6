"""Iterations of stages: their sequence, what is prepared and when, their rows, and a resume in the middle of one."""

from __future__ import annotations

import copy
import dataclasses
import io
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from algos.contract import Stage
from algos.learner.actor_critic import ActorCritic
from algos.learner.build import stream_seed
from algos.learner.iteration import Iteration, shuffled_passes

S = len(tiny.SEEDS)
CPU = torch.device("cpu")
TWO_AND_THREE: dict[str, Any] = {"value_updates": 2, "policy_updates": 3}


def rows_of(learner: ActorCritic, seed: int) -> Tensor:
    """New online rows of every seed."""
    return torch.stack([tiny.rows(tiny.ONLINE, seed=seed + s, layout=learner.layout) for s in learner.seeds])


def collect(learner: ActorCritic, seed: int = 500) -> None:
    """Another iteration's rows; the ring of 64 wraps around."""
    assert learner.replay is not None
    learner.replay.append(rows_of(learner, seed))


# the sequence


def test_stages_follow_each_other_and_iterations_are_counted() -> None:
    iteration = Iteration([Stage("a", 2, ()), Stage("b", 1, ()), Stage("c", 3, ())], seeds=S, capacity=4, device=CPU)
    seen = []
    for _ in range(13):
        stage, done = iteration.now()
        seen.append((iteration.number, stage.name, done))
        iteration.advance(1)
    once = [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1), ("c", 2)]
    assert seen == [(n, *at) for n in range(3) for at in once][:13]
    assert (iteration.updates, iteration.done, iteration.number) == (6, 1, 2)


def test_an_iteration_of_no_updates_has_no_stage() -> None:
    with pytest.raises(RuntimeError, match="without updates"):
        Iteration([Stage("a", 0, ())], seeds=S, capacity=4, device=CPU).now()


def recorded(learner: ActorCritic) -> list[str]:
    """What the learner does from now on: stages that begin, in brackets, and the stage of every update."""
    log: list[str] = []
    begin, update = learner.begin, learner.update

    def begins(stage: Stage) -> None:
        log.append(f"[{stage.name}]")
        begin(stage)

    def updates(*arguments: Any) -> None:
        log.append(learner.stage.name if learner.stage is not None else "none")
        update(*arguments)

    learner.begin, learner.update = begins, updates  # type: ignore[method-assign]
    return log


@pytest.mark.parametrize("parts", [[1] * 12, [12], [3, 3, 3, 3], [4, 1, 7]])
def test_a_stage_begins_once_whatever_the_updates_are_asked_for_in(parts: list[int]) -> None:
    learner, whole = (tiny.learner("awr", settings=TWO_AND_THREE) for _ in range(2))
    log = recorded(learner)
    for n in parts:
        learner.run(n)
    iteration = ["[value]", "value", "value", "[policy]", "policy", "policy", "policy"]
    assert log == [*iteration, *iteration, "[value]", "value", "value"]
    assert (learner.iteration.number, learner.iteration.done) == (2, 2)
    assert (learner.updates, learner.stage) == (12, None)
    whole.run(12)
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(whole))
    ours, theirs = learner.read_metrics(), whole.read_metrics()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_the_switch_begins_a_new_iteration() -> None:
    learner = tiny.learner("awr", settings=TWO_AND_THREE)
    learner.run(8)
    tiny.switch(learner)
    log = recorded(learner)
    learner.run(1)
    assert log == ["[value]", "value"]
    assert learner.iteration.number == 0


def test_metrics_of_a_stage_are_means_over_its_own_updates() -> None:
    learner = tiny.learner("awr", settings=TWO_AND_THREE)
    losses: dict[str, list[Tensor]] = {"actor_loss": [], "value_loss": []}
    add = learner.meter.add

    def told(metrics: Any, stage: str | None, every: int = 1) -> None:
        add(metrics, stage, every)
        for name in losses.keys() & metrics.keys():
            losses[name].append(metrics[name].detach())

    learner.meter.add = told  # type: ignore[method-assign]
    learner.run(7)
    assert {name: len(values) for name, values in losses.items()} == {"actor_loss": 3, "value_loss": 4}
    metrics = learner.read_metrics()
    for name, values in losses.items():
        assert metrics[name] == pytest.approx(torch.stack(values).mean(0).numpy(), rel=1e-5)
    learner.run(3)
    assert "value_loss" not in learner.read_metrics()


# what is prepared


def test_columns_stay_as_they_are_within_a_stage_and_are_made_anew_at_its_start() -> None:
    learner = tiny.learner("awr", settings=TWO_AND_THREE)
    seen: dict[str, list[Tensor]] = {"target": [], "weight": []}
    stages = ["value"] * 2 + ["policy"] * 3
    for stage in stages * 2:
        learner.run(1)
        name = "target" if stage == "value" else "weight"
        seen[name].append(learner.iteration.columns[name].clone())
    for name, length in (("target", 2), ("weight", 3)):
        first, second = seen[name][:length], seen[name][length:]
        assert all(torch.equal(first[0], x) for x in first)
        assert all(torch.equal(second[0], x) for x in second)
        assert ((first[0] != second[0]).float().mean(1) > 0.5).all(), "every seed's are computed anew"


def test_what_is_prepared_is_computed_with_the_networks_as_they_are_when_the_stage_begins() -> None:
    learner = tiny.learner("awr", settings=TWO_AND_THREE)
    learner.run(5)
    before = copy.deepcopy(learner.nets)
    learner.run(2)  # V learns from targets of the V before
    paths = learner.sampler.trajectories(learner.iteration)
    expected = learner.objective.prepare(learner.cfg, before, "value", paths, learner.learner)["target"].detach()
    assert torch.equal(learner.iteration.columns["target"][:, : tiny.OFFLINE], expected)
    now = learner.objective.prepare(learner.cfg, learner.nets, "value", paths, learner.learner)["target"]
    assert not torch.equal(now, expected)


def test_a_batch_holds_the_prepared_numbers_of_its_own_rows() -> None:
    """A prepared column that says which row it is of."""
    learner = tiny.learner("awr", phase="online", settings=TWO_AND_THREE)
    assert learner.replay is not None
    collect(learner)
    learner.objective = dataclasses.replace(
        learner.objective, prepare=lambda cfg, nets, stage, paths, common: {"tag": 10 * paths.reward + 7}
    )
    stage, _ = learner.iteration.now()
    learner.begin(stage)
    learner.stage = stage
    batch, _ = learner.draw()
    assert torch.equal(batch.columns["tag"], 10 * batch.reward + 7)
    assert set(batch.columns) == {"ends", "tag"}


@pytest.mark.parametrize("ignored", [False, True])
def test_true_ends_can_be_made_to_look_like_cuts(ignored: bool) -> None:
    learner = tiny.learner("awr", common={"bootstrap_through_terminals": ignored})
    given = []
    original = learner.objective.prepare
    learner.objective = dataclasses.replace(
        learner.objective, prepare=lambda *arguments: given.append(arguments[3]) or original(*arguments)
    )
    learner.run(1)
    assert bool(given[0].terminated.any()) != ignored
    assert given[0].ends.sum() > tiny.OFFLINE / tiny.EPISODE, "rows that end truly stay the last of their episodes"


# which rows


def window(learner: ActorCritic) -> Tensor:
    """Rewards of the rows that a stage has before it: [S, N]."""
    learner.run(1)
    return learner.sampler.trajectories(learner.iteration).reward


def rewards(rows: Tensor) -> Tensor:
    return rows[..., tiny.LAYOUT.obs_dim + tiny.LAYOUT.action_dim]


def marked(learner: ActorCritic) -> tuple[Tensor, Tensor]:
    """Give every row of the replay a reward of its own; those of the offline rows, and of the online ones in time."""
    replay = learner.replay
    assert replay is not None
    at = replay.layout.offset("reward")
    replay.rows[:, at] = torch.arange(len(replay.rows), dtype=torch.float32) / 100
    offline = replay.rows[: replay.offline, at]
    ring = replay.rows[replay.offline :, at].view(S, replay.capacity)
    newest = (torch.arange(replay.inserted - min(replay.inserted, replay.capacity), replay.inserted)) % replay.capacity
    return offline, ring[:, newest]


@pytest.mark.parametrize("appended", [1, 2, 3])
def test_all_rows_lie_before_a_stage_in_the_order_of_time(appended: int) -> None:
    learner = tiny.learner("awr", phase="online")
    for n in range(appended - 1):
        collect(learner, 500 + 10 * n)
    offline, online = marked(learner)
    torch.testing.assert_close(window(learner), torch.cat((offline.expand(S, -1), online), dim=1))


@pytest.mark.parametrize("size", [1, 30, 64, 65, 100, 160, 10_000])
def test_a_window_holds_offline_rows_and_the_newest_collected_ones(size: int) -> None:
    learner = tiny.learner("awr", phase="online", settings={"replay_size": size})
    collect(learner)
    offline, online = marked(learner)
    expected = torch.cat((offline.expand(S, -1), online[:, -size:]), dim=1)
    torch.testing.assert_close(window(learner), expected)
    seen = set()
    for _ in range(50):
        learner.stage = learner.iteration.stages[0]
        seen |= set(learner.draw()[0].reward.flatten().tolist())
    assert seen <= set(expected.flatten().tolist())


def test_a_method_of_fresh_data_sees_what_the_last_iteration_collected() -> None:
    learner = tiny.learner("rwr", phase="online")
    for n in range(3):
        _, online = marked(learner)
        learner.begin(learner.iteration.stages[0])
        torch.testing.assert_close(learner.sampler.trajectories(learner.iteration).reward, online[:, -tiny.ONLINE :])
        collect(learner, 500 + 10 * n)


def test_a_stage_is_not_drawn_for_without_its_iteration() -> None:
    learner = tiny.learner("awr", phase="online")
    stage = learner.iteration.stages[0]
    learner.begin(stage)
    with pytest.raises(AssertionError, match="the rows of its iteration"):
        learner.sampler.draw(stage)


def test_dropped_offline_rows_leave_the_window() -> None:
    learner = tiny.learner("awr", phase="online")
    assert learner.replay is not None
    learner.replay.drop_offline()
    _, online = marked(learner)
    torch.testing.assert_close(window(learner), online)


def test_each_stage_has_a_batch_of_its_own_size() -> None:
    learner = tiny.learner("awr")
    stages = (Stage("value", 1, ("value",), 7), Stage("policy", 1, ("policy",)), Stage("value", 1, ("value",), 9, True))
    learner.objective = dataclasses.replace(learner.objective, stages=lambda *_: stages)
    learner.set_phase("offline")
    assert [batch.reward.shape for _, batch, _ in tiny.draws(learner)] == [
        (S, 7),
        (S, tiny.SMALL["batch_size"]),
        (S, 9),
    ]


# shuffled passes


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(stream_seed(s, "learn")) for s in seeds]


@pytest.mark.parametrize(("rows", "updates", "batch"), [(40, 4, 10), (40, 9, 10), (43, 8, 10), (8, 3, 8), (5, 12, 1)])
def test_a_pass_takes_every_row_at_most_once(rows: int, updates: int, batch: int) -> None:
    order = shuffled_passes(generators(*tiny.SEEDS), rows, updates, batch, CPU)
    assert order.shape == (S, updates, batch)
    per_pass = rows // batch
    for one in order:
        for part in one.split(per_pass):
            taken = part.flatten()
            assert len(taken.unique()) == len(taken), "no row twice in a pass"
            assert 0 <= int(taken.min()) <= int(taken.max()) < rows
    assert not torch.equal(order[:, :per_pass].flatten(1).sort().values, order[:, :per_pass].flatten(1)), "shuffled"
    assert not torch.equal(order[:, 0], order[:, -1]), "anew in every pass"
    assert not torch.equal(order[0], order[1]), "every seed's its own"


def test_a_seeds_passes_are_its_own() -> None:
    together = shuffled_passes(generators(*tiny.SEEDS), 43, 8, 10, CPU)
    for n, seed in enumerate(tiny.SEEDS):
        assert torch.equal(shuffled_passes(generators(seed), 43, 8, 10, CPU)[0], together[n])


def test_a_batch_that_the_rows_do_not_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="batches of 10 rows cannot be cut from 9"):
        shuffled_passes(generators(0), 9, 2, 10, CPU)


def test_a_learner_goes_through_its_passes_in_turn() -> None:
    """Four batches of ten see all forty rows, twice over, in another order the second time."""
    learner = tiny.learner("ppo", phase="online")
    _, online = marked(learner)
    seen: list[Tensor] = []
    update = learner.update
    learner.update = lambda batch, *more: (seen.append(batch.reward.clone()), update(batch, *more))[1]  # type: ignore
    learner.run(8)
    first, second = torch.cat(seen[:4], dim=1), torch.cat(seen[4:], dim=1)
    for one in (first, second):
        assert torch.equal(one.sort(dim=1).values, online.sort(dim=1).values)
    assert not torch.equal(first, second)
    learner.run(4)
    assert not torch.equal(torch.cat(seen[8:], dim=1), first), "another iteration, another order"


# a resume


def saved(learner: ActorCritic) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    out: dict[str, Any] = torch.load(file, weights_only=True)
    return out


def resumed(name: str, state: dict[str, Any], appended: list[int], settings: dict[str, Any]) -> ActorCritic:
    """As the protocol does it: the state first, then the online rows."""
    out = tiny.learner(name, settings=settings)
    out.load_state(state)
    assert out.replay is not None
    for seed in appended:
        out.replay.append(rows_of(out, seed))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("updates", range(6))
@pytest.mark.parametrize("name", ["awr", "rwr", "marwil-rllib", "ppo", "trpo", "dapg"])
def test_a_resume_anywhere_in_an_iteration_is_bit_equal(name: str, updates: int) -> None:
    """In the second iteration, from a ring that has wrapped; and through another resume right after."""
    settings: dict[str, Any] = TWO_AND_THREE if name == "awr" else {}
    learner = tiny.learner(name, phase="online", settings=settings)
    learner.run(learner.iteration.updates)
    collect(learner)
    learner.run(updates)
    again = [100, 500]
    middle = resumed(name, saved(learner), again, settings)
    copy_ = resumed(name, saved(middle), again, settings)
    for one in (learner, middle, copy_):
        one.run(7)
    for one in (middle, copy_):
        assert not tiny.changed(tiny.parameters(learner), tiny.parameters(one))
        assert one.iteration.number == learner.iteration.number
    ours, theirs = copy_.read_metrics(), learner.read_metrics()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[metric], theirs[metric]) for metric in theirs)


def test_passes_of_one_stage_are_not_taken_for_those_of_the_next_after_a_resume() -> None:
    """Saved where a stage of passes has ended and one of independent draws is to begin."""

    def with_passes() -> ActorCritic:
        learner = tiny.learner("awr")
        stages = (Stage("value", 2, ("value",), passes=True), Stage("policy", 2, ("policy",)))
        learner.objective = dataclasses.replace(learner.objective, stages=lambda *_: stages)
        learner.set_phase("offline")
        return learner

    learner, other = with_passes(), with_passes()
    learner.run(2)
    other.load_state(saved(learner))
    learner.run(2)
    other.run(2)
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(other))
