"""The protocol: offline updates, the switch, then online iterations, on one evaluation calendar.

    offline:  evaluate at -offline_updates, every eval_every_offline updates, and at 0
    switch:   hand over networks, targets, optimisers and duals (keep, or reset as `reset_at_switch` says)
    online:   collect steps_per_iteration with the sampled policy, append, update; evaluate every eval_every_online

Everything written to metrics.csv follows from run.json alone: a run killed anywhere and resumed writes the same bytes.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algos.actor_critic import ActorCritic
from algos.policy_file import save_policy
from algos.replay import Layout, Replay
from envs.datasets import Transitions
from envs.vector import VectorEnv
from suite.checkpoint import Checkpoints
from suite.config import Experiment
from suite.evaluate import Collected, collect, evaluate
from suite.progress import Progress
from suite.record import RecordError, Row, RunWriter, write_json

__all__ = ["Diverged", "Runner", "Stopped", "lanes", "online_capacity"]

BLOCK = 50  # updates between looks at the clock and at stop signals
CHECKPOINT_SECONDS = 120.0  # between checkpoints where evaluations are further apart


class Stopped(Exception):  # noqa: N818 - not an error: the run can go on
    """The run was asked to stop, and did so at a checkpoint."""

    def __init__(self, signal_number: int) -> None:
        self.code = 128 + signal_number
        super().__init__("stopped; the same command goes on from here")


class Diverged(Exception):  # noqa: N818 - an outcome, not a mistake in the command
    """No seed is left whose parameters are finite: there is nothing to train."""


def lanes(experiment: Experiment) -> int:
    """Environments per seed: as many whole episodes as an iteration holds."""
    return max(1, experiment.protocol.steps_per_iteration // experiment.task.horizon)


def online_capacity(experiment: Experiment) -> int:
    """Rows of the online ring per seed: no more than the run can fill."""
    p = experiment.protocol
    if experiment.objective.needs(experiment.cfg).offline_only:
        return 0
    return min(p.buffer_size, p.online_steps)


class Runner:
    """Carries one experiment through its protocol, from the start or from its last checkpoint."""

    def __init__(
        self, experiment: Experiment, data: Transitions | None, env: VectorEnv, device: torch.device,
        writer: RunWriter, progress: Progress,
    ) -> None:  # fmt: skip
        self.experiment, self.env, self.writer, self.progress = experiment, env, writer, progress
        self.needs = experiment.objective.needs(experiment.cfg)
        protocol, task = experiment.protocol, experiment.task
        self.protocol = protocol
        self.layout = Layout(task.obs_dim, task.action_dim)
        rows, demos = _offline_rows(self.layout, data if self.needs.offline_data else None)
        seeds = experiment.seeds
        replay = Replay(self.layout, rows, demos, len(seeds), online_capacity(experiment), device)
        most = max(0.0, task.reward_range[1])  # per step; an episode may also end
        q_max = most / (1.0 - experiment.learner.discount) if np.isfinite(most) else None
        self.learner = ActorCritic(
            experiment.objective, experiment.cfg, experiment.learner, seeds, self.layout, replay,
            q_max, protocol.offline_fraction, device,
        )  # fmt: skip
        self.replay = replay
        self.checkpoints = Checkpoints(writer.path / "checkpoint")
        self.offline_total = protocol.offline_updates if self.needs.offline_data else 0
        self.env_step = 0
        self.iteration = 0
        self.evaluated: tuple[int, int] | None = None  # (updates, env_step) of the last evaluation
        self.switched = False
        self.diverged = np.zeros(len(seeds), bool)
        self.final: dict[str, NDArray[np.float64]] = {}
        self.collected: dict[str, NDArray[np.float64]] = {}
        self.pending: list[NDArray[np.float32]] = []  # online rows since the last checkpoint
        self.chunks = 0
        self.number = 0
        self.metrics_bytes = 0
        self.seconds = {"offline": 0.0, "update": 0.0, "collect": 0.0, "evaluate": 0.0}
        self.saved_at = time.monotonic()
        self.stop_signal: int | None = None
        self.rates: dict[str, float] = {}

    # the protocol

    def run(self) -> None:
        """Everything that is left to do; raises `Stopped` after a checkpoint when asked to stop.

        Raises `Diverged` at the evaluation that finds no finite seed. Whatever else ends a run is told by its status.
        """
        self._resume()
        try:
            with self._signals():
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
                self.writer.log(f"failed: {error}")
            raise

    def _offline(self) -> None:
        self._check_finite()  # a run that diverged altogether comes back here
        if self.switched:
            return
        every = self.protocol.eval_every_offline
        if self.learner.updates == 0:  # a run may also come back here in the middle
            self._evaluate_if_due()
        while self.learner.updates < self.offline_total:
            done = self.learner.updates
            n = min(BLOCK, every - done % every, self.offline_total - done)
            with self._timed("offline"):
                self.learner.run(n)
            self._show("offline", done + n, self.offline_total, "updates")
            if self.learner.updates % every == 0 or self.learner.updates == self.offline_total:
                self._evaluate_if_due()
            self._pause()

    def _switch(self) -> None:
        if self.switched:
            return
        self.learner.reset_parts(self.protocol.reset_at_switch)
        self.learner.set_phase("online")
        self._drop_offline_if_told()
        self.switched = True

    def _drop_offline_if_told(self) -> None:
        if not self.protocol.keep_offline_data:
            self.replay.drop_offline()

    def _online(self) -> None:
        p = self.protocol
        while self.env_step < p.online_steps or self.learner.updates < self._updates_due():
            if self.learner.updates == self._updates_due():  # otherwise: stopped between collecting and the last update
                self._collect()
            due = self._updates_due()
            while self.learner.updates < due:
                with self._timed("update"):
                    self.learner.run(min(BLOCK, due - self.learner.updates))
                self._show("online", self.env_step, p.online_steps, "steps")
                if self.learner.updates < due:
                    self._pause()
            if self.env_step % p.eval_every_online == 0 or self.env_step == p.online_steps:
                self._evaluate_if_due()
            self._pause()

    def _updates_due(self) -> int:
        """Updates that belong to the offline phase and the iterations collected so far; none during the warm-up."""
        p = self.protocol
        warmup = -(-p.warmup_steps // p.steps_per_iteration)
        online = round(max(0, self.iteration - warmup) * p.steps_per_iteration * p.updates_per_step)
        return self.offline_total + online

    def _collect(self) -> None:
        p = self.protocol
        with self._timed("collect"):
            got = collect(
                self.env, self.learner.act, self.experiment.seeds, self.iteration, p.steps_per_iteration,
                self.layout.action_dim,
            )  # fmt: skip
        rows = _packed(self.layout, got)
        self.replay.append(rows)
        self.pending.append(rows.numpy())
        self.collected = {"collect_success": got.success, "collect_return": got.returns}
        self.env_step += p.steps_per_iteration
        self.iteration += 1

    # evaluation and the record

    def _evaluate_if_due(self) -> None:
        """Evaluate, record and checkpoint, once per point of the calendar."""
        point = (self.learner.updates, self.env_step)
        if self.evaluated == point:
            return
        horizon = self.experiment.task.horizon
        with self._timed("evaluate"):
            scores = evaluate(
                self.env, self.learner.act, len(self.experiment.seeds), self.protocol.eval_episodes, horizon
            )
        if self.experiment.task.anchors is not None:
            low, high = self.experiment.task.anchors
            scores["normalized_score"] = 100.0 * (scores["return"] - low) / (high - low)
        self.final = scores
        self._record(scores)
        self.evaluated = point
        values = " ".join(f"{x:.2f}" for x in scores["success"])
        phase_step = self.env_step or self.learner.updates - self.offline_total
        self.progress.score(f"success {scores['success'].mean():.2f} [{values}] at {phase_step:,}")
        self.writer.log(f"step {phase_step}: success {values}")
        self._save()
        self._check_finite()

    def _check_finite(self) -> None:
        if self.diverged.all():
            raise Diverged(
                f"{self.experiment.cell}: every seed diverged before update {self.learner.updates:,}; "
                "smaller learning rates may help, e.g. --set policy_lr=1e-4 --set critic_lr=1e-4"
            )

    def _record(self, scores: dict[str, NDArray[np.float64]]) -> None:
        """Rows of this evaluation, of the learning metrics since the last, and of seeds that have just diverged."""
        updates, seeds = self.learner.updates, self.experiment.seeds
        phase = "online" if self.switched else "offline"
        step = self.env_step if self.switched else updates - self.offline_total
        learning = self.learner.read_metrics()
        newly = ~self.learner.finite() & ~self.diverged
        for k in np.flatnonzero(newly).tolist():
            self.progress.say(f"seed {seeds[k]} diverged before update {updates}: frozen, the others go on")
            self.writer.log(f"seed {seeds[k]} diverged before update {updates}")
        rows = []
        for k, seed in enumerate(seeds):
            if newly[k]:
                rows.append(Row(seed, phase, step, updates, "diverged", 1.0))
            if newly[k] or self.diverged[k]:
                continue
            values: dict[str, NDArray[Any]] = {**scores, **self.collected, **learning}
            rows += [Row(seed, phase, step, updates, name, float(v[k])) for name, v in values.items()]
        self.diverged |= newly
        self.collected = {}
        self.metrics_bytes = self.writer.append(rows)

    def _finish(self) -> None:
        folder = self.writer.path / "policy"
        folder.mkdir(exist_ok=True)
        e = self.experiment
        meta = {
            "family": self.needs.policy, "obs_dim": self.layout.obs_dim, "action_dim": self.layout.action_dim,
            "hidden": e.learner.hidden, "task": e.task.id, "algo": e.algo, "profile": e.profile,
        }  # fmt: skip
        kept = {}
        for k, seed in enumerate(e.seeds):
            if self.diverged[k]:
                continue
            scores = {name: float(v[k]) for name, v in self.final.items()}
            save_policy(folder / f"seed-{seed}.npz", self.learner.nets.policy, k, {**meta, "seed": seed, **scores})
            kept[f"seed-{seed}.npz"] = scores
        write_json(folder / "policy.json", {**meta, "files": kept})
        self._status("finished", "")
        self.checkpoints.drop_chunks()

    # checkpoints

    def _save(self) -> None:
        if self.pending:
            self.checkpoints.write_chunk(self.chunks, np.concatenate(self.pending, axis=1))
            self.chunks += 1
            self.pending = []
        self.number += 1
        self.checkpoints.save(self.number, {
            "learner": self.learner.state(), "env_step": self.env_step, "iteration": self.iteration,
            "switched": self.switched, "evaluated": self.evaluated, "chunks": self.chunks,
            "metrics_bytes": self.metrics_bytes, "seconds": self.seconds,
            "diverged": torch.from_numpy(self.diverged.copy()),
            "final": {n: torch.from_numpy(v) for n, v in self.final.items()},
            "collected": {n: torch.from_numpy(v) for n, v in self.collected.items()},
        })  # fmt: skip
        self._status("running", "")
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        loaded = self.checkpoints.load()
        if loaded is None:
            self.writer.truncate(0)
            return
        self.number, state = loaded
        self.learner.load_state(state["learner"])
        for name in ("env_step", "iteration", "switched", "evaluated", "chunks", "metrics_bytes", "seconds"):
            setattr(self, name, state[name])
        self.diverged = state["diverged"].numpy()
        self.final = {n: v.numpy() for n, v in state["final"].items()}
        self.collected = {n: v.numpy() for n, v in state["collected"].items()}
        if self.switched:
            self._drop_offline_if_told()
        for number in range(self.chunks):
            rows = torch.from_numpy(self.checkpoints.read_chunk(number))
            if rows.ndim != 3 or rows.shape[0] != self.replay.seeds or rows.shape[2] != self.layout.width:
                raise RecordError(f"online chunk {number} of {self.writer.path} has shape {tuple(rows.shape)}")
            for part in torch.split(rows, self.protocol.steps_per_iteration, dim=1):
                self.replay.append(part)
        self.writer.truncate(self.metrics_bytes)
        step = self.env_step if self.switched else self.learner.updates - self.offline_total
        self.progress.say(f"resuming at step {step:,}")
        self.writer.log(f"resuming at step {step}")

    def _pause(self) -> None:
        """Between two blocks: checkpoint if one is due by the clock, and stop if asked to."""
        if self.stop_signal is None and time.monotonic() - self.saved_at < CHECKPOINT_SECONDS:
            return
        self._save()
        if self.stop_signal is not None:
            self._status("stopped", signal.Signals(self.stop_signal).name)
            self.writer.log(f"stopped by {signal.Signals(self.stop_signal).name}")
            raise Stopped(self.stop_signal)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C ask for a stop at the next block; a second Ctrl-C interrupts at once."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self.stop_signal is not None and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.stop_signal = number
            self.progress.say("stopping at the next checkpoint")

        before = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)

    # clocks

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.learner.device.type == "cuda" and part != "update":
            torch.cuda.synchronize(self.learner.device)
        self.seconds[part] += time.perf_counter() - start

    def _show(self, phase: str, done: int, total: int, unit: str) -> None:
        spent = self.seconds["offline"] if phase == "offline" else self.seconds["update"] + self.seconds["collect"]
        rate = done / spent if spent else 0.0
        updates_left = self.offline_total - self.learner.updates if phase == "offline" else 0
        update_rate = self.learner.updates / max(1e-9, self.seconds["offline"] + self.seconds["update"])
        steps_left = 0 if self.needs.offline_only else self.protocol.online_steps - self.env_step
        per_step = self.protocol.updates_per_step / max(1e-9, update_rate)
        if self.env_step:
            per_step += self.seconds["collect"] / self.env_step
        left = updates_left / max(1e-9, update_rate) + steps_left * per_step
        self.rates = {"updates_per_second": update_rate}
        self.progress.show(phase, done, total, unit, rate, left)

    def _status(self, state: str, message: str) -> None:
        self.writer.status({
            "state": state, "phase": "online" if self.switched else "offline", "env_step": self.env_step,
            "update": self.learner.updates, "message": message,
            "seconds": {k: round(v, 1) for k, v in self.seconds.items()},
            "updates_per_second": round(self.rates.get("updates_per_second", 0.0), 1),
        })  # fmt: skip

    def summary(self) -> str:
        """Where the time went, for the end of a run."""
        total = max(1e-9, sum(self.seconds.values()))
        update = self.seconds["offline"] + self.seconds["update"]
        shares = {"update": update, "collection": self.seconds["collect"], "evaluation": self.seconds["evaluate"]}
        text = ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in shares.items())
        return f"{self.learner.updates:,} updates and {self.env_step:,} steps per seed in {total:.0f} s: {text}"


def _offline_rows(layout: Layout, data: Transitions | None) -> tuple[torch.Tensor, int]:
    """Packed rows with the demonstrations first, and how many those are."""
    if data is None:
        return torch.zeros(0, layout.width), 0
    order = np.argsort(~data.demo, kind="stable")
    columns = (data.obs, data.action, data.reward, data.next_obs, data.terminated)
    rows = layout.pack(*(torch.from_numpy(c[order]) for c in columns))
    return rows, int(data.demo.sum())


def _packed(layout: Layout, got: Collected) -> torch.Tensor:
    """Collected transitions as rows [S, n, width]; a diverged seed's are zeroed, so that they stay finite."""
    parts = (got.obs, got.action, got.reward, got.next_obs, got.terminated)
    return torch.nan_to_num(layout.pack(*(torch.from_numpy(np.ascontiguousarray(p)) for p in parts)))
