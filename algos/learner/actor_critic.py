"""The skeleton: networks, targets, optimisers and random streams of S seeds, and the one update in its one order.

    sample rows -> target -> critics -> policy -> auxiliary modules -> targets

An objective only supplies losses; everything that is stepped, drawn or counted is here. Nothing in `update` waits for
the host: fill counts and metric sums stay on the device and are read by `read_metrics` on the calendar. On CUDA whole
rounds of sampling and update are replayed as a graph (`algos.learner.capture`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algos.contract import (
    BATCH,
    ENSEMBLE,
    Batch,
    LearnerConfig,
    Metrics,
    Needs,
    Noise,
    Objective,
    Phase,
    Stage,
    Step,
    row_mean,
)
from algos.learner.action_chunks import ActionChunks
from algos.learner.actors import acting
from algos.learner.build import build, stream_seed
from algos.learner.capture import Rounds
from algos.learner.compiled import Compiled
from algos.learner.hindsight import Hindsight
from algos.learner.iteration import Iteration
from algos.learner.meter import Meter
from algos.learner.optimisers import apply, clipped, gradients_of, make_optimiser
from algos.learner.replay import Layout, Replay
from algos.learner.sampling import Sampler
from algos.networks.nets import Dual, Linear, Nets
from algos.networks.policies import GaussianPolicy
from algos.settings import SettingError

__all__ = ["PARTS", "ActorCritic"]

PARTS = ("networks", "targets", "optimisers", "duals")
LIKELIHOOD_ROWS, LIKELIHOOD_CHUNK = 2000, 500  # per seed; in all, and at once


class ActorCritic:
    """Trains one algorithm for several seeds at once.

    `q_max` is the largest possible return (None: unknown), used as `learner.q_bound` says. `collected` is the number
    of rows per seed that an online iteration adds. `capture` is whether updates on CUDA are replayed as a graph; it
    changes their speed only. `hindsight` is how goals are exchanged in what it samples, if at all. With an
    `action_chunk` above 1 the replay, and the `layout` given, hold single steps, while the learner decides so many
    actions at once: its own layout and discount are those of such a decision.
    """

    def __init__(
        self,
        objective: Objective,
        cfg: Any,
        *,
        learner: LearnerConfig,
        seeds: Sequence[int],
        layout: Layout,
        replay: Replay | None = None,
        q_max: float | None = None,
        offline_fraction: float | None = None,
        device: torch.device | None = None,
        capture: bool = True,
        collected: int = 1000,
        hindsight: Hindsight | None = None,
        action_chunk: int = 1,
        compiled: bool | None = None,  # None: as the setting `compile` says, which leaves `auto` to who knows the run
    ) -> None:
        self.objective, self.seeds, self.layout = objective, tuple(seeds), layout.chunked(action_chunk)
        self.learner = dataclasses.replace(learner, discount=learner.discount**action_chunk)
        self.replay = replay
        self.device = device or torch.device("cpu")
        self.base_cfg = cfg
        self.collected = collected
        self.needs = objective.needs(cfg)
        self.q_max = q_max if self.needs.bounded_q and learner.q_bound != "none" else None
        if layout.discrete and self.needs.actions == "continuous":
            raise SettingError(f"{objective.name} needs continuous actions, not one of {layout.action_dim} choices")
        if action_chunk > 1 and (hindsight is not None or not self.needs.chunks):
            raise SettingError(f"{objective.name} cannot learn from chunks of actions here")
        cloned = replay is not None and replay.offline and self.needs.demo_batch  # else row 0 would be, again and again
        if replay is not None and (self.needs.demos or cloned) and not replay.demos:
            raise SettingError(f"{objective.name} learns from demonstrations, but the dataset marks none")
        self.generators = [torch.Generator(self.device).manual_seed(stream_seed(s, "learn")) for s in self.seeds]
        self.sampler = Sampler(
            self.needs,
            layout=self.layout,
            replay=replay,
            batch_size=learner.batch_size,
            offline_fraction=offline_fraction,
            hindsight=hindsight,
            chunks=None if action_chunk == 1 else ActionChunks(action_chunk, learner.discount, layout, self.device),
            normalise_obs=learner.normalise_obs,
            generators=self.generators,
            device=self.device,
        )
        self.stage: Stage | None = None  # of the update that is being made
        compiled = learner.compile is True if compiled is None else compiled
        self.compiled = Compiled(self.update, self._moving) if compiled else None
        self.rounds = Rounds(self._round, self.generators, capture and self.device.type == "cuda")
        self._version = 0  # changes with whatever a recorded round would not see
        self._age = torch.zeros((), dtype=torch.float64, device=self.device)  # updates of this phase
        self.nets = self._build(0)
        self.optimisers = self._optimisers(self.nets)
        self.meter = Meter()
        self.updates = 0
        self.set_phase("offline")

    def _build(self, generation: int) -> Nets:
        """Fresh networks; `generation` counts how often they were reset."""
        bound = self.q_max if self.learner.q_bound == "output" else None
        nets = build(self.needs, self.learner, self.seeds, self.layout, output_bound=bound, generation=generation)
        nets.to(self.device)
        if self.needs.std_of_demos and isinstance(nets.policy, GaussianPolicy) and self.replay is not None:
            nets.policy.start_at(self.replay.demo_std())
        return nets

    def _optimisers(self, nets: Nets) -> dict[str, torch.optim.Optimizer]:
        learner, needs = self.learner, self.needs
        momentum, decay = needs.momentum.get, learner.policy_weight_decay
        out = {"policy": make_optimiser(nets.policy, learner.policy_lr, decay, momentum("policy"))}
        if nets.critic is not None:
            out["critic"] = make_optimiser(nets.critic, learner.critic_lr)
        for name, module in nets.extra.items():
            rate = needs.module_lr.get(name, learner.policy_lr)
            rate = learner.critic_lr if rate == "critic" else rate
            own = needs.module_decay.get(name, 0.0)
            out[name] = make_optimiser(module, rate, decay if own == "policy" else own, momentum(name))
        return out

    def set_phase(self, phase: Phase) -> None:
        """Enter a phase; what changes at the switch is what the objective's `on_phase` says."""
        self.phase: Phase = phase
        self.cfg = self.objective.on_phase(self.base_cfg, phase)
        stages = self.objective.stages(self.cfg, phase, self.collected, self.learner)
        self.pace = self.objective.needs(self.cfg)  # of what it says, how often something moves and the demonstrations
        self.sampler.phase, self.sampler.demo_batch = phase, self.pace.demo_batch
        self.rounds.turns = _turns(self.pace)
        seeds, capacity = len(self.seeds), self.sampler.window_capacity
        self.iteration = Iteration(stages, seeds=seeds, capacity=capacity, device=self.device)
        self.meter.enter((stage.name for stage in stages), self.pace.policy_every)
        self._age.zero_()
        self._version += 1

    @torch.no_grad()
    def reset_parts(self, parts: Iterable[str]) -> None:
        """Start some of `PARTS` anew: networks, targets (copies of the critics), optimisers, duals.

        Networks are all there are, also of values and behaviour; duals are numbers that learn, such as a temperature.
        """
        parts = set(parts)
        if unknown := parts - set(PARTS):
            raise SettingError(f"cannot reset {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
        fresh = self._build(1) if parts & {"networks", "duals"} else None
        if fresh is not None and "networks" in parts:
            self.nets.policy.load_state_dict(fresh.policy.state_dict())
            if self.nets.critic is not None and fresh.critic is not None:
                self.nets.critic.load_state_dict(fresh.critic.state_dict())
        for name, module in fresh.extra.items() if fresh is not None else ():
            if ("networks" if _is_network(module) else "duals") in parts:
                self.nets.extra[name].load_state_dict(module.state_dict())
        for online, target in self.nets.targets() if "targets" in parts else ():
            target.load_state_dict(online.state_dict())
        if "optimisers" in parts:
            self.optimisers = self._optimisers(self.nets)
        self._version += 1

    # one update

    def run(self, updates: int) -> None:
        """Sample and update `updates` times without touching the host; where stages begin, prepare them."""
        if not self.iteration.stages:
            self._run(updates)
        while self.iteration.stages and updates:
            self.stage, done = self.iteration.now()
            if not done:
                self.begin(self.stage)
            elif not self.iteration.indexed:
                self.sampler.window(self.iteration, self.collected)
            n = min(updates, self.stage.updates - done)
            self._run(n)
            updates -= n
            self.stage = None

    def _run(self, updates: int) -> None:
        key = (self._version, self.sampler.mixes())
        self.rounds.run(self.updates, updates, key=key, kind=self._stage_name)
        self._count(updates)

    def learn(self, batch: Batch, noise: Noise) -> None:
        """Make one update from a given batch, eagerly: it is neither replayed nor compiled."""
        self.update(batch, noise, self.updates % self.pace.policy_every)
        self._count(1)

    def _count(self, updates: int) -> None:
        """Count updates that have been made; nothing else does, on the host."""
        self.updates += updates
        self.meter.count(updates, self._stage_name)
        if self.stage is not None:
            self.iteration.advance(updates)

    @property
    def _stage_name(self) -> str | None:
        return None if self.stage is None else self.stage.name

    def _round(self, turn: int) -> None:
        """Sampling and update; recorded, on CUDA."""
        if self.compiled is None:
            self.update(*self.draw(), turn)
        else:
            self.compiled.run(*self.draw(), turn, key=self._version, kind=self._stage_name)

    def _moving(self) -> list[Tensor]:
        """Every tensor that an update changes in place, as far as it exists."""
        slots = [value for o in self.optimisers.values() for state in o.state.values() for value in state.values()]
        moments = filter(torch.is_tensor, slots)
        return [*self.nets.parameters(), *moments, *self.meter.tensors(), self._age, self.iteration.cursor]

    def take_failure(self) -> str:
        """Why updates could not be compiled, or captured on CUDA, told once: a line, or empty where nothing failed."""
        if self.compiled is not None and (why := self.compiled.take_failure()):
            return f"updates are not compiled, which is slower ({why})"
        why = self.rounds.take_failure()
        return f"updates run one by one, which is slower: no CUDA graph could be captured ({why})" if why else ""

    @torch.no_grad()
    def begin(self, stage: Stage) -> None:
        """Compute what a stage learns from, for all rows of its window."""
        sampler, iteration = self.sampler, self.iteration
        sampler.window(iteration, self.collected)
        paths = sampler.trajectories(iteration, self.learner.bootstrap_through_terminals)
        columns = self.objective.prepare(self.cfg, self.nets, stage.name, paths, self.learner)
        if iteration.hold(stage, columns, sampler.passes(iteration, stage)):
            self._version += 1

    def draw(self) -> tuple[Batch, Noise]:
        """The next batch and noise of every seed, from its own stream."""
        return self.sampler.draw(self.stage, self.iteration)

    def update(self, batch: Batch, noise: Noise, turn: int) -> None:
        """One gradient step of every network of every seed; what is delayed moves in turn 0 only.

        It changes tensors in place and counts nothing on the host, so that it can be replayed and compiled.
        """
        nets, learner, stage = self.nets, self.learner, self.stage
        step = Step(batch, noise, learner, nets.policy, age=self._age, stage=self._stage_name)
        gradients: dict[str, Sequence[Tensor]] = {}
        if nets.critic is not None:
            gradients["critic"], logged = self._critic_gradients(step)
            if learner.update_order == "post":
                self._apply("critic", gradients.pop("critic"))
                with torch.no_grad():
                    step.q_data = nets.q(batch.obs, batch.action)
            self.meter.add({**logged, **_ratings(step)}, step.stage)
        if turn == 0 and (stage is None or "policy" in stage.trains):
            loss, logged = self.objective.actor_loss(self.cfg, nets, step)
            gradients["policy"] = gradients_of(loss, nets.policy, retain=True)
            std = step.dist.std.mean(dim=(1, 2))
            self.meter.add({"actor_loss": loss, "policy_std": std, **logged}, step.stage, self.pace.policy_every)
        if turn % self.pace.modules_every == 0 and (stage is None or {*stage.trains} - {"policy"}):
            losses, logged = self.objective.auxiliary_losses(self.cfg, nets, step)
            self.meter.add(logged, step.stage, self.pace.modules_every)
            for name, loss in losses.items():
                gradients[name] = gradients_of(loss, nets.extra[name])
        if "policy" in gradients and (own := self.objective.policy_step(self.cfg, nets, step, gradients["policy"])):
            self.meter.add(own[1], step.stage)
            with torch.no_grad():
                torch._foreach_add_(list(nets.policy.parameters()), list(own[0]))
            del gradients["policy"]
        for name, gradient in gradients.items():
            self._apply(name, gradient)
        for online, target in nets.targets() if turn % self.pace.targets_every == 0 else ():
            with torch.no_grad():
                torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), learner.tau)
        self.iteration.cursor += 1
        self._age += 1

    def _critic_gradients(self, step: Step) -> tuple[Sequence[Tensor], Metrics]:
        nets, batch = self.nets, step.batch
        assert nets.critic is not None
        with torch.no_grad():
            ahead = (nets.target_policy or nets.policy)(batch.next_obs)
            target = self.objective.td_target(self.cfg, nets, step, ahead)  # [S, B]
            if self.learner.q_bound == "target" and self.q_max is not None:
                target = target.clamp_max(self.q_max)
        q = nets.q(batch.obs, batch.action)  # [S, E, B]
        td_loss, logged = self.objective.critic_loss(self.cfg, nets, step, q, target, ahead)  # [S]
        penalty, more = self.objective.critic_penalty(self.cfg, nets, step, q) or (None, {})
        loss = td_loss if penalty is None else td_loss + penalty
        step.q_data = q.detach()
        metrics = {"critic_loss": td_loss, "td_target": row_mean(target), **logged, **more}
        return gradients_of(loss, nets.critic), metrics

    def _apply(self, name: str, gradients: Sequence[Tensor]) -> None:
        optimiser = self.optimisers[name]
        if self.needs.max_grad_norm is not None:
            gradients = clipped(gradients, self.needs.max_grad_norm)
        apply(optimiser, gradients)
        if name in self.nets.extra and isinstance(module := self.nets.extra[name], Dual):
            module.project()

    # what others read

    def read_metrics(self) -> dict[str, NDArray[np.float32]]:
        """Means [S] since the last call in this phase; the only place where learning metrics reach the host.

        What is delayed, or belongs to one stage, is averaged over the updates in which it happened, and missing where
        it did not.
        """
        return self.meter.read(self.updates)

    @torch.no_grad()
    def act(self, obs: NDArray[np.float32], noise: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Actions [S, n, A] of every seed's policy at obs [S, n, O]: its mode, or a sample from given noise."""
        states = self.sampler.scaled(torch.from_numpy(obs).to(self.device))
        draws = None if noise is None else torch.from_numpy(noise).to(self.device)
        return np.asarray(self.objective.act(self.cfg, self.nets, states, draws).cpu().numpy())

    def actor(self) -> nn.Module:
        """What acts, as `algos.learner.actors` saves it, on observations as they are."""
        mean, std = self.sampler.obs_mean, self.sampler.obs_std
        scale = None if mean is None or std is None else (mean, std)
        return acting(self.objective, self.cfg, self.nets, self.layout.obs_dim, scale)

    @torch.no_grad()
    def behaviour_log_prob(self, source: Literal["offline", "online"]) -> NDArray[np.float64] | None:
        """Mean log-likelihood of replayed actions under the objective's behaviour model: [S]; None without either.

        It is of up to `LIKELIHOOD_ROWS` rows spread evenly over the source, so that nothing is drawn for it.
        """
        total = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        index = self.sampler.rows().spread_rows(source, LIKELIHOOD_ROWS)
        for part in torch.split(index, LIKELIHOOD_CHUNK, dim=1):
            rows = self.sampler.batch(part)
            log_prob = self.objective.behaviour_log_prob(self.cfg, self.nets, rows.obs, rows.action)
            if log_prob is None:
                return None
            total += log_prob.double().sum(BATCH)
        return (total / index.shape[1]).cpu().numpy() if index.shape[1] else None

    def finite(self) -> NDArray[np.bool_]:
        """Which seeds' parameters are all finite: [S]."""
        ok = torch.ones(len(self.seeds), dtype=torch.bool, device=self.device)
        for p in self.nets.parameters():
            ok &= p.detach().flatten(1).isfinite().all(dim=1)
        return ok.cpu().numpy()

    def state(self) -> dict[str, Any]:
        """Everything but the replay rows, as tensors and plain values (`torch.load(weights_only=True)` reads it)."""
        return {
            "nets": self.nets.state_dict(),
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "generators": [g.get_state() for g in self.generators],
            "updates": self.updates,
            **self.meter.state(),
            "iteration": self.iteration.state(),
            "phase": self.phase,
            "age": self._age.clone(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state()` was taken."""
        self.nets.load_state_dict(state["nets"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())
        self.set_phase(state["phase"])
        self.updates = state["updates"]
        self.meter.load_state(state, self.device)
        self.iteration.load_state(state["iteration"])
        self._age.copy_(state["age"])


def _ratings(step: Step) -> Metrics:
    """What the critics say of the batch's actions, and how far they are apart; each [S]."""
    assert step.q_data is not None
    low, high = step.q_data.aminmax(dim=ENSEMBLE)
    return {"q_data": row_mean(low), "q_gap": row_mean(high - low)}


def _is_network(module: nn.Module) -> bool:
    """Whether a module has layers, and is not just numbers that learn, such as a temperature."""
    return any(isinstance(part, Linear) for part in module.modules())


def _turns(needs: Needs) -> tuple[int, ...]:
    """One cycle of updates: for each, the number of the first one that moves the same networks."""
    moved = [
        (turn == 0, turn % needs.targets_every == 0, turn % needs.modules_every == 0)
        for turn in range(needs.policy_every)
    ]
    return tuple(moved.index(m) for m in moved)
