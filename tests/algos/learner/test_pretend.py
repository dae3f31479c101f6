"""On a pretended accelerator: every update stays on the device, never waits for the host and can be replayed.

What `test_gpu.py` checks on a CUDA device and can be checked without one; see `pretend`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pretend
import pytest
import tiny
import torch

from algos.contract import Phase
from algos.learner.actor_critic import ActorCritic
from algos.learner.capture import WARMUP
from algos.learner.hindsight import Hindsight

HINDSIGHT = Hindsight((0, 1), (2, 3), lambda reached, asked: -((reached - asked) ** 2).sum(-1), 0.8)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "goals exchanged": ("awac", {"hindsight": HINDSIGHT}),
    "choices": ("awac", {"discrete": True}),
    "chunks": ("rlpd", {"action_chunk": 2}),
    "offline share, bounded": ("awac", {"offline_fraction": 0.5, "q_max": 0.0}),
}
QUICK = {"awac", "sac-bc", "td3", "awr", "trpo"}  # plain, demonstrations and a dual, delays, stages, steps of its own


def cases() -> list[Any]:
    """Every method in every phase; those that `QUICK` names are quick enough together."""
    return [
        pytest.param(name, phase, marks=() if name in QUICK else pytest.mark.slow, id=f"{name}-{phase}")
        for name, phase in tiny.distinct_cases()
    ]


@pytest.fixture(autouse=True)
def device() -> Iterator[torch.device]:
    with pretend.device() as there:
        yield there


def learner(name: str, phase: Phase, **more: Any) -> ActorCritic:
    made = tiny.learner(name, phase=phase, device=pretend.NAME, **more)
    assert {p.device.type for p in made.nets.parameters()} == {pretend.NAME}
    return made


def raw(made: ActorCritic) -> dict[str, torch.Tensor]:
    """Copies of every parameter, on the CPU."""
    return {name: p.detach().cpu().clone() for name, p in made.nets.named_parameters()}


def enough(made: ActorCritic) -> int:
    """Updates that record the graph of every turn and stage, and replay each."""
    return (WARMUP + 2) * (made.iteration.updates or made.pace.policy_every)


def collect(made: ActorCritic, number: int) -> None:
    """Give every seed as many rows as an iteration collects."""
    assert made.replay is not None
    rows = [tiny.rows(tiny.ONLINE, seed=200 + 10 * number + s, layout=made.replay.layout) for s in tiny.SEEDS]
    made.replay.append(torch.stack(rows))


@pytest.mark.parametrize(("name", "phase"), cases())
def test_updates_are_those_of_the_cpu_and_replayed_ones_those_carried_out(name: str, phase: Phase) -> None:
    """To the bit; what a graph holds is not what was on the host when it was recorded, but what is in the memory."""
    cpu = tiny.learner(name, phase=phase)
    replayed = learner(name, phase)
    replayed.rounds.capture = True
    for number in range(2):
        for made in (cpu, replayed):
            made.run(enough(cpu))
            collect(made, number)
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    assert not tiny.changed(tiny.parameters(cpu), raw(replayed))
    logged = replayed.read_metrics()
    for metric, values in cpu.read_metrics().items():
        assert logged[metric] == pytest.approx(values, nan_ok=True), metric
    obs = np.linspace(-1, 1, 30, dtype=np.float32).reshape(3, 2, 5)
    assert np.array_equal(replayed.act(obs), cpu.act(obs))
    assert replayed.finite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sampling_can_be_replayed(kind: str) -> None:
    name, more = KINDS[kind]
    cpu, replayed = tiny.learner(name, phase="online", **more), learner(name, "online", **more)
    replayed.rounds.capture = True
    for made in (cpu, replayed):
        made.run(enough(cpu))
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    assert not tiny.changed(tiny.parameters(cpu), raw(replayed))


def test_what_the_host_decides_while_recording_shows_in_replays() -> None:
    """The checks above can fail: here a number of the host's grows with every round."""
    cpu, replayed = tiny.learner("bc"), learner("bc", "offline")
    replayed.rounds.capture = True
    for made in (cpu, replayed):
        own, host = made.objective.actor_loss, itertools.count(1)

        def grows(*args: Any, own: Any = own, host: Any = host) -> Any:
            loss, logged = own(*args)
            return loss * next(host), logged

        made.objective = dataclasses.replace(made.objective, actor_loss=grows)
        made.run(enough(made))
    assert replayed.rounds.captured
    assert tiny.changed(tiny.parameters(cpu), raw(replayed))


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: x + torch.tensor(1.0, device=x.device),
        lambda x: torch.where(x > 0, x, torch.zeros(())),
    ],
)
def test_what_waits_for_the_host_cannot_be_recorded(wait: Callable[[Any], Any], device: torch.device) -> None:
    x = torch.linspace(-1, 1, 4, device=device)
    wait(x)
    with pytest.raises(RuntimeError, match="wait"), pretend.Recording(pretend.Graph()):
        wait(x)


def test_tensors_of_two_devices_do_not_mix(device: torch.device) -> None:
    there, here = torch.ones(3, device=device), torch.ones(3)
    with pytest.raises(RuntimeError, match="two devices"):
        there + here
    with pytest.raises(RuntimeError, match="another device"):
        torch.rand(3, device=device, generator=torch.Generator())
    assert float((there + here.to(device)).sum()) == 6.0


def test_a_graph_does_again_what_was_recorded_and_nothing_before(device: torch.device) -> None:
    x, graph, stream = torch.zeros(3, device=device), pretend.Graph(), torch.Generator(device).manual_seed(0)
    graph.register_generator_state(stream)
    with pretend.Recording(graph):
        x[1:].add_(1)
        drawn = torch.rand(2, device=device, generator=stream)
    assert x.cpu().tolist() == [0, 0, 0]
    graph.replay()
    graph.replay()
    assert x.cpu().tolist() == [0, 2, 2]
    expected = torch.rand(2, 2, generator=torch.Generator().manual_seed(0))
    assert drawn.cpu().tolist() == expected[1].tolist()
