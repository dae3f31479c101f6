"""A tiny problem on which every algorithm can take a gradient step, for the tests of the learner."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import algos
from algos.contract import Batch, LearnerConfig, Noise, Phase, Stage, Step, Trajectories
from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import InitialStates, Layout, Replay, columns
from algos.networks.nets import MLP, Linear, Nets, TwinQ
from algos.networks.policies import DeterministicPolicy, GaussianPolicy
from algos.settings import with_values
from envs.tasks import Task

torch.set_num_threads(1)  # matrices this small only wait for each other

LAYOUT = Layout(obs_dim=5, action_dim=3)
SMALL: dict[str, Any] = {"hidden": (16, 16), "batch_size": 32}
SMALL_OWN: dict[str, Any] = {  # of the algorithms that have it
    "vae_hidden": (16, 16),
    "value_updates": 2,
    "policy_updates": 2,
    "updates": 3,
    "minibatch": 10,
    "value_batch": 10,
    "passes": 2,
    "value_passes": 1,
}
OFFLINE, DEMOS, CAPACITY, ONLINE, EPISODE = 96, 24, 64, 40, 8
SEEDS = (3, 7, 11)


def rows(n: int, seed: int, layout: Layout = LAYOUT) -> Tensor:
    """`n` packed transitions [n, width]: actions within and at the bounds, rewards -1 and 0, a few terminals.

    Where the layout's actions are choices, one-hot vectors.
    """
    g = torch.Generator().manual_seed(seed)
    obs, next_obs = torch.randn(2, n, layout.obs_dim, generator=g)
    action = (0.8 * torch.randn(n, layout.action_dim, generator=g)).clamp(-1, 1)
    if layout.discrete:
        action = torch.eye(layout.action_dim)[action.argmax(-1)]
    reward = (torch.rand(n, generator=g) < 0.3).float() - 1
    return packed(layout, obs, action, reward, next_obs, torch.rand(n, generator=g) < 0.1)


def packed(layout: Layout, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor, terminated: Tensor) -> Tensor:
    """Rows of a layout with its columns, from episodes cut after `EPISODE` steps: [n, ...] -> [n, width]."""
    n = len(obs)
    if not n:
        return torch.zeros(0, layout.width)
    ends = terminated.numpy() | (np.arange(n) % EPISODE == EPISODE - 1)
    more = columns(layout.columns, action.numpy(), reward.numpy(), terminated.numpy(), ends, discount=0.99)
    return layout.pack(
        obs, action, reward, next_obs, terminated, **{name: torch.from_numpy(c) for name, c in more.items()}
    )


def phases(name: str) -> list[Phase]:
    """The phases in which an algorithm learns."""
    needs = objective_and_config(name)[0].needs(objective_and_config(name)[1])
    offline = needs.offline_data and needs.offline_phase
    known: list[tuple[Phase, bool]] = [("offline", offline), ("online", not needs.offline_only)]
    return [phase for phase, learns in known if learns]


def cases() -> list[tuple[str, Phase]]:
    """Every (algorithm, phase in which it learns) of the registry."""
    return [(name, phase) for name in algos.names() for phase in phases(name)]


SAME_CODE = {
    ("marwil", "offline"),
    ("marwil", "online"),  # AWR asks for td_lambda=1 only where it has no baseline
    ("sac-prior", "online"),  # SAC's start says what happens offline
}


def distinct_cases() -> list[tuple[str, Phase]]:
    """The cases without entries that run the code of another of their module, with other rates and weights.

    For checks of what a method's code does. Numbers of such an entry may still make a loss overflow, so that what stays
    finite is checked in all `cases`.
    """
    seen: set[Any] = set()
    out = []
    for name, phase in cases():
        entry, cfg = algos.get(name), objective_and_config(name)[1]
        settings = ((field, _kind(value)) for field, value in dataclasses.asdict(cfg).items())
        code = (entry.module, phase, *settings, *sorted(entry.protocol.items()))
        if code not in seen and (name, phase) not in SAME_CODE:
            out.append((name, phase))
        seen.add(code)
    return out


def distinct() -> list[str]:
    """The names in `distinct_cases`."""
    return list(dict(distinct_cases()))


def _kind(value: Any) -> Any:
    """What of a setting may decide which code runs: of a number that is neither 0 nor 1 only that it is one."""
    special = not isinstance(value, float) or value in (0.0, 1.0, math.inf)
    return value if special else "a rate or weight"


def serves(name: str, task: Task) -> bool:
    """Whether an algorithm can be run on a task."""
    return not task.discrete or algos.load(name).default_needs.actions == "any"


def objective_and_config(name: str, **settings: Any) -> tuple[Any, Any]:
    objective = algos.load(name)
    own = {field: value for field, value in SMALL_OWN.items() if hasattr(objective.Config, field)}
    return objective, with_values(objective.Config(), {**objective.settings, **own, **settings})


def learner(
    name: str,
    seeds: Sequence[int] = SEEDS,
    phase: Phase = "offline",
    settings: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
    device: str = "cpu",
    offline: Tensor | None = None,
    discrete: bool = False,
    **more: Any,
) -> ActorCritic:
    """A learner with data, in the phase asked for; what a seed sees does not depend on the seeds beside it."""
    objective, cfg = objective_and_config(name, **(settings or {}))
    config = LearnerConfig(**{**SMALL, **(common or {})})
    on = torch.device(device)
    needs = objective.needs(cfg)
    left = ("steps_left",) if more.get("hindsight") or more.get("action_chunk", 1) > 1 else ()
    layout = dataclasses.replace(LAYOUT, columns=(*needs.columns, *left), discrete=discrete)
    if offline is None:
        offline = rows(OFFLINE if needs.offline_data else 0, seed=1, layout=layout)
    first = offline[::EPISODE, : layout.obs_dim]
    initial = InitialStates(first, len(seeds), CAPACITY, on) if needs.initial_batch else None
    replay = Replay(
        layout,
        offline,
        demos=min(DEMOS, len(offline)),
        seeds=len(seeds),
        capacity=CAPACITY,
        device=on,
        initial=initial,
    )
    more = {"offline_fraction": algos.get(name).protocol.get("offline_fraction"), "collected": ONLINE, **more}
    out = ActorCritic(objective, cfg, learner=config, seeds=seeds, layout=layout, replay=replay, device=on, **more)
    if phase == "online":
        switch(out)
    return out


def until(made: ActorCritic, part: str) -> int:
    """Updates from the start of a phase until the first that trains the policy, or a module (`part="modules"`)."""
    before = 0
    for stage in made.iteration.stages:
        if ("policy" in stage.trains) if part == "policy" else {*stage.trains} - {"policy"}:
            return before + 1
        before += stage.updates
    return 1


def draws(made: ActorCritic) -> Iterator[tuple[Stage | None, Batch, Noise]]:
    """A batch as the updates of each stage get it, and the stage; of one that has none where updates are all alike."""
    for _ in range(max(1, len(made.iteration.stages))):
        if not made.iteration.stages:
            yield None, *made.draw()
            return
        stage, _ = made.iteration.now()
        made.begin(stage)
        made.stage = stage
        yield stage, *made.draw()
        made.stage = None
        made.run(stage.updates)


def switch(made: ActorCritic) -> None:
    """Give every seed some rows of its own and enter the online phase."""
    assert made.replay is not None
    collected = torch.stack([rows(ONLINE, seed=100 + s, layout=made.replay.layout) for s in made.seeds])
    made.replay.append(collected)
    if made.replay.initial is not None:
        made.replay.initial.append(collected[:, ::EPISODE, : made.layout.obs_dim])
    made.set_phase("online")


def parameters(made: ActorCritic) -> dict[str, Tensor]:
    """Copies of every parameter of a learner, by name."""
    return {name: p.detach().clone() for name, p in made.nets.named_parameters()}


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Names of the parameters that are not bit-equal."""
    return {name for name in before if not torch.equal(before[name], after[name])}


def largest_difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def alone_against_packed(name: str, phase: Phase, updates: int = 5, **more: Any) -> float:
    """Largest difference between any parameter of a seed trained alone and of the same seed trained in a pack."""
    packed = learner(name, SEEDS, phase, **more)
    packed.run(updates)
    together = parameters(packed)
    worst = 0.0
    for n, seed in enumerate(SEEDS):
        single = learner(name, [seed], phase, **more)
        single.run(updates)
        worst = max(worst, largest_difference(parameters(single), {k: v[n : n + 1] for k, v in together.items()}))
    return worst


def plain(mlp: MLP, *member: int) -> nn.Sequential:
    """torch's own network with the weights of one member of a stack."""
    layers: list[nn.Module] = []
    norms: list[Any] = [None] * len(mlp.layers) if mlp.norms is None else [*mlp.norms, None]
    for layer, norm in zip(mlp.layers, norms, strict=True):
        assert isinstance(layer, Linear)
        weight, bias = layer.weight[member], layer.bias[member]
        linear = nn.Linear(*weight.shape, dtype=weight.dtype)
        linear.load_state_dict({"weight": weight.T, "bias": bias[0]})
        layers.append(linear)
        if norm is not None:
            layers.append(nn.LayerNorm(weight.shape[1], dtype=weight.dtype))
            layers[-1].load_state_dict({"weight": norm.scale[member][0], "bias": norm.shift[member][0]})
        layers.append(nn.Tanh() if mlp.activation == "tanh" else nn.ReLU())
    return nn.Sequential(*layers[:-1])


def gradient(loss: Tensor, module: nn.Module) -> Tensor:
    """d(loss summed over seeds) / d(parameters of the module), as one vector."""
    parts = torch.autograd.grad(
        loss.sum(), list(module.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([p.flatten() for p in parts])


class QuadraticQ(nn.Module):
    """The bandit's twin critics, Q(s, a) = scale(s) (b a - k a^2 / 2), with scale(s) = 1 where `scaled` is off."""

    def __init__(self, b: float = 1.0, k: float = 2.0, scaled: bool = False) -> None:
        super().__init__()
        self.b, self.k, self.scaled = b, k, scaled

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        q = (self.b * action - self.k * action.square() / 2).sum(-1)
        return (q * obs[..., 0] if self.scaled else q)[:, None].expand(-1, 2, -1)


class ConstantQ(nn.Module):
    """Critics whose values do not depend on state or action."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = values

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return obs.new_tensor(self.values)[None, :, None].expand(obs.shape[0], -1, obs.shape[1])


def stub_nets(policy: nn.Module, critic: nn.Module, **extra: nn.Module) -> Nets:
    """Networks with a critic whose values are known."""
    return Nets(policy, critic, extra, None)  # type: ignore[arg-type]


@torch.no_grad()
def constant_policy(mean: float, std: float, seeds: int = 1) -> GaussianPolicy:
    """A one-dimensional policy over one-dimensional observations that is N(mean, std^2) everywhere; float64."""
    policy = GaussianPolicy(seeds, 1, 1, (4,)).double()
    for p in policy.parameters():
        p.zero_()
    *_, last_bias = policy.mean.parameters()
    last_bias.fill_(mean).atanh_()
    share = min((math.log(std) - policy.low) / (policy.high - policy.low), 1 - 1e-12)
    policy.log_std_logits.fill_(share).logit_()
    return policy


@torch.no_grad()
def constant_action(action: float, seeds: int = 1) -> DeterministicPolicy:
    """A policy that does the same in every one-dimensional state; float64."""
    policy = DeterministicPolicy(seeds, 1, 1, (4,)).double()
    *rest, last_bias = policy.parameters()
    for p in rest:
        p.zero_()
    last_bias.fill_(action).atanh_()
    return policy


def normal_grid(n: int) -> Tensor:
    """`n` points spread as a standard normal, symmetric, with mean 0 and variance exactly 1; float64."""
    points = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    return points / points.square().mean().sqrt()


def bandit_step(policy: nn.Module, nets: Nets, action: Tensor, noise: Tensor | None = None, seeds: int = 1) -> Step:
    """A step on data actions [B] of a single state, the same for every seed; `noise` [K, B]."""
    action = action[None, :, None].repeat(seeds, 1, 1)
    state = torch.ones_like(action)
    zero = torch.zeros_like(action[..., 0])
    batch = Batch(state, action, zero, state.clone(), zero.clone())
    draws = Noise(torch.zeros_like(action), None if noise is None else noise[None, ..., None].expand(seeds, -1, -1, -1))
    return Step(batch, draws, LearnerConfig(), policy, nets.q(state, action).detach(), torch.zeros(()))


def random_step(
    family: nn.Module, nets: Nets, seeds: int = 2, rows_: int = 32, samples: int = 1, seed: int = 0
) -> Step:
    """A step on random transitions, with a demonstration batch; float64."""
    packed = torch.stack([rows(rows_, seed + s) for s in range(seeds)]).double()
    demo = torch.stack([rows(8, 50 + seed + s) for s in range(seeds)]).double()
    g = torch.Generator().manual_seed(seed)
    a = LAYOUT.action_dim
    noise = Noise(
        torch.randn(seeds, rows_, a, generator=g).double(), torch.randn(seeds, samples, rows_, a, generator=g).double()
    )
    batch = LAYOUT.batch(packed, LAYOUT.batch(demo))
    q_data = nets.q(batch.obs, batch.action).detach()
    return Step(batch, noise, LearnerConfig(), family, q_data, torch.zeros(()))


def staged(step: Step, stage: str, **columns: Tensor) -> Step:
    """The step as an update of a stage is given it, with these prepared columns."""
    return dataclasses.replace(step, batch=dataclasses.replace(step.batch, columns=columns), stage=stage)


def paths_of(batch: Batch, iteration: int = 0) -> Trajectories:
    """The rows of a batch as trajectories of at most `EPISODE` steps."""
    n = batch.reward.shape[1]
    cut = torch.arange(n) % EPISODE == EPISODE - 1
    ends = ((batch.terminated > 0) | cut | (torch.arange(n) == n - 1)).to(batch.reward)

    def fetch(part: slice) -> Batch:
        whole = (batch.obs, batch.action, batch.reward, batch.next_obs, batch.terminated)
        return Batch(*(x[:, part] for x in whole))

    return Trajectories(batch.reward, batch.terminated, ends, fetch, iteration)


class FirstEntry(nn.Module):
    """State values that are known: the first entry of the observation."""

    def forward(self, obs: Tensor) -> Tensor:
        return obs[..., 0]


def random_nets(policy_type: type[nn.Module], seeds: int = 2, target_policy: bool = False, **extra: nn.Module) -> Nets:
    """Small networks with random weights, large enough in the last layer to differ between states; float64."""
    o, a = LAYOUT.obs_dim, LAYOUT.action_dim
    policy, critic = policy_type(seeds, o, a, (16, 16)), TwinQ(seeds, 2, o, a, (16, 16))
    nets = Nets(policy, critic, extra, None, target_policy)
    nets.init([torch.Generator().manual_seed(s) for s in range(seeds)], copy_targets=False)
    *_, last = [module for module in policy.modules() if isinstance(module, Linear)]
    with torch.no_grad():
        for p in last.parameters() if last.bound < 0.01 else ():
            p.mul_(300)
    return nets.double()


def moved_to(batch: Batch, noise: Noise, device: str) -> tuple[Batch, Noise]:
    """The same draws on another device."""

    def there(part: Any) -> Any:
        if isinstance(part, Tensor):
            return part.to(device)
        if isinstance(part, Mapping):
            return {name: there(value) for name, value in part.items()}
        if dataclasses.is_dataclass(part):
            return type(part)(**{f.name: there(getattr(part, f.name)) for f in dataclasses.fields(part)})
        return part

    return there(batch), there(noise)
