"""The protocol: offline updates, the switch, then online iterations, on one evaluation calendar.

    offline:  evaluate at -offline_updates, every eval_every_offline updates, and at 0
    switch:   hand over networks, targets, optimisers and duals (keep, or reset as `reset_at_switch` says)
    online:   collect steps_per_iteration with the sampled policy, append, update; evaluate every eval_every_online

Everything written to metrics.csv follows from run.json alone: a run killed anywhere and resumed writes the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import torch
from numpy.typing import NDArray

from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import Replay
from envs.data.datasets import Transitions
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import lanes, offline_updates, online_capacity
from suite.record.rows import RecordError
from suite.train.checkpoint import CHECKPOINT, Checkpoints, drop_chunks
from suite.train.evaluate import collect, evaluate, uniform_actions, uniform_choices
from suite.train.hardware import Engine
from suite.train.in_turn import Act
from suite.train.recorder import Recorder
from suite.train.rows import collected_rows, first_states, offline_rows
from suite.train.state import RunState
from suite.train.stop import Stopped, StopRequest

__all__ = ["Diverged", "Runner"]

BLOCK = 50  # updates between looks at the clock and at stop signals
CHECKPOINT_SECONDS = 120.0  # between checkpoints where evaluations are further apart


class Diverged(Exception):  # noqa: N818 - an outcome, not a mistake in the command
    """No seed is left whose parameters are finite: there is nothing to train."""


class Runner:
    """Carries one experiment through its protocol, from the start or from its last checkpoint."""

    def __init__(
        self,
        experiment: Experiment,
        *,
        data: Transitions | None,
        env: VectorEnv,
        recorder: Recorder,
        engine: Engine,
    ) -> None:
        device = engine.device
        self.experiment, self.env, self.recorder = experiment, env, recorder
        self.needs = experiment.needs
        protocol, task = experiment.protocol, experiment.task
        self.protocol = protocol
        self.layout = experiment.layout
        data = data if self.needs.offline_data else None
        rows, demos = offline_rows(self.layout, data, experiment.learner.discount, task.settles)
        demos = self.needs.demo_count(demos, len(rows))
        seeds = experiment.seeds
        initial = first_states(data, task.obs_dim, len(seeds), device) if self.needs.initial_batch else None
        replay = Replay(
            self.layout,
            rows,
            demos=demos,
            seeds=len(seeds),
            capacity=online_capacity(experiment),
            device=device,
            initial=initial,
        )
        most = max(0.0, task.reward_range[1])  # per step; an episode may also end
        self.learner = ActorCritic(
            experiment.objective,
            experiment.cfg,
            learner=experiment.learner,
            seeds=seeds,
            layout=self.layout,
            replay=replay,
            q_max=most / (1.0 - experiment.learner.discount) if np.isfinite(most) else None,
            offline_fraction=protocol.offline_fraction,
            device=device,
            collected=protocol.steps_per_iteration,
            hindsight=experiment.hindsight,
            action_chunk=protocol.action_chunk,
            compiled=engine.compiled,
        )
        self.replay = replay
        self.checkpoints = Checkpoints(recorder.writer.path / CHECKPOINT)
        self.offline_total = offline_updates(experiment)
        self.at = RunState(np.zeros(len(seeds), bool))
        self.number = 0  # last checkpoint's
        self.pending: list[NDArray[np.float32]] = []  # online rows since then
        self.saved_at = time.monotonic()
        self.stop = StopRequest(recorder.progress.say)

    # the protocol

    def run(self) -> None:
        """Carry out everything that is left; raises `Stopped` after a checkpoint when asked to stop.

        Raises `Diverged` at the evaluation that finds no finite seed. Other errors are written into the run's status.
        """
        self._resume()
        try:
            with self.stop:
                self._offline()
                if not self.needs.offline_only:
                    self._switch()
                    self._online()
            self._finish()
        except Stopped:
            raise
        except Exception as error:
            with suppress(OSError):  # the disk may be what failed
                self._status("failed", str(error).partition("\n")[0])
                self.recorder.writer.log(f"failed: {error}")
            raise

    def _offline(self) -> None:
        self._check_finite()  # a run whose seeds all diverged may be resumed
        if self.at.switched:
            return
        every = self.protocol.eval_every_offline
        if self.learner.updates == 0:  # not when it is resumed in the middle
            self._evaluate_if_due()
        while self.learner.updates < self.offline_total:
            done = self.learner.updates
            n = min(BLOCK, every - done % every, self.offline_total - done)
            self._update("offline", n)
            self._show()
            if self.learner.updates % every == 0 or self.learner.updates == self.offline_total:
                self._evaluate_if_due()
            self._pause()

    def _switch(self) -> None:
        if self.at.switched:
            return
        self.learner.reset_parts(self.protocol.reset_at_switch)
        self.learner.set_phase("online")
        self._drop_offline_if_told()
        self.at.switched = True

    def _drop_offline_if_told(self) -> None:
        if not self.protocol.replays_offline_data:
            self.replay.drop_offline()

    def _online(self) -> None:
        p = self.protocol
        while self.at.env_step < p.online_steps or self.learner.updates < self._updates_due():
            if self.learner.updates == self._updates_due():  # otherwise: stopped between collecting and the last update
                self._collect()
            due = self._updates_due()
            while self.learner.updates < due:
                self._update("update", min(BLOCK, due - self.learner.updates))
                self._show()
                if self.learner.updates < due:
                    self._pause()
            if self.at.env_step % p.eval_every_online == 0 or self.at.env_step == p.online_steps:
                self._evaluate_if_due()
            self._pause()

    def _update(self, part: str, updates: int) -> None:
        with self._timed(part):
            self.learner.run(updates)
        if why := self.learner.take_failure():
            self.recorder.tell(why)

    def _updates_due(self) -> int:
        """Updates that belong to the offline phase and the iterations collected so far; none during the warm-up."""
        p = self.protocol
        learning = max(0, self.at.iteration - self._warmup_iterations)
        return self.offline_total + round(learning * p.steps_per_iteration * p.updates_per_step)

    @property
    def _warmup_iterations(self) -> int:
        return -(-self.protocol.warmup_steps // self.protocol.steps_per_iteration)

    @property
    def _act(self) -> Act:
        """What collects: the policy, or chance while it warms up, where the protocol says so."""
        warming = self.at.iteration < self._warmup_iterations
        chance = uniform_choices if self.experiment.task.discrete else uniform_actions
        return chance if warming and self.protocol.warmup_actions == "uniform" else self.learner.act

    def _calendar_step(self) -> int:
        """Environment steps since the switch; before it, updates that are left, negative."""
        return self.at.env_step if self.at.switched else self.learner.updates - self.offline_total

    def _collect(self) -> None:
        p = self.protocol
        with self._timed("collect"):
            got = collect(
                self.env,
                self._act,
                self.experiment.seeds,
                self.at.iteration,
                p.steps_per_iteration,
                self.layout.action_dim,
                p.action_chunk,
            )
        rows = collected_rows(self.layout, got, self.experiment.learner.discount, self.experiment.task.settles)
        self._append(rows)
        self.pending.append(rows.numpy())
        self.at.collected = {"collect_return": got.returns}
        if self.experiment.task.success is not None:
            self.at.collected = {"collect_success": got.success, **self.at.collected}
        self.at.env_step += p.steps_per_iteration
        self.at.iteration += 1

    def _append(self, rows: torch.Tensor) -> None:
        """Add one iteration's rows [S, n, width], which lie lane after lane; each lane began with a reset."""
        self.replay.append(rows)
        if self.replay.initial is not None:
            lane = self.protocol.steps_per_iteration // lanes(self.experiment)
            self.replay.initial.append(rows[:, ::lane, : self.layout.obs_dim])

    # evaluation

    def _evaluate_if_due(self) -> None:
        """Evaluate, record and checkpoint, once per point of the calendar."""
        point = (self.learner.updates, self.at.env_step)
        if self.at.evaluated == point:
            return
        seeds, task = len(self.experiment.seeds), self.experiment.task
        with self._timed("evaluate"):
            p = self.protocol
            self.at.final = evaluate(self.env, self.learner.act, seeds, p.eval_episodes, task, p.action_chunk)
        self.recorder.evaluation(self.at, self.learner, self._calendar_step())
        self.at.evaluated = point
        self._save()
        self._check_finite()

    def _check_finite(self) -> None:
        if self.at.diverged.all():
            raise Diverged(
                f"{self.experiment.cell}: every seed diverged before update {self.learner.updates:,}; "
                "smaller learning rates may help, e.g. --set policy_lr=1e-4 --set critic_lr=1e-4"
            )

    def _finish(self) -> None:
        self.recorder.policies(self.at, self.learner)
        self._status("finished")
        drop_chunks(self.checkpoints.folder)
        self.recorder.summary(self.at, self.learner.updates)

    def _status(self, state: str, message: str = "") -> None:
        self.recorder.status(state, self.at, self.learner.updates, message)

    def _show(self) -> None:
        self.recorder.show(self.at, self.learner.updates)

    # checkpoints

    def _save(self) -> None:
        if self.pending:
            self.checkpoints.write_chunk(self.at.chunks, np.concatenate(self.pending, axis=1))
            self.at.chunks += 1
            self.pending = []
        self.number += 1
        state = {"learner": self.learner.state(), **self.at.state()}
        self.checkpoints.save(self.number, state, self.recorder.writer.extent)
        self._status("running")
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        writer = self.recorder.writer
        loaded = self.checkpoints.load(self.recorder.tell)
        if loaded is None:
            if writer.begun:
                self.recorder.tell("there is no checkpoint yet: starting from the beginning")
            writer.truncate(0)
            return
        self.number, state = loaded
        self.learner.load_state(state["learner"])
        self.at = RunState.from_state(state)
        if self.at.switched:
            self._drop_offline_if_told()
        for number in range(self.at.chunks):
            rows = torch.from_numpy(self.checkpoints.read_chunk(number))
            if rows.ndim != 3 or rows.shape[0] != self.replay.seeds or rows.shape[2] != self.layout.width:
                raise RecordError(f"online chunk {number} of {writer.path} has shape {tuple(rows.shape)}")
            for part in torch.split(rows, self.protocol.steps_per_iteration, dim=1):
                self._append(part)
        writer.truncate(self.at.metrics_bytes)
        self.recorder.tell(f"resuming at step {self._calendar_step():,}")

    def _pause(self) -> None:
        """Write a checkpoint if one is due by the clock, and stop if asked to; between two blocks of updates."""
        if self.stop.number is None and time.monotonic() - self.saved_at < CHECKPOINT_SECONDS:
            return
        self._save()
        if self.stop.number is not None:
            self._status("stopped", self.stop.name)
            self.recorder.writer.log(f"stopped by {self.stop.name}")
            raise Stopped(self.stop.number)

    # clocks

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.learner.device.type == "cuda":
            torch.cuda.synchronize(self.learner.device)
        self.at.seconds[part] += time.perf_counter() - start
