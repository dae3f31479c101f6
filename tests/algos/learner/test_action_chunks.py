"""Chunks of actions: which rows they are made of, what their learners see of them, and who can learn so."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from checks import ALONE
from torch import Tensor

from algos.contract import Batch, Objective, Step
from algos.learner.action_chunks import ActionChunks
from algos.learner.hindsight import Hindsight
from algos.learner.replay import Layout, Replay
from algos.methods import fql
from algos.networks.nets import Nets, TwinQ
from algos.settings import SettingError

STEPS = Layout(2, 2, ("steps_left",))
GAMMA = 0.5


def episode(length: int, seed: int, terminated: bool) -> list[dict[str, Any]]:
    """Rows of one episode, as plain numbers."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((length + 1, 2))
    return [
        {
            "obs": states[t],
            "action": rng.uniform(-1, 1, 2),
            "reward": float(rng.standard_normal()),
            "next_obs": states[t + 1],
            "terminated": float(terminated and t == length - 1),
            "steps_left": float(length - t),
        }
        for t in range(length)
    ]


def packed(rows: list[dict[str, Any]]) -> Tensor:
    parts = {name: torch.tensor(np.array([row[name] for row in rows])) for name in rows[0]}
    return STEPS.pack(**parts)


def expected(rows: list[dict[str, Any]], t: int, h: int) -> dict[str, Any]:
    """The chunk that begins at row t, one step after the other."""
    n = min(h, int(rows[t]["steps_left"]))
    part = rows[t : t + n]
    last = part[-1]
    return {
        "obs": rows[t]["obs"],
        "action": np.concatenate([row["action"] for row in part + [last] * (h - n)]),
        "reward": sum(GAMMA**k * row["reward"] for k, row in enumerate(part)),
        "next_obs": last["next_obs"],
        "terminated": last["terminated"],
        "held": np.repeat([1.0] * n + [0.0] * (h - n), 2),
    }


def check(batch: Batch, seed: int, rows: list[dict[str, Any]], starts: list[int], h: int) -> None:
    for place, t in enumerate(starts):
        for name, value in expected(rows, t, h).items():
            found = batch.columns[name] if name == "held" else getattr(batch, name)
            np.testing.assert_allclose(found[seed, place].numpy(), value, rtol=1e-12, err_msg=f"{name} of row {t}")


@pytest.mark.parametrize("h", [2, 3, 6])
def test_a_chunk_is_a_row_and_those_after_it_in_its_episode(h: int) -> None:
    """Offline rows; two episodes of five and four steps, the first ends, the second is cut."""
    rows = episode(5, 0, terminated=True) + episode(4, 1, terminated=False)
    replay = Replay(STEPS, packed(rows), demos=0, seeds=2, capacity=1, device=torch.device("cpu"))
    replay.rows = packed(rows)  # in double precision
    chunks = ActionChunks(h, GAMMA, STEPS, torch.device("cpu"))
    starts = list(range(9))
    batch = chunks.layout.batch(chunks.gather(replay, torch.tensor([starts, starts[::-1]])))
    assert batch.action.shape == (2, 9, 2 * h)
    check(batch, 0, rows, starts, h)
    check(batch, 1, rows, starts[::-1], h)


def test_chunks_go_on_where_a_ring_begins_again() -> None:
    """A ring of eight rows after two iterations of five: the second's episode lies over its end."""
    first, second = episode(5, 2, terminated=False), episode(5, 3, terminated=True)
    replay = Replay(STEPS, torch.zeros(0, STEPS.width), demos=0, seeds=1, capacity=8, device=torch.device("cpu"))
    replay.rows = replay.rows.double()
    for rows in (first, second):
        replay.append(packed(rows)[None])
    chunks = ActionChunks(3, GAMMA, STEPS, torch.device("cpu"))
    where = (
        {5 + t: (second, t) for t in range(3)}
        | {t - 3: (second, t) for t in (3, 4)}
        | {t: (first, t) for t in (2, 3, 4)}
    )
    for number, (rows, t) in where.items():
        check(chunks.layout.batch(chunks.gather(replay, torch.tensor([[number]]))), 0, rows, [t], 3)


def held_step(seed: int = 0) -> tuple[Nets, Step]:
    """Two seeds of a learner of chunks of three, some of which their episode does not hold; double precision."""
    layout = tiny.LAYOUT
    policy, flow = fql.OneStep(2, layout.obs_dim, 3, (16,)), fql.Field(2, layout.obs_dim, 3, (16,))
    nets = Nets(policy, TwinQ(2, 2, layout.obs_dim, 3, (16,)), {"flow": flow}, None)
    nets.init([torch.Generator().manual_seed(s) for s in range(2)], copy_targets=False)
    nets = nets.double()
    step = tiny.random_step(policy, nets, samples=3, seed=seed)
    n = 1 + torch.arange(step.batch.action.shape[1]) % 3  # actions held
    held = (torch.arange(3) < n[:, None]).double().expand(2, -1, -1)
    return nets, dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns={"held": held}))


def test_critics_learn_from_whole_chunks_alone() -> None:
    """A third of the rows; their squared errors are divided by the number of all, as in the authors' code."""
    nets, step = held_step()
    q = nets.q(step.batch.obs, step.batch.action)
    target = torch.zeros_like(q[:, 0])
    critic_loss = Objective.critic_loss
    loss, _ = critic_loss(None, nets, step, q, target, step.dist)
    whole = step.batch.columns["held"][..., -1] > 0
    by_hand = [(q[s][:, whole[s]] ** 2).sum() / q.shape[-1] for s in range(2)]
    torch.testing.assert_close(loss, torch.stack(by_hand))
    plain = dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns={}))
    every, _ = critic_loss(None, nets, plain, q, target, step.dist)
    torch.testing.assert_close(every, q.square().sum(1).mean(1))


def test_the_flow_clones_what_the_episode_holds() -> None:
    nets, step = held_step()
    assert step.noise.action is not None
    loss, _ = fql.auxiliary_losses(fql.Config(), nets, step)
    start = step.noise.action[:, 1]
    time = torch.special.ndtr(step.noise.action[:, 2, :, :1])
    point = (1 - time) * start + time * step.batch.action
    error = (nets.extra["flow"](step.batch.obs, point, time) - (step.batch.action - start)).square()
    torch.testing.assert_close(loss["flow"], (error * step.batch.columns["held"]).mean(dim=(1, 2)))
    plain = dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns={}))
    assert (fql.auxiliary_losses(fql.Config(), nets, plain)[0]["flow"] > loss["flow"]).all()


@pytest.mark.parametrize("algo", ["fql", "rlpd"])
def test_a_learner_of_chunks_decides_and_discounts_several_steps(algo: str) -> None:
    learner = tiny.learner(algo, phase="online", common={"discount": 0.9}, action_chunk=3)
    assert learner.learner.discount == pytest.approx(0.9**3)
    batch, noise = learner.draw()
    assert batch.action.shape[-1] == 9
    assert noise.next_action is not None
    assert noise.next_action.shape[-1] == 9
    obs = np.zeros((3, 4, tiny.LAYOUT.obs_dim), np.float32)
    assert learner.act(obs).shape == (3, 4, 9)
    before = tiny.parameters(learner)
    learner.run(learner.pace.policy_every)
    assert learner.finite().all()
    assert any(name.startswith("policy.") for name in tiny.changed(before, tiny.parameters(learner)))


def test_a_chunk_of_one_is_the_learner_as_it_was() -> None:
    learners = [tiny.learner("fql", **more) for more in ({}, {"action_chunk": 1})]
    for learner in learners:
        learner.run(3)
    assert not tiny.changed(*map(tiny.parameters, learners))


@pytest.mark.parametrize(("algo", "phase"), [("fql", "offline"), ("fql", "online"), ("rlpd", "online")])
def test_packed_seeds_equal_each_seed_alone(algo: str, phase: Any) -> None:
    assert tiny.alone_against_packed(algo, phase, updates=3, action_chunk=3) < ALONE


def test_others_are_refused() -> None:
    with pytest.raises(SettingError, match="awac cannot learn from chunks of actions here"):
        tiny.learner("awac", action_chunk=2)
    hindsight = Hindsight((0,), (1,), lambda achieved, desired: -(achieved - desired).abs().sum(-1), 0.8)
    with pytest.raises(SettingError, match="fql cannot learn from chunks of actions here"):
        tiny.learner("fql", action_chunk=2, hindsight=hindsight)
