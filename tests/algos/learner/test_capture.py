"""Rounds replayed as a graph: when one is recorded, dropped, and what happens where none can be."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch

from algos.contract import Phase
from algos.learner.actor_critic import ActorCritic
from algos.learner.capture import WARMUP, Rounds


class Graph:
    """Stands in for a CUDA graph on any machine: what is recorded is the function, replaying calls it."""

    recorded: Any = None

    def __init__(self) -> None:
        self.generators: list[torch.Generator] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        log.append("replay")


class Recording:
    def __init__(self, graph: Graph) -> None:
        log.append("record")

    def __enter__(self) -> None:
        log.append("[")

    def __exit__(self, *_: object) -> None:
        log.append("]")


log: list[str] = []


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    log.clear()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Recording)


def rounds(capture: bool = True) -> Rounds:
    return Rounds(lambda turn: log.append("round"), [torch.Generator()], capture)


RECORDED = ["record", "[", "round", "]"]


def test_a_graph_is_recorded_after_the_warm_up_and_then_replayed() -> None:
    r = rounds()
    r.run(0, WARMUP, key=0)
    assert log == ["round"] * WARMUP
    assert not r.captured
    r.run(0, 2, key=0)
    assert log[WARMUP:] == [*RECORDED, "replay", "replay"]
    assert r.captured


def test_the_number_of_rounds_is_the_one_asked_for() -> None:
    """What is done while recording is not carried out, so it must not count as a round."""
    r = rounds()
    r.run(0, 10, key=0)
    assert log.count("replay") == 10 - WARMUP
    assert log.count("round") == WARMUP + 1


def test_a_new_key_drops_the_graph_and_warms_up_again() -> None:
    r = rounds()
    r.run(0, WARMUP + 1, key="offline")
    log.clear()
    r.run(0, WARMUP + 1, key="online")
    assert log == ["round"] * WARMUP + [*RECORDED, "replay"]


def test_every_turn_has_a_graph_of_its_own() -> None:
    turns: list[int] = []
    r = Rounds(turns.append, [torch.Generator()], capture=True, turns=(0, 1))
    r.run(3, 2 * WARMUP, key=0)
    assert turns == [1, 0] * WARMUP
    r.run(3 + 2 * WARMUP, 1, key=0)
    assert not r.captured
    r.run(4 + 2 * WARMUP, 3, key=0)
    assert r.captured
    assert turns[2 * WARMUP :] == [1, 0]  # recorded once each
    assert log.count("replay") == 4


def test_every_kind_has_a_graph_of_its_own_and_keeps_it_when_kinds_alternate() -> None:
    r = rounds()
    for _ in range(WARMUP):
        r.run(0, 1, key=0, kind="value")
        r.run(0, 2, key=0, kind="policy")
    assert log.count("record") == 1, "of the policy's rounds, which have come more often"
    assert not r.captured
    r.run(0, 1, key=0, kind="value")
    assert r.captured
    log.clear()
    for kind in ("policy", "value", "value", "policy"):
        r.run(0, 3, key=0, kind=kind)
    assert log == ["replay"] * 12


def test_a_new_key_drops_the_graphs_of_all_kinds() -> None:
    r = rounds()
    for kind in ("value", "policy"):
        r.run(0, WARMUP + 1, key=0, kind=kind)
    log.clear()
    r.run(0, 1, key=1, kind="value")
    assert log == ["round"]
    r.run(0, WARMUP + 1, key=1, kind="policy")
    assert log == ["round"] * (1 + WARMUP) + [*RECORDED, "replay"]


def test_every_kind_and_turn_has_a_graph_of_its_own() -> None:
    r = Rounds(lambda turn: log.append("round"), [torch.Generator()], capture=True, turns=(0, 1))
    for kind in ("a", "b", "a", "b"):
        r.run(0, 2 * WARMUP + 2, key=0, kind=kind)
    assert log.count("record") == 4
    assert log.count("replay") == 2 * 2 + 2 * (2 * WARMUP + 2)
    assert r.captured


@pytest.mark.parametrize("name", ["awr", "ppo", "trpo"])
def test_graphs_of_stages_outlast_their_iterations(name: str) -> None:
    """What is prepared is filled anew where the graphs read it; nothing is recorded twice."""
    learner = tiny.learner(name, phase="online")
    learner.rounds.capture = True
    iteration = learner.iteration
    learner.run((WARMUP + 2) * iteration.updates)
    assert learner.rounds.captured
    assert log.count("record") == len(iteration.stages)
    log.clear()
    learner.run(2 * iteration.updates)
    assert log == ["replay"] * 2 * iteration.updates


def test_without_capture_every_round_is_carried_out() -> None:
    r = rounds(capture=False)
    r.run(0, 10, key=0)
    assert log == ["round"] * 10


def test_a_failed_recording_is_told_once_and_rounds_go_on_with_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(graph: Graph) -> Recording:
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    monkeypatch.setattr(torch.cuda, "graph", fails)
    failing, plain = tiny.learner("sac"), tiny.learner("sac")
    failing.rounds.capture = True
    failing.run(WARMUP + 3)
    plain.run(WARMUP + 3)
    assert failing.rounds.take_failure() == "operation not permitted when stream is capturing"
    assert failing.rounds.take_failure() == ""
    assert not failing.rounds.captured
    assert not tiny.changed(tiny.parameters(plain), tiny.parameters(failing))


@pytest.mark.parametrize("what", ["phase", "parts", "state", "first mixed batch"])
def test_what_a_graph_would_not_see_makes_a_new_one(what: str) -> None:
    learner = tiny.learner("sac-prior", offline_fraction=0.5)
    learner.set_phase("online")
    learner.rounds.capture = True
    learner.run(WARMUP + 1)
    assert learner.rounds.captured
    if what == "phase":
        learner.set_phase("online")
    elif what == "parts":
        learner.reset_parts(["optimisers"])
    elif what == "state":
        learner.load_state(learner.state())
    else:
        assert learner.replay is not None
        learner.replay.append(torch.stack([tiny.rows(8, seed=s) for s in tiny.SEEDS]))
    learner.run(1)
    assert not learner.rounds.captured


def test_replayed_rounds_count_as_updates_and_in_the_means() -> None:
    learner = tiny.learner("bc")
    learner.rounds.capture = True
    learner.run(WARMUP + 5)
    assert learner.updates == WARMUP + 5
    logged = learner.read_metrics()
    learner.run(4)
    assert learner.updates == WARMUP + 9
    # the stand-in adds nothing when replayed: had the sums been made anew, nothing would be reported here
    assert set(learner.read_metrics()) == set(logged)


def counted(learner: ActorCritic) -> tuple[Any, ...]:
    """What the host counts of a learner's updates: in all, for its means, and in its iterations."""
    state = learner.state()
    return learner.updates, state["count"], state["counts"], learner.iteration.number, learner.iteration.done


@pytest.mark.parametrize(("name", "phase"), [("bc", "offline"), ("awr", "online"), ("rlpd", "online")])
def test_recorded_and_replayed_rounds_are_counted_like_eager_ones(name: str, phase: Phase) -> None:
    """With stages and delays, too, and wherever a block of updates ends."""
    eager, replayed = (tiny.learner(name, phase=phase) for _ in range(2))
    replayed.rounds.capture = True
    enough = (WARMUP + 2) * (eager.iteration.updates or eager.pace.policy_every)
    for block in (1, enough, 3, 1):
        for learner in (eager, replayed):
            learner.run(block)
        assert counted(replayed) == counted(eager)
    assert replayed.rounds.captured
    assert counted(eager)[:2] == (enough + 5, enough + 5)
