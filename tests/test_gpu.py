"""On a CUDA device: the numbers of the CPU, replayed or not; seeds apart; no update that waits for the host."""

from __future__ import annotations

import io

import pytest
import tiny
import torch

import algos
from algos.capture import WARMUP
from algos.core import Phase

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
in_every_phase = pytest.mark.parametrize(("name", "phase"), tiny.cases())


@in_every_phase
def test_a_hundred_updates_equal_those_on_the_cpu(name: str, phase: Phase) -> None:
    """Random streams differ between devices, so both learners are fed the draws of the CPU's."""
    cpu, gpu = (tiny.learner(name, phase=phase, device=device) for device in ("cpu", "cuda"))
    assert not tiny.changed(tiny.parameters(cpu), {k: v.cpu() for k, v in tiny.parameters(gpu).items()})
    for _ in range(100):
        batch, noise = cpu.draw()
        cpu.update(batch, noise)
        gpu.update(*tiny.moved_to(batch, noise, device="cuda"))
    ours, theirs = tiny.parameters(cpu), tiny.parameters(gpu)
    for parameter, value in ours.items():
        apart = (theirs[parameter].cpu() - value).norm() / value.norm().clamp_min(1e-3)
        assert float(apart) < 1e-4, parameter
    metrics = gpu.read_metrics()
    for metric, values in cpu.read_metrics().items():
        assert metrics[metric] == pytest.approx(values, rel=1e-3, abs=1e-4), metric


@in_every_phase
def test_replayed_updates_equal_those_carried_out_one_by_one(name: str, phase: Phase) -> None:
    """Draws included: a graph's random streams go on where the eager ones were."""
    eager, replayed = (tiny.learner(name, phase=phase, device="cuda", capture=c) for c in (False, True))
    for learner in (eager, replayed):
        learner.run(50)
        learner.run(50)
    assert replayed.rounds.captured, replayed.rounds.take_failure()
    assert not eager.rounds.captured
    ours, theirs = tiny.parameters(replayed), tiny.parameters(eager)
    for parameter, value in theirs.items():
        assert float((ours[parameter] - value).norm() / value.norm().clamp_min(1e-3)) < 1e-4, parameter
    metrics = replayed.read_metrics()
    for metric, values in eager.read_metrics().items():
        assert metrics[metric] == pytest.approx(values, rel=1e-3, abs=1e-4), metric


def test_a_graph_samples_rows_that_were_collected_after_it_was_recorded() -> None:
    eager, replayed = (tiny.learner("sac", phase="online", device="cuda", capture=c) for c in (False, True))
    for learner in (eager, replayed):
        learner.run(WARMUP + 2)
        assert learner.replay is not None
        learner.replay.append(torch.stack([tiny.rows(16, seed=200 + s) for s in tiny.SEEDS]))
        learner.run(20)
    assert tiny.largest_difference(tiny.parameters(eager), tiny.parameters(replayed)) < 1e-4


@in_every_phase
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Phase) -> None:
    assert tiny.alone_against_packed(name, phase, device="cuda") < 1e-5


@in_every_phase
def test_no_update_waits_for_the_host(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, device="cuda", q_max=0.0, offline_fraction=0.5, capture=False)
    learner.run(3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner.run(3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.finite().all()


@pytest.mark.parametrize("name", list(algos.names()))
def test_a_saved_learner_continues_bit_equal(name: str) -> None:
    phase = tiny.phases(name)[0]
    learner = tiny.learner(name, phase=phase, device="cuda")
    enough = (WARMUP + 1) * learner.needs.policy_every + 1  # records every turn's graph and ends within a cycle
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
