"""On a CUDA device: the numbers of the CPU, replayed or not; seeds apart; no update that waits for the host."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
import tiny
import torch
import toy_run

from algos.contract import Objective, Phase
from algos.learner.actor_critic import ActorCritic
from algos.learner.capture import WARMUP
from algos.learner.compiled import Compiled
from algos.learner.hindsight import Hindsight
from suite.measure import speed
from suite.train.hardware import Hardware

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
in_every_phase = pytest.mark.parametrize(("name", "phase"), tiny.cases())
# A natural gradient divides by small curvatures. Measured on the CPU: 2e-7 in the initial weights are 4e-4 after one
# step and up to 0.13 of the weights after a few.
ONE_NATURAL_STEP, NATURAL = 1e-2, 0.3


def natural(learner: ActorCritic) -> bool:
    """Whether the policy takes natural gradient steps in the learner's phase."""
    return bool(learner.objective.policy_step is not Objective.policy_step and learner.iteration.stages)


def fed(gpu: ActorCritic, cpu: ActorCritic) -> None:
    """Let the second learner's updates draw what the first one's drew; random streams differ between devices."""
    drawn: list[Any] = []
    draw = cpu.draw

    def noted() -> Any:
        drawn.append(draw())
        return drawn[-1]

    cpu.draw = noted  # type: ignore[method-assign]
    gpu.draw = lambda: tiny.moved_to(*drawn.pop(0), device=str(gpu.device))  # type: ignore[method-assign]


def moved_without_waiting(learner: ActorCritic) -> set[str]:
    """Names of the parameters that updates moved while asking the device anything was an error."""
    learner.run(3)
    before, asked = tiny.parameters(learner), torch.ones((), device=learner.device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that it may not see every wait
            torch.cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match="synchronizing"):  # else the updates may wait unnoticed
            asked.item()
        learner.run(3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.finite().all()
    return tiny.changed(before, tiny.parameters(learner))


@in_every_phase
def test_a_hundred_updates_equal_those_on_the_cpu(name: str, phase: Phase) -> None:
    """What stages prepare, too, which each device does for itself."""
    cpu, gpu = (tiny.learner(name, phase=phase, device=device, capture=False) for device in ("cpu", "cuda"))
    assert not tiny.changed(tiny.parameters(cpu), {k: v.cpu() for k, v in tiny.parameters(gpu).items()})
    fed(gpu, cpu)
    limit = ONE_NATURAL_STEP if natural(cpu) else 1e-4
    for _ in range(cpu.iteration.updates if natural(cpu) else 100):
        cpu.run(1)
        gpu.run(1)
    ours, theirs = tiny.parameters(cpu), tiny.parameters(gpu)
    for parameter, value in ours.items():
        apart = (theirs[parameter].cpu() - value).norm() / value.norm().clamp_min(1e-3)
        assert float(apart) < limit, parameter
    for column, values in cpu.iteration.columns.items():
        prepared = gpu.iteration.columns[column].cpu()
        assert float((prepared - values).norm() / values.norm().clamp_min(1e-3)) < 10 * limit, column
    metrics = gpu.read_metrics()
    for metric, values_ in cpu.read_metrics().items():
        assert metrics[metric] == pytest.approx(values_, rel=10 * limit, abs=limit), metric


@in_every_phase
def test_replayed_updates_equal_those_carried_out_one_by_one(name: str, phase: Phase) -> None:
    """Draws included: a graph's random streams go on where the eager ones were."""
    eager, replayed = (tiny.learner(name, phase=phase, device="cuda", capture=c) for c in (False, True))
    for learner in (eager, replayed):
        learner.run(50)
        learner.run(50)
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    assert not eager.rounds.captured
    limit = NATURAL if natural(eager) else 1e-4
    ours, theirs = tiny.parameters(replayed), tiny.parameters(eager)
    for parameter, value in theirs.items():
        assert float((ours[parameter] - value).norm() / value.norm().clamp_min(1e-3)) < limit, parameter
    metrics = replayed.read_metrics()
    for metric, values in eager.read_metrics().items():
        assert metrics[metric] == pytest.approx(values, rel=max(limit, 1e-3), abs=limit), metric


def test_a_graph_samples_rows_that_were_collected_after_it_was_recorded() -> None:
    eager, replayed = (tiny.learner("sac", phase="online", device="cuda", capture=c) for c in (False, True))
    for learner in (eager, replayed):
        learner.run(WARMUP + 2)
        assert learner.replay is not None
        learner.replay.append(torch.stack([tiny.rows(16, seed=200 + s) for s in tiny.SEEDS]))
        learner.run(20)
    assert tiny.largest_difference(tiny.parameters(eager), tiny.parameters(replayed)) < 1e-4


@pytest.mark.parametrize("name", ["awac", "td3", "awr"])
@pytest.mark.parametrize("capture", [False, True])
def test_compiled_updates_equal_eager_ones(name: str, capture: bool) -> None:
    """With stages and delays, too; a graph then replays what was compiled."""
    eager, compiled = (tiny.learner(name, phase="online", device="cuda", capture=c) for c in (False, capture))
    compiled.compiled = Compiled(compiled.update, compiled._moving)
    updates = (WARMUP + 2) * eager.iteration.updates or 50
    for learner in (eager, compiled):
        learner.run(updates)
    assert not compiled.compiled.failed, compiled.take_failure()
    assert compiled.rounds.captured == capture, compiled.take_failure()
    assert tiny.largest_difference(tiny.parameters(eager), tiny.parameters(compiled)) < 1e-4


# goals that are exchanged in what is sampled, and one-hot actions sampled by the largest of noisy logits
NEWER: dict[str, dict[str, Any]] = {
    "hindsight": {
        "hindsight": Hindsight((0, 1), (2, 3), lambda reached, asked: -((reached - asked) ** 2).sum(-1), 0.8)
    },
    "choices": {"discrete": True},
}


@pytest.mark.parametrize("kind", NEWER)
def test_relabelled_rows_and_choices_are_replayed_as_carried_out_one_by_one(kind: str) -> None:
    eager, replayed = (
        tiny.learner("awac", phase="online", device="cuda", capture=c, **NEWER[kind]) for c in (False, True)
    )
    for learner in (eager, replayed):
        learner.run(50)
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    assert tiny.largest_difference(tiny.parameters(eager), tiny.parameters(replayed)) < 1e-4


@pytest.mark.parametrize("kind", NEWER)
def test_relabelled_rows_and_choices_never_wait_for_the_host(kind: str) -> None:
    learner = tiny.learner("awac", phase="online", device="cuda", capture=False, **NEWER[kind])
    assert moved_without_waiting(learner)


@in_every_phase
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Phase) -> None:
    limit = ONE_NATURAL_STEP if natural(tiny.learner(name, phase=phase)) else 1e-5
    assert tiny.alone_against_packed(name, phase, device="cuda") < limit


@in_every_phase
def test_no_update_waits_for_the_host(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, device="cuda", q_max=0.0, offline_fraction=0.5, capture=False)
    assert moved_without_waiting(learner)


@in_every_phase
def test_a_saved_learner_continues_bit_equal(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, device="cuda")
    cycle = learner.iteration.updates or learner.pace.policy_every
    enough = (WARMUP + 1) * cycle + 1  # records the graph of every turn or stage and ends within a cycle
    learner.run(enough)
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    copy = tiny.learner(name, phase=phase, device="cuda")
    copy.load_state(torch.load(file, weights_only=True, map_location="cpu"))
    learner.run(enough)
    copy.run(enough)
    assert copy.rounds.captured
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(copy))


@pytest.mark.parametrize("name", ["awr", "ppo", "trpo"])
def test_graphs_of_stages_read_what_is_prepared_anew(name: str) -> None:
    """Over iterations between which rows are collected, and the ring wraps around."""
    eager, replayed = (tiny.learner(name, phase="online", device="cuda", capture=c) for c in (False, True))
    for learner in (eager, replayed):
        for n in range(WARMUP + 4):
            learner.run(learner.iteration.updates)
            assert learner.replay is not None
            rows = [tiny.rows(tiny.ONLINE, seed=200 + 10 * n + s, layout=learner.layout) for s in tiny.SEEDS]
            learner.replay.append(torch.stack(rows))
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    limit = NATURAL if natural(eager) else 1e-4
    assert tiny.largest_difference(tiny.parameters(eager), tiny.parameters(replayed)) < limit


def test_replay_rows_and_draws_stay_on_the_device() -> None:
    learner = tiny.learner("sac-bc", phase="online", device="cuda")
    batch, noise = learner.draw()
    assert batch.demo is not None
    assert {t.device.type for t in (batch.obs, batch.demo.obs, noise.action, noise.next_action) if t is not None} == {
        "cuda"
    }


def test_a_graph_counts_its_updates_on_the_device() -> None:
    eager, replayed = (
        tiny.learner("rebrac", phase="online", settings={"bc_decay_updates": 100}, device="cuda", capture=c)
        for c in (False, True)
    )
    for learner in (eager, replayed):
        learner.run(40)
    assert replayed.rounds.captured
    assert replayed.read_metrics()["bc_coef"] == pytest.approx(eager.read_metrics()["bc_coef"])


def test_bench_speed_says_how_far_replayed_updates_are_from_eager_ones() -> None:
    with toy_run.registered():
        row = speed.measure(toy_run.experiment("awac"), Hardware("cuda", 1, 0), rounds=1, seconds=0.01, capture=True)
    assert row["captured"]
    assert 0.0 <= row["replay_error"] < 1e-4
