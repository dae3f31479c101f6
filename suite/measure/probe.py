"""Probe: learners on made-up rows, and the rate at which they update: how fast a machine is before anything is built.

The numbers in the rows do not change how long an update takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import COLUMNS, InitialStates, Layout, Replay
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import online_capacity

__all__ = ["BURN_IN", "learner_on_made_up_rows", "rate", "updates_per_second"]

BURN_IN = 5  # updates before anything is timed: the first ones allocate, and on CUDA are recorded
_OFFLINE_ROWS, _DEMO_ROWS, _ONLINE_ROWS = 100_000, 5_000, 10_000
_STAGE_SAMPLE = 20  # updates of a stage by which it is timed


def learner_on_made_up_rows(
    experiment: Experiment, device: torch.device, capture: bool = True, compiled: bool = False
) -> ActorCritic:
    """Build the experiment's learner with a replay of random rows; in the online phase where it learns online."""
    e = experiment
    layout = e.layout
    offline = _OFFLINE_ROWS if e.needs.offline_data else 0
    states = torch.randn(_ONLINE_ROWS, layout.obs_dim, generator=torch.Generator().manual_seed(1))
    first = InitialStates(states, len(e.seeds), 1, device)
    replay = Replay(
        layout,
        _rows(layout, offline),
        demos=min(_DEMO_ROWS, offline),
        seeds=len(e.seeds),
        capacity=online_capacity(e),
        device=device,
        initial=first,
    )
    learner = ActorCritic(
        e.objective,
        e.cfg,
        learner=e.learner,
        seeds=e.seeds,
        layout=layout,
        replay=replay,
        q_max=0.0,
        offline_fraction=e.protocol.offline_fraction,
        device=device,
        capture=capture,
        collected=e.protocol.steps_per_iteration,
        hindsight=e.hindsight,
        action_chunk=e.protocol.action_chunk,
        compiled=compiled,
    )
    if not e.needs.offline_only:
        rows = _rows(layout, min(max(_ONLINE_ROWS, e.protocol.steps_per_iteration), replay.capacity))
        replay.append(rows.expand(len(e.seeds), *rows.shape))
        learner.set_phase("online")
    return learner


def _rows(layout: Layout, count: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    obs, next_obs = torch.randn(2, count, layout.obs_dim, generator=g)
    action = torch.rand(count, layout.action_dim, generator=g) * 2 - 1
    like = {"action": action, "number": torch.zeros(count)}
    columns = {name: like[COLUMNS[name]] for name in layout.columns}
    return layout.pack(obs, action, -torch.ones(count), next_obs, torch.zeros(count), **columns)


def rate(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Calls of `work` per second, measured over at least `seconds`; waits for the device at both ends."""
    _wait(device)
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() - start < seconds:
        work()
        count += 1
        if count % 20 == 0:  # or the host would queue more than it has time for
            _wait(device)
    _wait(device)
    return count / (time.perf_counter() - start)


def updates_per_second(learner: ActorCritic, device: torch.device, seconds: float) -> float:
    """Updates per second, measured over at least `seconds`.

    Where iterations have stages: the mean over an iteration, from the first and a few more updates of each stage.
    """
    iteration = learner.iteration
    if not iteration.stages:
        return rate(lambda: learner.run(1), device, seconds)
    total = 0.0
    for _ in iteration.stages:
        stage, done = iteration.now()
        iteration.advance((stage.updates - done) % stage.updates)
        stage, _ = iteration.now()
        total += 1.0 / rate(lambda: learner.run(1), device, 0.0)  # the first update, with what is prepared before it
        more = min(stage.updates - 1, _STAGE_SAMPLE)
        if more:
            total += (stage.updates - 1) / (more * rate(lambda n=more: learner.run(n), device, 0.0))  # type: ignore[misc]
    return iteration.updates / total


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
