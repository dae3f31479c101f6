"""Recorder of a run: rows of metrics.csv, its status, log and policies, and lines for people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.learner.actor_critic import ActorCritic
from algos.learner.actors import meta_of
from algos.networks.policy_file import save_policy
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import offline_updates, online_steps
from suite.record.folders import policy_folder, policy_path
from suite.record.metrics import digits
from suite.record.rows import Row
from suite.record.standing import drop_standing, write_standing
from suite.record.writer import RunWriter, write_json
from suite.train.progress import Progress, Standing
from suite.train.state import RunState

__all__ = ["Recorder"]

STANDING_EVERY = 5.0  # seconds between what `bench watch` sees
FEW_ROWS = 0.01  # of a batch: where weights lie on less, a few rows decide what is imitated


class Recorder:
    """Writes the record of one run and tells people of it.

    `keep_policies` keeps those of every evaluation beside the final ones. Steps are those of the calendar: environment
    steps since the switch, before it the updates that are left, negative.
    """

    def __init__(
        self, experiment: Experiment, writer: RunWriter, progress: Progress, *, keep_policies: bool = False
    ) -> None:
        self.experiment, self.writer, self.progress = experiment, writer, progress
        self.keep_policies = keep_policies
        self._stood = 0.0  # when it was last written how far the run is
        self._warned: set[str] = set()  # phases in which it was said that a few rows decide

    def tell(self, message: str) -> None:
        """Say a line to whoever watches, and log it."""
        self.progress.say(message)
        self.writer.log(message)

    # evaluations

    def evaluation(self, at: RunState, learner: ActorCritic, step: int) -> None:
        """Record the scores in `at.final`, what was collected, and what was learned since the last evaluation.

        Seeds whose parameters have just stopped being finite get a row that says so, and none after it.
        """
        learned = {**learner.read_metrics(), **_behaviour(learner)}
        newly = ~learner.finite() & ~at.diverged
        for k in np.flatnonzero(newly).tolist():
            seed, update = self.experiment.seeds[k], learner.updates
            self.progress.say(f"seed {seed} diverged before update {update}: frozen, the others go on")
            self.writer.log(f"seed {seed} diverged before update {update}")
        rows = self._rows(at, newly, {**at.final, **at.collected, **learned}, learner.updates, step)
        at.diverged |= newly
        self._warn_of_few_rows(at, learned)
        at.collected = {}
        at.metrics_bytes = self.writer.append(rows)
        self._show_score(at, step)
        if self.keep_policies:
            self.policies(at, learner, policy_folder(self.writer.path, step))

    def _rows(
        self, at: RunState, newly: NDArray[np.bool_], values: Mapping[str, NDArray[Any]], updates: int, step: int
    ) -> list[Row]:
        rows = []
        for k, seed in enumerate(self.experiment.seeds):
            if newly[k]:
                rows.append(Row(seed, at.phase, step, updates, "diverged", 1.0))
            elif not at.diverged[k]:
                rows += [Row(seed, at.phase, step, updates, name, float(v[k])) for name, v in values.items()]
        return rows

    def _show_score(self, at: RunState, step: int) -> None:
        headline = self.experiment.task.headline
        scores, after = at.final[headline], digits(headline)
        each = " ".join(f"{x:.{after}f}" for x in scores)
        self.progress.score(f"{headline} {scores.mean():.{after}f} at {step:,}", f"[{each}]")
        self.writer.log(f"step {step}: {headline} {each}")

    def _warn_of_few_rows(self, at: RunState, learned: Mapping[str, NDArray[Any]]) -> None:
        """Warn once per phase where weights lie on very few rows: the temperature is low for the scale of Q."""
        if "weight_ess" not in learned or at.phase in self._warned:
            return
        share = float(np.nanmin(learned["weight_ess"][~at.diverged], initial=1.0))
        if share < FEW_ROWS:
            self._warned.add(at.phase)
            where = f"{100 * share:.1g} % of a batch (weight_ess, {at.phase})"
            self.tell(f"imitation weights lie on {where}: a few rows decide; a softer temperature spreads them")

    # policies

    def policies(self, at: RunState, learner: ActorCritic, folder: Path | None = None) -> None:
        """Write one policy file per finite seed into `folder` (None: where a run's final ones lie)."""
        folder = policy_folder(self.writer.path) if folder is None else folder
        folder.mkdir(exist_ok=True, parents=True)
        e, actor = self.experiment, learner.actor()
        meta: dict[str, Any] = {
            **meta_of(actor),
            "obs_dim": e.layout.obs_dim,
            "action_dim": learner.layout.action_dim,
            **({} if e.protocol.action_chunk == 1 else {"action_chunk": e.protocol.action_chunk}),
            "hidden": e.learner.hidden,
            "task": e.task.id,
            "algo": e.algo,
            "profile": e.profile,
        }
        kept = {}
        for k, seed in enumerate(e.seeds):
            if at.diverged[k]:
                continue
            scores = {name: float(v[k]) for name, v in at.final.items()}
            path = policy_path(folder, seed)
            save_policy(path, actor, k, {**meta, "seed": seed, **scores})
            kept[path.name] = scores
        write_json(folder / "policy.json", {**meta, "files": kept})

    # status and clocks

    def status(self, state: str, at: RunState, updates: int, message: str = "") -> None:
        """Replace status.json. `state` is running | stopped | failed | finished."""
        if state != "running":
            drop_standing(self.writer.path)
        self.writer.status(
            {
                "state": state,
                "phase": at.phase,
                "env_step": at.env_step,
                "update": updates,
                "message": message,
                "seconds": {k: round(v, 1) for k, v in at.seconds.items()},
                "updates_per_second": round(at.update_rate(updates), 1),
                **({"sums": self.writer.sums()} if state == "finished" else {}),
            }
        )

    def show(self, at: RunState, updates: int) -> None:
        """Show how far the run is, at which rate it goes on, and how long it will take."""
        p, seconds = self.experiment.protocol, at.seconds
        offline, online = offline_updates(self.experiment), online_steps(self.experiment)
        per_update = 1.0 / max(1e-9, at.update_rate(updates))
        per_step = p.updates_per_step * per_update + seconds["collect"] / max(1, at.env_step)
        if at.switched:
            done, total, unit, spent = at.env_step, online, "steps", seconds["update"] + seconds["collect"]
        else:
            done, total, unit, spent = updates, offline, "updates", seconds["offline"]
        updates_left = 0 if at.switched else offline - updates
        left = updates_left * per_update + (online - at.env_step) * per_step
        standing = Standing(at.phase, done, total, unit, done / spent if spent else 0.0, left)
        self.progress.show(standing)
        if (now := time.monotonic()) - self._stood > STANDING_EVERY:
            self._stood = now
            write_standing(self.writer.path, **standing._asdict(), score=self.progress.headline)

    def summary(self, at: RunState, updates: int) -> None:
        """Say the last score and where the time went, at the end of a run."""
        total = max(1e-9, sum(at.seconds.values()))
        update = at.seconds["offline"] + at.seconds["update"]
        shares = {"update": update, "collection": at.seconds["collect"], "evaluation": at.seconds["evaluate"]}
        text = ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in shares.items())
        if self.progress.scores:
            self.progress.say(self.progress.scores)
        self.tell(f"{updates:,} updates and {at.env_step:,} steps per seed in {total:.0f} s: {text}")


def _behaviour(learner: ActorCritic) -> dict[str, NDArray[Any]]:
    """Log-probability of offline and of the seed's own online actions under the behaviour model, where there is one."""
    likely = {f"behaviour_log_prob_{s}": learner.behaviour_log_prob(s) for s in ("offline", "online")}
    return {name: values for name, values in likely.items() if values is not None}
