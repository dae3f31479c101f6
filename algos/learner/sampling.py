"""What an update learns from: rows, batches of demonstrations and first states, and noise, from one stream per seed."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from algos.contract import Batch, Needs, Noise, Phase, Stage, Trajectories
from algos.learner.action_chunks import ActionChunks
from algos.learner.hindsight import Hindsight, Relabeller
from algos.learner.iteration import Iteration, shuffled_passes
from algos.learner.replay import InitialStates, Layout, Replay

__all__ = ["Sampler"]


class Sampler:
    """Draws batches and noise for S seeds without asking the host anything.

    `generators` is the learner's own list of random streams; `offline_fraction` the fixed share of offline rows of
    online batches (None: uniform over all rows). With `hindsight`, batches have some of their goals replaced; those of
    demonstrations beside them and first states keep theirs. With `chunks`, rows are chunks of actions, as is `layout`.
    """

    def __init__(
        self,
        needs: Needs,
        *,
        layout: Layout,
        replay: Replay | None,
        batch_size: int,
        generators: list[torch.Generator],
        device: torch.device,
        offline_fraction: float | None = None,
        hindsight: Hindsight | None = None,
        chunks: ActionChunks | None = None,
        normalise_obs: bool = False,
    ) -> None:
        if hindsight is not None and not needs.single_rows:
            raise ValueError("goals cannot be exchanged in rows that carry returns or are looked at as trajectories")
        self.relabeller = None if hindsight is None else Relabeller(hindsight, layout, device)
        self.chunks = chunks
        self.needs, self.batch_size, self.layout, self.replay = needs, batch_size, layout, replay
        self.offline_fraction, self.generators, self.device = offline_fraction, generators, device
        self.obs_mean, self.obs_std = self._obs_scale() if normalise_obs else (None, None)
        self.phase: Phase = "offline"  # phase that batches are drawn for
        self.demo_batch = needs.demo_batch  # rows of demonstrations beside them in that phase

    @property
    def window_capacity(self) -> int:
        """The largest number of rows that a stage learns from."""
        replay, window = self.replay, self.needs.window
        if replay is None:
            return 0
        return replay.offline + (min(replay.capacity, window) if isinstance(window, int) else replay.capacity)

    def draw(self, stage: Stage | None = None, iteration: Iteration | None = None) -> tuple[Batch, Noise]:
        """The next batch and noise of every seed, from its own stream; of a stage, from the rows prepared for it."""
        needs = self.needs
        rows = self.batch_size if stage is None else stage.batch_size or self.batch_size
        width = self.layout.action_dim
        seeds = len(self.generators)
        draws = rows + self.demo_batch + needs.initial_batch
        u = torch.empty(seeds, draws, dtype=torch.float64, device=self.device)
        ahead = needs.next_action_samples if needs.critics else 0
        noise = torch.empty(seeds, ahead + needs.action_samples, rows, width, device=self.device)
        critics = torch.empty(seeds, needs.critics, device=self.device) if needs.critic_draws else None
        first = torch.empty(seeds, needs.initial_batch, width, device=self.device)
        later = None if self.relabeller is None else torch.empty(seeds, rows, dtype=torch.float64, device=self.device)
        for s, generator in enumerate(self.generators):
            u[s].uniform_(generator=generator)
            if noise.shape[1]:
                noise[s].normal_(generator=generator)
            if critics is not None:
                critics[s].uniform_(generator=generator)
            if needs.initial_batch:
                first[s].normal_(generator=generator)
            if later is not None:
                later[s].uniform_(generator=generator)
        u_rows, u_demo, u_initial = torch.split(u, [rows, self.demo_batch, needs.initial_batch], dim=1)
        demo = self.batch(self.rows().source_rows(u_demo, "demos")) if self.demo_batch else None
        initial = self.scaled(self._initial().draw(u_initial)) if needs.initial_batch else None
        if stage is None:
            batch = self.batch(self.index(u_rows), demo, initial, later)
        else:
            assert iteration is not None, "a stage learns from the rows of its iteration"
            batch = self._stage_batch(u_rows, stage, iteration, demo, initial)
        return batch, Noise(
            next_action=noise[:, 0] if ahead else None,
            action=noise[:, ahead:] if needs.action_samples else None,
            next_actions=noise[:, :ahead] if ahead else None,
            critics=critics,
            initial=first if needs.initial_batch else None,
        )

    def index(self, u: Tensor) -> Tensor:
        """Which rows a batch takes, from u in [0, 1): [S, B]."""
        replay = self.rows()
        if self.offline_fraction is not None and self.mixes():
            return replay.mixed_rows(u, round(self.offline_fraction * u.shape[1]))
        return replay.source_rows(u, self.needs.source)

    def mixes(self) -> bool:
        """Whether batches hold a fixed share of offline rows; the host knows, so no branch looks at a tensor."""
        replay = self.rows()
        return bool(self.phase == "online" and self.offline_fraction is not None and replay.inserted and replay.offline)

    def scaled(self, obs: Tensor) -> Tensor:
        """Observations as the networks see them."""
        return obs if self.obs_mean is None or self.obs_std is None else (obs - self.obs_mean) / self.obs_std

    # stages

    def window(self, iteration: Iteration, collected: int) -> None:
        """Point an iteration to the rows that its present stage learns from; one collects so many rows per seed."""
        window, rows = self.needs.window, self.rows()
        iteration.point_to(
            rows.in_order(newest=collected) if window == "iteration" else rows.in_order(collected=window)
        )

    def trajectories(self, iteration: Iteration, ignore_terminals: bool = False) -> Trajectories:
        """The window of an iteration as whole trajectories; true ends can be made to look like time limits."""
        replay = self.rows()
        index = iteration.index[:, : iteration.rows]
        reward, terminated, ends = (replay.number(name, index) for name in ("reward", "terminated", "ends"))
        if ignore_terminals:
            terminated = torch.zeros_like(terminated)
        return Trajectories(reward, terminated, ends, lambda part: self.batch(index[:, part]), iteration.number)

    def passes(self, iteration: Iteration, stage: Stage) -> Tensor | None:
        """Shuffled passes over the window, where the stage wants them: [S, updates, B]."""
        if not stage.passes:
            return None
        batch = stage.batch_size or self.batch_size
        return shuffled_passes(self.generators, iteration.rows, stage.updates, batch, self.device)

    def _stage_batch(
        self, u: Tensor, stage: Stage, iteration: Iteration, demo: Batch | None, initial: Tensor | None
    ) -> Batch:
        index, columns = iteration.gather(iteration.positions(u))
        if stage.all_demos:
            rows = torch.arange(self.rows().demos, device=self.device).expand(len(u), -1)
            demo = self.batch(rows)
        batch = self.batch(index, demo, initial)
        return dataclasses.replace(batch, columns={**batch.columns, **columns})

    # parts

    def batch(
        self, index: Tensor, demo: Batch | None = None, initial: Tensor | None = None, later: Tensor | None = None
    ) -> Batch:
        """Batch of the rows with these numbers [S, B]; their goals are exchanged where `later` [S, B] is given."""
        replay = self.rows()
        if self.chunks is not None:
            rows = self.chunks.gather(replay, index)
        elif later is None or self.relabeller is None:
            rows = replay.gather(index)
        else:
            rows = self.relabeller.gather(replay, index, later)
        batch = self.layout.batch(rows, demo, initial)
        if self.obs_mean is None:
            return batch
        return dataclasses.replace(batch, obs=self.scaled(batch.obs), next_obs=self.scaled(batch.next_obs))

    def _obs_scale(self) -> tuple[Tensor | None, Tensor | None]:
        """Mean and deviation of the offline rows' observations [O], where there are any."""
        replay = self.replay
        if replay is None or not replay.offline:
            return None, None
        obs = replay.rows[: replay.offline, : self.layout.obs_dim]
        return obs.mean(0), obs.std(0, correction=0) + 1e-3  # as in TD3+BC's code

    def _initial(self) -> InitialStates:
        states = self.rows().initial
        if states is None:
            raise RuntimeError("this learner needs first states of episodes, and its replay was built without")
        return states

    def rows(self) -> Replay:
        """The replay; raises where the learner was built without one."""
        if self.replay is None:
            raise RuntimeError("this learner was built without data and can only act")
        return self.replay
