"""The contract between the learner and a method: one update in order, what each hook is given, and what it returns.

Every tensor of a learner starts with the seed axis. Shapes use S seeds, E critics, B batch rows, O observation and A
action dimensions, K samples per state. A method's module defines some of the hooks below; the rest have defaults. One
update of `algos.learner.actor_critic`:

    sample     each seed draws B rows and noise from a random stream of its own: `Batch` and `Noise`, in a `Step`
    target     y = td_target(cfg, nets, step, next_dist) [S, B], without gradient; next_dist is the policy at next_obs
               (its slow copy, where `Needs.target_policy`); y is kept below the largest return as `q_bound` says
    critics    q = Q(obs, action) [S, E, B], which later hooks find without gradient as step.q_data
               loss = critic_loss(cfg, nets, step, q, y, next_dist) + critic_penalty(cfg, nets, step, q) [S]
    policy     loss = actor_loss(cfg, nets, step) [S], every `Needs.policy_every` updates
    auxiliary  losses = auxiliary_losses(cfg, nets, step), one [S] for each network of `Needs.modules` that learns
    step       an optimiser steps each network by the gradient of its own loss, summed over S; policy_step(cfg, nets,
               step, gradient) may make the policy's increments instead. All losses saw the networks as they were,
               but for update_order=post: there the critics step before the policy's loss
    targets    the slow copies of critics and policy move by a share tau towards them

Every loss comes with metrics, each [S]. Outside of updates: `needs(cfg)` says what is built; `on_phase` and `stages`
are asked when a phase begins, `prepare` when a stage begins; `act` gives actions [S, n, A] at obs [S, n, O] to collect
and to evaluate, and `behaviour_log_prob` the log-likelihood [S, n] of given actions, for the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from inspect import signature
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

import torch
from torch import Tensor

from algos.learner_config import LearnerConfig
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.networks.policies import Builder, Family
from algos.settings import Preset, with_values
from algos.space import Space

__all__ = [
    "ARGUMENTS",
    "BATCH",
    "ENSEMBLE",
    "HOOKS",
    "OPTIONAL_HOOKS",
    "SEED",
    "Batch",
    "LearnerConfig",
    "Metrics",
    "Needs",
    "Noise",
    "Objective",
    "Phase",
    "Stage",
    "Step",
    "Trajectories",
    "bellman",
    "discounts",
    "effective_sample_size",
    "held_entries",
    "row_mean",
    "whole_rows",
]

SEED = 0
ENSEMBLE = 1  # of critic outputs [S, E, B]
BATCH = 1  # of batches and losses per row [S, B]; critic outputs have their batch last

T = TypeVar("T")
_CHUNK = 16_384  # rows per seed that a network is given at once
Metrics = dict[str, Tensor]  # name -> [S]
Phase = Literal["offline", "online"]


@dataclass(frozen=True)
class Batch:
    """Transitions. `terminated` is 1 only at a true end of the task, never at a time limit."""

    obs: Tensor  # [S, B, O]
    action: Tensor  # [S, B, A]
    reward: Tensor  # [S, B]
    next_obs: Tensor  # [S, B, O]
    terminated: Tensor  # [S, B], 0 or 1
    demo: Batch | None = None  # a second batch, from demonstrations only
    columns: Mapping[str, Tensor] = field(default_factory=dict)  # what `Needs.columns` names: [S, B] or [S, B, width]
    initial_obs: Tensor | None = None  # [S, M, O], first states of episodes

    def __post_init__(self) -> None:
        rows = self.obs.shape[:2]
        shapes = {
            "action": self.action.shape[:2],
            "reward": self.reward.shape,
            "next_obs": self.next_obs.shape[:2],
            "terminated": self.terminated.shape,
        }
        wrong = {name: tuple(shape) for name, shape in shapes.items() if shape != rows}
        if wrong or self.obs.shape != self.next_obs.shape:
            raise ValueError(f"batch of {tuple(rows)} (seeds, rows) has parts that do not fit: {wrong}")


@dataclass(frozen=True)
class Noise:
    """Standard normal draws of one update, made outside the losses from one stream per seed."""

    next_action: Tensor | None  # [S, B, A], for a' ~ pi(s')
    action: Tensor | None  # [S, K, B, A], for a ~ pi(s)
    next_actions: Tensor | None = None  # [S, K', B, A], for several a' per state; the first is next_action
    critics: Tensor | None = None  # [S, E], uniform in [0, 1), to choose among the critics
    initial: Tensor | None = None  # [S, M, A], for a ~ pi at first states


@dataclass
class Step:
    """What one update has at hand, so that no loss computes it again."""

    batch: Batch
    noise: Noise
    learner: LearnerConfig
    policy: Callable[[Tensor], Dist]
    q_data: Tensor | None = None  # [S, E, B] critics at (obs, action), without gradient
    age: Tensor | None = None  # [], updates since the phase began, on the device
    stage: str | None = None  # of the iteration, for objectives that have any in this phase
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """`make()`, computed at most once per update, for what several losses of an objective share."""
        if name not in self._known:
            self._known[name] = make()
        known: T = self._known[name]
        return known

    @cached_property
    def dist(self) -> Dist:
        """The policy at `batch.obs`, with gradient even where it is first asked for without; not every update asks."""
        with torch.enable_grad():
            return self.policy(self.batch.obs)

    @cached_property
    def sampled(self) -> tuple[Tensor, Tensor]:
        """One reparameterised policy action per state [S, B, A] and its log-probability [S, B], with gradient."""
        assert self.noise.action is not None
        with torch.enable_grad():
            return self.dist.sample(self.noise.action[:, 0])


@dataclass(frozen=True)
class Trajectories:
    """N rows per seed, episode after episode: the offline ones, then the collected ones from the oldest on."""

    reward: Tensor  # [S, N]
    terminated: Tensor  # [S, N], 0 or 1
    ends: Tensor  # [S, N], 1 in the last row of an episode or of what was collected of it
    fetch: Callable[[slice], Batch]  # some of the rows, as a batch [S, n]
    iteration: int = 0  # since the phase began

    def map(self, value: Callable[[Batch], Tensor]) -> Tensor:
        """`value` of all rows, given some thousands at a time: batches [S, n] -> [S, N]."""
        n = self.reward.shape[1]
        return torch.cat([value(self.fetch(slice(i, min(i + _CHUNK, n)))) for i in range(0, n, _CHUNK)], dim=1)


@dataclass(frozen=True)
class Stage:
    """A part of an iteration: for so many updates some of the networks learn, from rows prepared when it begins."""

    name: str
    updates: int
    trains: tuple[str, ...]  # "policy", and names of `Needs.modules`
    batch_size: int | None = None  # rows per update; None: the learner's
    passes: bool = False  # batches cut from the rows in random order, each once per pass; or drawn independently
    all_demos: bool = False  # every demonstration row beside each batch, as `Batch.demo`


@dataclass(frozen=True)
class Needs:
    """What an objective asks of the skeleton and the protocol."""

    chunks: bool = False  # True: its losses take chunks of actions, of which the episode may not hold the last ones
    policy: Family | Builder = "gaussian"  # or a network of the objective's own, which acts through `act` only
    # "any": no loss differentiates through an action, so choices serve as well; policies are categorical then
    actions: Literal["any", "continuous"] = "continuous"
    critics: int = 2  # 0: no critic is trained
    layer_norm: bool = False  # in the critics' hidden layers
    action_samples: int = 0  # K draws for actions at the batch's states
    next_action_samples: int = 1  # K' draws for actions at the next states, where there are critics
    critic_draws: bool = False  # a uniform draw per critic and update
    # the next three, and `demo_batch`, are asked anew for each phase, by its settings
    policy_every: int = 1  # updates between steps of the policy
    targets_every: int = 1  # updates between moves of the targets: 1, or policy_every as in TD3
    modules_every: int = 1  # updates between steps of `modules`: 1, or policy_every as in RLPD
    target_policy: bool = False  # a slow copy of the policy, moved with the target critics; their a' is its
    exploration_noise: float = 0.0  # standard deviation of what a deterministic policy adds when it collects
    columns: tuple[str, ...] = ()  # of `algos.learner.replay.COLUMNS`, beside the transition itself
    initial_batch: int = 0  # rows of a batch of initial states
    demo_batch: int = 0  # rows of a second batch from demonstrations
    # which offline rows are demonstrations: those that the data mark, all, or all where the data mark none
    demo_rows: Literal["marked", "all", "marked or all"] = "marked"
    source: Literal["all", "demos"] = "all"  # which offline rows the batch comes from
    offline_data: bool = True  # False: never sees prior data and has no offline phase
    offline_phase: bool = True  # False: offline data are only replayed online
    offline_fit: bool = False  # True: a model is fitted offline only, so that it cannot do without prior data
    offline_only: bool = False  # True: does not learn online; its score at the switch stands
    bounded_q: bool = True  # False where values hold more than reward (an entropy bonus)
    log_std_range: tuple[float, float] | None = None  # of a Gaussian policy, which starts in its middle
    std_of_demos: bool = False  # a Gaussian policy starts with the deviation of the demonstrations' actions
    # collected rows that stages learn from beside all offline ones: the newest so many, or all; "iteration": those that
    # were just collected, without offline ones
    window: int | Literal["iteration"] | None = None
    max_grad_norm: float | None = None  # of each network and seed
    momentum: Mapping[str, float] = field(default_factory=dict)  # of "policy" and modules stepped by SGD, not Adam
    modules: Mapping[str, Builder | Family] = field(default_factory=dict)  # a family: a network like the policy
    # Adam step sizes of modules, or whose it is; where not the policy's
    module_lr: Mapping[str, float | Literal["critic"]] = field(default_factory=dict)
    # L2 on modules' parameters, or whose it is; where not none
    module_decay: Mapping[str, float | Literal["policy"]] = field(default_factory=dict)

    @property
    def demos(self) -> bool:
        """Whether it cannot do without rows that are marked as demonstrations."""
        return self.source == "demos" or (self.demo_batch > 0 and self.demo_rows == "marked")

    def demo_count(self, marked: int, offline: int) -> int:
        """How many of the `offline` rows count as demonstrations, where the data mark the first `marked` ones."""
        every = self.demo_rows == "all" or (self.demo_rows == "marked or all" and not marked)
        return offline if every else marked

    @property
    def single_rows(self) -> bool:
        """Whether a row is all that is learned from at a time, so that its goal can be exchanged.

        Returns, and whatever is computed along whole trajectories, belong to the goal that was pursued.
        """
        return not {"return_to_go", "ends"} & set(self.columns)


# what losses of several methods use


def row_mean(x: Tensor) -> Tensor:
    """Mean over the batch of a per-row value: [S, B] -> [S]."""
    assert x.ndim == 2, f"expected [S, B], got {tuple(x.shape)}"
    return x.mean(BATCH)


def effective_sample_size(weights: Tensor) -> Tensor:
    """(sum w)^2 / (B sum w^2) per seed, from 1/B (one row decides) to 1 (all rows count alike): [S, B] -> [S]."""
    return weights.sum(BATCH).square() / (weights.shape[BATCH] * weights.square().sum(BATCH)).clamp_min(
        torch.finfo(weights.dtype).tiny
    )


def held_entries(batch: Batch, values: Tensor) -> Tensor:
    """Values of the entries of an action [S, B, A], 0 for those of a chunk that its episode does not hold."""
    held = batch.columns.get("held")
    return values if held is None else values * held


def whole_rows(batch: Batch, values: Tensor) -> Tensor:
    """Values of rows [S, B], 0 for those whose chunk of actions its episode does not hold to the end."""
    held = batch.columns.get("held")
    return values if held is None else values * held[..., -1]


def bellman(step: Step, next_q: Tensor) -> Tensor:
    """One-step target from the value of the next state [S, B]."""
    return step.batch.reward + discounts(step) * next_q


def discounts(step: Step) -> Tensor:
    """What the value of the next state is multiplied by: [S, B].

    Only `terminated` stops the bootstrap: a time limit is not the end of the task.
    """
    if step.learner.bootstrap_through_terminals:
        return torch.full_like(step.batch.reward, step.learner.discount)
    return step.learner.discount * (1.0 - step.batch.terminated)


# what hooks do where a method does not define them

LossAndMetrics = tuple[Tensor, Metrics]
Increments = tuple[Sequence[Tensor], Metrics] | None


def _td_target(cfg: Any, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """r + gamma (1 - terminated) min_i target Q_i(s', a'), a' ~ pi(s'); [S, B]."""
    assert step.noise.next_action is not None
    next_action, _ = next_dist.sample(step.noise.next_action)
    next_q = nets.target_q(step.batch.next_obs, next_action).amin(ENSEMBLE)
    return bellman(step, next_q)


def _critic_loss(cfg: Any, nets: Nets, step: Step, q: Tensor, target: Tensor, next_dist: Dist) -> LossAndMetrics:
    """Squared distance of each critic [S, E, B] from the target [S, B], summed over the critics."""
    return row_mean(whole_rows(step.batch, (q - target[:, None]).square().sum(ENSEMBLE))), {}


def _no_penalty(cfg: Any, nets: Nets, step: Step, q: Tensor) -> LossAndMetrics | None:
    return None


def _no_auxiliary(cfg: Any, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    return {}, {}


def _act(cfg: Any, nets: Nets, obs: Tensor, noise: Tensor | None) -> Tensor:
    """The policy's mode, or a sample from given noise: obs [S, n, O], noise [S, n, A] -> [S, n, A]."""
    dist = nets.policy(obs)
    action: Tensor = dist.mode if noise is None else dist.sample(noise)[0]
    return action


def _no_behaviour(cfg: Any, nets: Nets, obs: Tensor, action: Tensor) -> Tensor | None:
    return None


def _same(cfg: Any, phase: Phase) -> Any:
    return cfg


def _no_stages(cfg: Any, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    return ()


def _nothing_prepared(
    cfg: Any, nets: Nets, stage: str, paths: Trajectories, learner: LearnerConfig
) -> dict[str, Tensor]:
    return {}


def _by_the_optimiser(cfg: Any, nets: Nets, step: Step, gradient: Sequence[Tensor]) -> Increments:
    return None


@dataclass(frozen=True)
class Objective:
    """A method as the registry loads it: its settings, what it needs, and pure losses, from a module that defines them.

    The fields that are called are the hooks, and functions of the module by the same name: those without a default must
    be there. Beside them a module may hold `METRICS`, names that it logs beyond the common ones with their meaning,
    `PRESETS`, settings from other sources by name, and `SPACE`, what `bench tune` tries of its settings.

    A method that alternates defines `stages`: what an iteration, which collects so many rows per seed, consists of in a
    phase; empty where all updates of the phase are alike. Iterations follow each other offline as well. `prepare`
    gives columns [S, N] for the N rows its stages learn from, computed when a stage begins; they are in
    `batch.columns` of its updates. `policy_step` may replace the optimiser's step of the policy: from the gradient of
    the summed loss it makes the increments of the parameters, or None where the optimiser steps.
    `behaviour_log_prob` rates given actions under the method's model of the behaviour; None where it has no model.
    """

    name: str
    summary: str
    Config: type[Any]
    settings: Mapping[str, Any]  # where this registry entry departs from Config's defaults
    needs: Callable[[Any], Needs]
    actor_loss: Callable[[Any, Nets, Step], LossAndMetrics]
    td_target: Callable[[Any, Nets, Step, Dist], Tensor] = _td_target
    critic_loss: Callable[[Any, Nets, Step, Tensor, Tensor, Dist], LossAndMetrics] = _critic_loss
    critic_penalty: Callable[[Any, Nets, Step, Tensor], LossAndMetrics | None] = _no_penalty
    auxiliary_losses: Callable[[Any, Nets, Step], tuple[dict[str, Tensor], Metrics]] = _no_auxiliary
    on_phase: Callable[[Any, Phase], Any] = _same
    act: Callable[[Any, Nets, Tensor, Tensor | None], Tensor] = _act
    stages: Callable[[Any, Phase, int, LearnerConfig], tuple[Stage, ...]] = _no_stages
    prepare: Callable[[Any, Nets, str, Trajectories, LearnerConfig], dict[str, Tensor]] = _nothing_prepared
    policy_step: Callable[[Any, Nets, Step, Sequence[Tensor]], Increments] = _by_the_optimiser
    behaviour_log_prob: Callable[[Any, Nets, Tensor, Tensor], Tensor | None] = _no_behaviour
    metrics: Mapping[str, str] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    space: Space = field(default_factory=dict)

    @property
    def acts_by_policy(self) -> bool:
        """Whether its policy alone says how it acts."""
        return self.act is _act

    @property
    def default_needs(self) -> Needs:
        """What the registry entry asks for as it stands."""
        return self.needs(with_values(self.Config(), self.settings))


_HINTS = get_type_hints(Objective)
_CALLED = [f for f in fields(Objective) if get_origin(_HINTS[f.name]) in (Callable, type)]
HOOKS = tuple(f.name for f in _CALLED if f.default is MISSING)  # what a method's module must define
OPTIONAL_HOOKS = tuple(f.name for f in _CALLED if f.default is not MISSING)
# what each hook is called with, in this order
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "needs": ("cfg",),
    "actor_loss": ("cfg", "nets", "step"),
    **{f.name: tuple(signature(f.default).parameters) for f in _CALLED if callable(f.default)},
}
