"""Compiled updates: they are the eager ones, carried out by other code, and nothing else changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import torch._inductor

from algos.contract import Phase
from algos.learner.actor_critic import ActorCritic
from algos.learner.compiled import Compiled

UPDATES = 4  # the traced one, and some after it
NATURAL = 0.1  # conjugate gradients in float32 amplify rounding


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is traced is run as it is: compiling it takes seconds, and is the compiler's own affair."""
    monkeypatch.setattr(torch._inductor, "compile", lambda module, inputs: module)


def pair(name: str, seeds: Sequence[int] = tiny.SEEDS, **more: Any) -> tuple[ActorCritic, ActorCritic]:
    """The same learner twice: eager and compiled."""
    eager, compiled = (tiny.learner(name, seeds, **more) for _ in range(2))
    compiled.compiled = Compiled(compiled.update, compiled._moving)
    return eager, compiled


def assert_alike(ours: ActorCritic, theirs: ActorCritic, limit: float = 1e-5) -> None:
    """Parameters, draws that come next, and metrics."""
    found, expected = tiny.parameters(ours), tiny.parameters(theirs)
    for name, value in expected.items():
        assert float((found[name] - value).norm() / value.norm().clamp_min(1e-3)) < limit, name
    for a, b in zip(ours.generators, theirs.generators, strict=True):
        assert torch.equal(a.get_state(), b.get_state())
    assert ours.updates == theirs.updates
    metrics, wanted = ours.read_metrics(), theirs.read_metrics()
    assert set(metrics) == set(wanted)
    for name, values in wanted.items():
        assert metrics[name] == pytest.approx(values, rel=20 * limit, abs=20 * limit), name


def count_programs(learner: ActorCritic) -> int:
    assert learner.compiled is not None
    assert not learner.compiled.failed, learner.take_failure()
    return len(learner.compiled._programs)


# the phase that each method ends in: tracing takes its second
LAST = dict(tiny.distinct_cases())
for alike in ("bc-demos", "sac-prior", "sac-scratch"):  # as bc and sac on other rows, and sampling is not compiled
    LAST.pop(alike)


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("name", "phase"), LAST.items())
def test_every_method_learns_the_same(name: str, phase: Phase) -> None:
    eager, compiled = pair(name, (3,), phase=phase, common={"hidden": (16,)})  # each parameter takes time to trace
    natural = hasattr(eager.cfg, "cg_iterations") and phase == "online"
    updates = eager.iteration.updates or UPDATES
    for learner in (eager, compiled):
        learner.run(updates)
    assert count_programs(compiled)
    assert_alike(compiled, eager, NATURAL if natural else 1e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiler_itself() -> None:
    eager, compiled = pair("awac", common={"hidden": (16,)})  # policy, critics and targets; little to compile
    for learner in (eager, compiled):
        learner.run(20)
    assert count_programs(compiled) == 1
    assert_alike(compiled, eager)


@pytest.mark.usefixtures("traced")
def test_what_is_delayed_has_a_program_for_each_turn_of_its_cycle() -> None:
    eager, compiled = pair("td3", phase="online")
    for learner in (eager, compiled):
        learner.run(7)
    assert count_programs(compiled) == 2
    assert_alike(compiled, eager)


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_a_run_that_was_interrupted_ends_with_the_same_bytes() -> None:
    whole, halves = (pair("awac")[1] for _ in range(2))
    whole.run(6)
    halves.run(3)
    state = halves.state()
    copy = pair("awac")[1]
    copy.load_state(state)
    copy.run(3)
    assert not tiny.changed(tiny.parameters(whole), tiny.parameters(copy))
    found, expected = copy.read_metrics(), whole.read_metrics()
    assert all(np.array_equal(found[name], values) for name, values in expected.items())


def parts(learner: ActorCritic) -> None:
    learner.reset_parts(("networks", "targets", "optimisers"))


def phase(learner: ActorCritic) -> None:
    learner.read_metrics()
    learner.set_phase("online")


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("change", [parts, phase])
def test_what_changes_the_update_is_traced_anew(change: Callable[[ActorCritic], None]) -> None:
    eager, compiled = pair("sac")
    for learner in (eager, compiled):
        learner.run(3)
        change(learner)
        learner.run(3)
    assert_alike(compiled, eager)


class WrappedError(RuntimeError):
    """As torch's compiler passes on what failed inside it."""

    inner_exception = RuntimeError("no compiler here")


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [RuntimeError("no compiler here\nwith a long story"), WrappedError("backend raised:\n")]
)
def test_where_compiling_fails_updates_are_eager_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    def broken(module: Any, inputs: Any) -> Any:
        raise error

    monkeypatch.setattr(torch._inductor, "compile", broken)
    eager, compiled = pair("awac")
    for learner in (eager, compiled):
        learner.run(3)
    assert compiled.take_failure() == "updates are not compiled, which is slower (RuntimeError: no compiler here)"
    assert not compiled.take_failure()
    assert_alike(compiled, eager, 1e-12)
