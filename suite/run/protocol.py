"""The protocol: offline updates, the switch, then online iterations, on one evaluation calendar.

    offline:  evaluate at -offline_updates, every eval_every_offline updates, and at 0
    switch:   hand over networks, targets, optimisers and duals (keep, or reset as `reset_at_switch` says)
    online:   collect steps_per_iteration with the sampled policy, append, update; evaluate every eval_every_online

Everything written to metrics.csv follows from run.json alone: a run killed anywhere and resumed writes the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algos.learner.actor_critic import ActorCritic
from algos.learner.actors import meta_of
from algos.learner.replay import Replay
from algos.networks.policy_file import save_policy
from envs.data.datasets import Transitions
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import lanes, online_capacity
from suite.record.folders import RecordError, Row, RunWriter, policy_folder, policy_path, write_json
from suite.record.metrics import digits
from suite.run.checkpoint import CHECKPOINT, Checkpoints, drop_chunks
from suite.run.evaluate import collect, evaluate
from suite.run.progress import Progress
from suite.run.rows import collected_rows, first_states, offline_rows
from suite.run.state import RunState
from suite.run.stop import Stopped, StopRequest

__all__ = ["Diverged", "Runner"]

BLOCK = 50  # updates between looks at the clock and at stop signals
FEW_ROWS = 0.01  # of a batch: less and a few rows decide what is imitated
CHECKPOINT_SECONDS = 120.0  # between checkpoints where evaluations are further apart


class Diverged(Exception):  # noqa: N818 - an outcome, not a mistake in the command
    """No seed is left whose parameters are finite: there is nothing to train."""


class Runner:
    """Carries one experiment through its protocol, from the start or from its last checkpoint."""

    def __init__(
        self, experiment: Experiment, data: Transitions | None, env: VectorEnv, device: torch.device,
        writer: RunWriter, progress: Progress, keep_policies: bool = False,
    ) -> None:  # fmt: skip
        self.experiment, self.env, self.writer, self.progress = experiment, env, writer, progress
        self.keep_policies = keep_policies  # those of every evaluation, beside the final ones
        self.needs = experiment.needs
        protocol, task = experiment.protocol, experiment.task
        self.protocol = protocol
        self.layout = experiment.layout
        data = data if self.needs.offline_data else None
        rows, demos = offline_rows(self.layout, data, experiment.learner.discount)
        demos = len(rows) if self.needs.demo_all else demos
        seeds = experiment.seeds
        initial = first_states(data, task.obs_dim, len(seeds), device) if self.needs.initial_batch else None
        replay = Replay(self.layout, rows, demos, len(seeds), online_capacity(experiment), device, initial)
        most = max(0.0, task.reward_range[1])  # per step; an episode may also end
        q_max = most / (1.0 - experiment.learner.discount) if np.isfinite(most) else None
        self.learner = ActorCritic(
            experiment.objective, experiment.cfg, experiment.learner, seeds, self.layout, replay,
            q_max, protocol.offline_fraction, device, collected=protocol.steps_per_iteration,
            hindsight=experiment.hindsight,
        )  # fmt: skip
        self.replay = replay
        self.checkpoints = Checkpoints(writer.path / CHECKPOINT)
        self.offline_total = protocol.offline_updates if self.needs.offline_data and self.needs.offline_phase else 0
        self.at = RunState(np.zeros(len(seeds), bool))
        self.number = 0  # of the last checkpoint
        self.pending: list[NDArray[np.float32]] = []  # online rows since then
        self.saved_at = time.monotonic()
        self.stop = StopRequest(progress.say)
        self.update_rate = 0.0  # per second
        self.told: set[str] = set()  # phases of which it was said that a few rows decide

    # the protocol

    def run(self) -> None:
        """Everything that is left to do; raises `Stopped` after a checkpoint when asked to stop.

        Raises `Diverged` at the evaluation that finds no finite seed. Whatever else ends a run is told by its status.
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
                self.writer.log(f"failed: {error}")
            raise

    def _offline(self) -> None:
        self._check_finite()  # a run that diverged altogether comes back here
        if self.at.switched:
            return
        every = self.protocol.eval_every_offline
        if self.learner.updates == 0:  # a run may also come back here in the middle
            self._evaluate_if_due()
        while self.learner.updates < self.offline_total:
            done = self.learner.updates
            n = min(BLOCK, every - done % every, self.offline_total - done)
            self._update("offline", n)
            self._show("offline", done + n, self.offline_total, "updates")
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
        if not self.protocol.keep_offline_data:
            self.replay.drop_offline()

    def _online(self) -> None:
        p = self.protocol
        while self.at.env_step < p.online_steps or self.learner.updates < self._updates_due():
            if self.learner.updates == self._updates_due():  # otherwise: stopped between collecting and the last update
                self._collect()
            due = self._updates_due()
            while self.learner.updates < due:
                self._update("update", min(BLOCK, due - self.learner.updates))
                self._show("online", self.at.env_step, p.online_steps, "steps")
                if self.learner.updates < due:
                    self._pause()
            if self.at.env_step % p.eval_every_online == 0 or self.at.env_step == p.online_steps:
                self._evaluate_if_due()
            self._pause()

    def _update(self, part: str, updates: int) -> None:
        with self._timed(part):
            self.learner.run(updates)
        if why := self.learner.take_failure():
            self.progress.say(why)
            self.writer.log(why)

    def _updates_due(self) -> int:
        """Updates that belong to the offline phase and the iterations collected so far; none during the warm-up."""
        p = self.protocol
        warmup = -(-p.warmup_steps // p.steps_per_iteration)
        online = round(max(0, self.at.iteration - warmup) * p.steps_per_iteration * p.updates_per_step)
        return self.offline_total + online

    def _calendar_step(self) -> int:
        """Environment steps since the switch; before it, updates that are left, negative."""
        return self.at.env_step if self.at.switched else self.learner.updates - self.offline_total

    def _collect(self) -> None:
        p = self.protocol
        with self._timed("collect"):
            got = collect(
                self.env, self.learner.act, self.experiment.seeds, self.at.iteration, p.steps_per_iteration,
                self.layout.action_dim,
            )  # fmt: skip
        rows = collected_rows(self.layout, got, self.experiment.learner.discount)
        self._append(rows)
        self.pending.append(rows.numpy())
        self.at.collected = {"collect_return": got.returns}
        if self.experiment.task.success is not None:
            self.at.collected = {"collect_success": got.success, **self.at.collected}
        self.at.env_step += p.steps_per_iteration
        self.at.iteration += 1

    def _append(self, rows: torch.Tensor) -> None:
        """One iteration's rows [S, n, width], lane after lane; each lane began with a reset."""
        self.replay.append(rows)
        if self.replay.initial is not None:
            lane = self.protocol.steps_per_iteration // lanes(self.experiment)
            self.replay.initial.append(rows[:, ::lane, : self.layout.obs_dim])

    # evaluation and the record

    def _evaluate_if_due(self) -> None:
        """Evaluate, record and checkpoint, once per point of the calendar."""
        point = (self.learner.updates, self.at.env_step)
        if self.at.evaluated == point:
            return
        task = self.experiment.task
        with self._timed("evaluate"):
            scores = evaluate(self.env, self.learner.act, len(self.experiment.seeds), self.protocol.eval_episodes, task)
        self.at.final = scores
        self._record(scores)
        self.at.evaluated = point
        after = digits(task.headline)
        values = " ".join(f"{x:.{after}f}" for x in scores[task.headline])
        mean = f"{scores[task.headline].mean():.{after}f}"
        self.progress.score(f"{task.headline} {mean} [{values}] at {self._calendar_step():,}")
        self.writer.log(f"step {self._calendar_step()}: {task.headline} {values}")
        if self.keep_policies:
            self._save_policies(policy_folder(self.writer.path, self._calendar_step()))
        self._save()
        self._check_finite()

    def _check_finite(self) -> None:
        if self.at.diverged.all():
            raise Diverged(
                f"{self.experiment.cell}: every seed diverged before update {self.learner.updates:,}; "
                "smaller learning rates may help, e.g. --set policy_lr=1e-4 --set critic_lr=1e-4"
            )

    def _record(self, scores: dict[str, NDArray[np.float64]]) -> None:
        """Rows of this evaluation, of the learning metrics since the last, and of seeds that have just diverged."""
        updates, seeds = self.learner.updates, self.experiment.seeds
        phase = "online" if self.at.switched else "offline"
        step = self._calendar_step()
        learning = self.learner.read_metrics() | self._behaviour()
        newly = ~self.learner.finite() & ~self.at.diverged
        for k in np.flatnonzero(newly).tolist():
            self.progress.say(f"seed {seeds[k]} diverged before update {updates}: frozen, the others go on")
            self.writer.log(f"seed {seeds[k]} diverged before update {updates}")
        rows = []
        for k, seed in enumerate(seeds):
            if newly[k]:
                rows.append(Row(seed, phase, step, updates, "diverged", 1.0))
            if newly[k] or self.at.diverged[k]:
                continue
            values: dict[str, NDArray[Any]] = {**scores, **self.at.collected, **learning}
            rows += [Row(seed, phase, step, updates, name, float(v[k])) for name, v in values.items()]
        self.at.diverged |= newly
        self._mind_weights(phase, learning)
        self.at.collected = {}
        self.at.metrics_bytes = self.writer.append(rows)

    def _behaviour(self) -> dict[str, NDArray[Any]]:
        """How likely the behaviour model finds the offline and the seed's own online actions, where there is one."""
        likely = {f"behaviour_log_prob_{s}": self.learner.behaviour_log_prob(s) for s in ("offline", "online")}
        return {name: values for name, values in likely.items() if values is not None}

    def _finish(self) -> None:
        self._save_policies(policy_folder(self.writer.path))
        self._status("finished", "")
        drop_chunks(self.checkpoints.folder)

    def _save_policies(self, folder: Path) -> None:
        """One file per finite seed, of what acts."""
        folder.mkdir(exist_ok=True, parents=True)
        e, actor = self.experiment, self.learner.actor()
        meta: dict[str, Any] = {
            **meta_of(actor), "obs_dim": self.layout.obs_dim, "action_dim": self.layout.action_dim,
            "hidden": e.learner.hidden, "task": e.task.id, "algo": e.algo, "profile": e.profile,
        }  # fmt: skip
        kept = {}
        for k, seed in enumerate(e.seeds):
            if self.at.diverged[k]:
                continue
            scores = {name: float(v[k]) for name, v in self.at.final.items()}
            path = policy_path(folder, seed)
            save_policy(path, actor, k, {**meta, "seed": seed, **scores})
            kept[path.name] = scores
        write_json(folder / "policy.json", {**meta, "files": kept})

    # checkpoints

    def _save(self) -> None:
        if self.pending:
            self.checkpoints.write_chunk(self.at.chunks, np.concatenate(self.pending, axis=1))
            self.at.chunks += 1
            self.pending = []
        self.number += 1
        self.checkpoints.save(self.number, {"learner": self.learner.state(), **self.at.state()})
        self._status("running", "")
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        loaded = self.checkpoints.load()
        if loaded is None:
            self.writer.truncate(0)
            return
        self.number, state = loaded
        self.learner.load_state(state["learner"])
        self.at = RunState.from_state(state)
        if self.at.switched:
            self._drop_offline_if_told()
        for number in range(self.at.chunks):
            rows = torch.from_numpy(self.checkpoints.read_chunk(number))
            if rows.ndim != 3 or rows.shape[0] != self.replay.seeds or rows.shape[2] != self.layout.width:
                raise RecordError(f"online chunk {number} of {self.writer.path} has shape {tuple(rows.shape)}")
            for part in torch.split(rows, self.protocol.steps_per_iteration, dim=1):
                self._append(part)
        self.writer.truncate(self.at.metrics_bytes)
        self.progress.say(f"resuming at step {self._calendar_step():,}")
        self.writer.log(f"resuming at step {self._calendar_step()}")

    def _pause(self) -> None:
        """Between two blocks: checkpoint if one is due by the clock, and stop if asked to."""
        if self.stop.number is None and time.monotonic() - self.saved_at < CHECKPOINT_SECONDS:
            return
        self._save()
        if self.stop.number is not None:
            self._status("stopped", self.stop.name)
            self.writer.log(f"stopped by {self.stop.name}")
            raise Stopped(self.stop.number)

    # clocks

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.learner.device.type == "cuda":
            torch.cuda.synchronize(self.learner.device)
        self.at.seconds[part] += time.perf_counter() - start

    def _show(self, phase: str, done: int, total: int, unit: str) -> None:
        seconds, protocol = self.at.seconds, self.protocol
        spent = seconds["offline"] if phase == "offline" else seconds["update"] + seconds["collect"]
        rate = done / spent if spent else 0.0
        self.update_rate = self.learner.updates / max(1e-9, seconds["offline"] + seconds["update"])
        per_update = 1.0 / max(1e-9, self.update_rate)
        per_step = protocol.updates_per_step * per_update + seconds["collect"] / max(1, self.at.env_step)
        updates_left = self.offline_total - self.learner.updates if phase == "offline" else 0
        steps_left = 0 if self.needs.offline_only else protocol.online_steps - self.at.env_step
        self.progress.show(phase, done, total, unit, rate, updates_left * per_update + steps_left * per_step)

    def _status(self, state: str, message: str) -> None:
        self.writer.status({
            "state": state, "phase": "online" if self.at.switched else "offline", "env_step": self.at.env_step,
            "update": self.learner.updates, "message": message,
            "seconds": {k: round(v, 1) for k, v in self.at.seconds.items()},
            "updates_per_second": round(self.update_rate, 1),
        })  # fmt: skip

    def _mind_weights(self, phase: str, learning: Mapping[str, NDArray[Any]]) -> None:
        """Say once per phase where weights lie on next to nothing: the temperature is low for the scale of Q."""
        if "weight_ess" not in learning or phase in self.told:
            return
        share = float(np.nanmin(learning["weight_ess"][~self.at.diverged], initial=1.0))
        if share < FEW_ROWS:
            self.told.add(phase)
            where = f"{100 * share:.1g} % of a batch (weight_ess, {phase})"
            message = f"imitation weights lie on {where}: a few rows decide; a softer temperature spreads them"
            self.progress.say(message)
            self.writer.log(message)

    def summary(self) -> str:
        """Where the time went, for the end of a run."""
        total = max(1e-9, sum(self.at.seconds.values()))
        update = self.at.seconds["offline"] + self.at.seconds["update"]
        shares = {"update": update, "collection": self.at.seconds["collect"], "evaluation": self.at.seconds["evaluate"]}
        text = ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in shares.items())
        return f"{self.learner.updates:,} updates and {self.at.env_step:,} steps per seed in {total:.0f} s: {text}"
