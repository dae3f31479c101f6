"""On a CUDA device: the same numbers as on the CPU, seeds apart, and no update that waits for the host."""

from __future__ import annotations

import io

import pytest
import tiny
import torch

import algos
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
def test_packed_seeds_equal_each_seed_alone(name: str, phase: Phase) -> None:
    assert tiny.alone_against_packed(name, phase, device="cuda") < 1e-5


@in_every_phase
def test_no_update_waits_for_the_host(name: str, phase: Phase) -> None:
    learner = tiny.learner(name, phase=phase, device="cuda", q_max=0.0, offline_fraction=0.5)
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
    learner.run(3)
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    copy = tiny.learner(name, phase=phase, device="cuda")
    copy.load_state(torch.load(file, weights_only=True, map_location="cpu"))
    learner.run(3)
    copy.run(3)
    assert not tiny.changed(tiny.parameters(learner), tiny.parameters(copy))


def test_replay_rows_and_draws_stay_on_the_device() -> None:
    learner = tiny.learner("sac-bc", phase="online", device="cuda")
    batch, noise = learner.draw()
    assert batch.demo is not None
    assert {t.device.type for t in (batch.obs, batch.demo.obs, noise.action, noise.next_action) if t is not None} == {
        "cuda"
    }
