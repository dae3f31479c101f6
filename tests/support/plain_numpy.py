"""AWR and MARWIL once more, for one seed, in numpy and double precision: what the learners are compared with.

Written from AWR's Algorithm 1 (Peng et al. 2019) and its authors' code, and from MARWIL (Wang et al. 2018) and RLlib's
code. There is no torch in it down to the heading `comparison`: episodes are walked through step by step, returns are
sums of n-step returns, and gradients are written by hand.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tiny
import torch
from numpy.typing import NDArray
from torch import Tensor

from algos.learner.actor_critic import ActorCritic
from algos.networks.nets import MLP

Array = NDArray[np.float64]

# data


@dataclass(frozen=True)
class Episode:
    """States from the first to the one after the last action, which is the end of the task if `terminated`."""

    obs: Array  # [T + 1, O]
    action: Array  # [T, A]
    reward: Array  # [T]
    terminated: bool  # else a time limit, or the end of what was collected

    @property
    def steps(self) -> int:
        return len(self.reward)


Row = tuple[Episode, int]  # a step of an episode


def episodes(seed: int, rows: int, longest: int = 9) -> list[Episode]:
    """Random episodes with so many steps in all; about half of them terminate, the last one is cut.

    All numbers are exact in single precision.
    """
    random = np.random.default_rng(seed)
    out: list[Episode] = []
    while (left := rows - sum(e.steps for e in out)) > 0:
        steps = min(left, int(random.integers(1, longest + 1)))
        obs = random.normal(size=(steps + 1, tiny.LAYOUT.obs_dim))
        action = random.uniform(-1, 1, size=(steps, tiny.LAYOUT.action_dim))
        reward, terminated = random.normal(size=steps), steps < left and bool(random.random() < 0.5)
        out.append(Episode(_rounded(obs), _rounded(action), _rounded(reward), terminated))
    return out


def _rounded(x: Array) -> Array:
    return x.astype(np.float32).astype(np.float64)


@dataclass
class Memory:
    """Offline episodes for good, and of the collected steps as many as the ring holds."""

    offline: list[Episode]
    ring: int
    collected: list[Episode] = field(default_factory=list)

    def rows(self, newest: int | None = None, collected: int | None = None) -> list[Row]:
        """Every step that is remembered, or the newest, from the oldest on; at most so many of the `collected` ones."""
        old, new = ([(e, t) for e in part for t in range(e.steps)] for part in (self.offline, self.collected))
        both = old + new[-min(self.ring, collected or self.ring) :]
        return both if newest is None else both[-newest:]


def n_step_return(reward: Array, values: Array, t: int, n: int, discount: float) -> float:
    """n rewards from step t on, then the value of the state after them."""
    earned = sum(discount**k * reward[t + k] for k in range(n))
    return float(earned + discount**n * values[t + n])


def lambda_return(reward: Array, values: Array, t: int, discount: float, trace: float) -> float:
    """The mean of all n-step returns, weighted by (1 - trace) trace^(n-1); the longest takes what is left.

    `values` are those of T + 1 states; the last one is 0 after a true end.
    """
    longest = len(reward) - t
    total = trace ** (longest - 1) * n_step_return(reward, values, t, longest, discount)
    for n in range(1, longest):
        total += (1 - trace) * trace ** (n - 1) * n_step_return(reward, values, t, n, discount)
    return total


def returns(
    rows: Sequence[Row], value: Callable[[Array], Array], discount: float, trace: float, through_terminals: bool
) -> Array:
    """TD(lambda) returns of these steps [N]."""
    out = []
    known, values = None, np.zeros(0)
    for episode, t in rows:
        if episode is not known:
            known, values = episode, value(episode.obs)
            if episode.terminated and not through_terminals:
                values[-1] = 0.0
        out.append(lambda_return(episode.reward, values, t, discount, trace))
    return np.array(out)


# networks and optimisers


@dataclass
class Network:
    """A ReLU network with one matrix and one bias per layer."""

    weights: list[Array]  # [inputs, outputs]
    biases: list[Array]  # [outputs]

    @property
    def parameters(self) -> list[Array]:
        return [*self.weights, *self.biases]

    def layers(self, x: Array) -> list[Array]:
        """The input and what each layer puts out: [B, width] each."""
        out = [x]
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if n < len(self.weights) - 1:
                x = np.where(x > 0, x, 0.0)
            out.append(x)
        return out

    def __call__(self, x: Array) -> Array:
        return self.layers(x)[-1]

    def backward(self, layers: list[Array], gradient: Array) -> list[Array]:
        """Gradients of all parameters from that of the output [B, width]."""
        weights: list[Array] = []
        biases: list[Array] = []
        for n in reversed(range(len(self.weights))):
            weights.insert(0, layers[n].T @ gradient)
            biases.insert(0, gradient.sum(0))
            gradient = (gradient @ self.weights[n].T) * (layers[n] > 0)
        return [*weights, *biases]


@dataclass
class Policy:
    """A normal distribution around the tanh of a network (AWAC's code).

    Its log-deviations are -6 + 6 sigmoid(logits), or that of a fixed deviation.
    """

    mean: Network
    logits: Array  # [A]
    fixed_std: float | None = None

    @property
    def parameters(self) -> list[Array]:
        return [self.logits, *self.mean.parameters]

    @property
    def log_std(self) -> Array:
        if self.fixed_std is not None:
            return np.full_like(self.logits, math.log(self.fixed_std))
        return -6.0 + 6.0 / (1.0 + np.exp(-self.logits))

    def log_prob(self, obs: Array, action: Array) -> Array:
        """[B]."""
        z = (action - np.tanh(self.mean(obs))) / np.exp(self.log_std)
        return np.asarray(-(z**2 / 2 + self.log_std + math.log(2 * math.pi) / 2).sum(1))

    def imitation(self, obs: Array, action: Array, weight: Array) -> tuple[float, list[Array]]:
        """-mean of w log pi(a|s), and its gradients."""
        layers = self.mean.layers(obs)
        mean, std, share = np.tanh(layers[-1]), np.exp(self.log_std), weight[:, None] / len(weight)
        z = (action - mean) / std
        of_mean = self.mean.backward(layers, -share * z / std * (1 - mean**2))
        of_logits = np.zeros_like(self.logits)
        if self.fixed_std is None:
            sigmoid = 1.0 / (1.0 + np.exp(-self.logits))
            of_logits = (share * (1 - z**2)).sum(0) * 6.0 * sigmoid * (1 - sigmoid)
        return float(-(weight * self.log_prob(obs, action)).mean()), [of_logits, *of_mean]


def value_error(value: Network, obs: Array, target: Array) -> tuple[float, list[Array]]:
    """Half the mean squared error of V, as in both codes, and its gradients."""
    layers = value.layers(obs)
    error = layers[-1][:, 0] - target
    return float(0.5 * (error**2).mean()), value.backward(layers, error[:, None] / len(error))


class Adam:
    """Kingma and Ba 2015, Algorithm 1, with L2 in the gradient."""

    def __init__(self, parameters: list[Array], lr: float, decay: float = 0.0) -> None:
        self.parameters, self.lr, self.decay, self.t = parameters, lr, decay, 0
        self.m = [np.zeros_like(p) for p in parameters]
        self.v = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Array]) -> None:
        self.t += 1
        for p, g, m, v in zip(self.parameters, gradients, self.m, self.v, strict=True):
            g = g + self.decay * p
            m[:] = 0.9 * m + 0.1 * g
            v[:] = 0.999 * v + 0.001 * g**2
            p -= self.lr * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


class Momentum:
    """Gradient descent whose velocity is the gradient plus a share of what it was, with L2 in the gradient."""

    def __init__(self, parameters: list[Array], lr: float, momentum: float, decay: float = 0.0) -> None:
        self.parameters, self.lr, self.momentum, self.decay = parameters, lr, momentum, decay
        self.velocity = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Array]) -> None:
        for p, g, v in zip(self.parameters, gradients, self.velocity, strict=True):
            v[:] = self.momentum * v + g + self.decay * p
            p -= self.lr * v


# methods


@dataclass(frozen=True)
class Settings:
    """What both methods share, with the defaults of AWAC's comparison."""

    discount: float = 0.99
    policy_lr: float = 3e-4
    policy_weight_decay: float = 1e-4
    normalise_obs: bool = False
    bootstrap_through_terminals: bool = False


@dataclass(frozen=True)
class AWRSettings(Settings):
    """AWR's, with the defaults of its authors' code; Adam and a learned deviation, as in AWAC's comparison."""

    temperature: float = 1.0
    standardise: bool = True
    weight_cap: float | None = 20.0
    td_lambda: float = 0.95
    baseline: bool = True
    scale_values: bool = True
    value_lr: float | None = None
    momentum: float | None = None
    policy_std: float | None = None
    replay_size: int | None = None
    on_policy: bool = False


@dataclass(frozen=True)
class MARWILSettings(Settings):
    """MARWIL's, with RLlib's defaults but for a faster scale and a cap.

    `scale_first` is RLlib's order: c moves before it divides the advantages that it was moved by.
    """

    beta: float = 1.0
    scale_start: float = 100.0
    scale_rate: float = 1e-3
    weight_cap: float | None = 20.0
    scale_first: bool = False


class Plain:
    """One seed: its networks, what it remembers, and the rows and columns of its present stage."""

    def __init__(self, settings: Settings, policy: Policy, value: Network | None, memory: Memory) -> None:
        self.policy, self.value, self.memory = policy, value, memory
        self.through_terminals = settings.bootstrap_through_terminals
        self.shift, self.scale = np.zeros(1), np.ones(1)
        if settings.normalise_obs:  # by the offline rows, as TD3+BC's code
            seen = np.array([e.obs[t] for e, t in Memory(memory.offline, 1).rows()])
            self.shift, self.scale = seen.mean(0), seen.std(0) + 1e-3
        self.rows: list[Row] = []
        self.columns: dict[str, Array] = {}
        self.numbers: dict[bytes, int] = {}  # of the rows, by their actions, which no two share

    def states(self, obs: Array) -> Array:
        """Observations as the networks see them."""
        return (obs - self.shift) / self.scale

    def values(self, obs: Array) -> Array:
        """V, or nothing where there is none."""
        return np.zeros(len(obs)) if self.value is None else self.value(self.states(obs))[:, 0]

    def at(self, positions: Sequence[int]) -> tuple[Array, Array]:
        """Observations, as the networks see them, and actions of some of the rows."""
        chosen = [self.rows[n] for n in positions]
        return self.states(np.array([e.obs[t] for e, t in chosen])), np.array([e.action[t] for e, t in chosen])

    def begin(self, stage: str | None) -> None:
        """Compute what a stage learns from."""
        raise NotImplementedError

    def update(self, stage: str | None, positions: Sequence[int]) -> dict[str, float]:
        """Learn from some of the rows; losses of before."""
        raise NotImplementedError


class PlainAWR(Plain):
    """Algorithm 1 of AWR: line 5 is its stage `value`, line 6 its stage `policy`."""

    def __init__(
        self, settings: AWRSettings, policy: Policy, value: Network | None, memory: Memory, collected: int
    ) -> None:
        super().__init__(settings, policy, value, memory)
        self.cfg = cfg = settings
        self.newest = collected if cfg.on_policy else None
        self.unit = 1 / (1 - cfg.discount) if cfg.scale_values else 1.0  # of V's output
        decay, value_lr = cfg.policy_weight_decay, cfg.value_lr or cfg.policy_lr
        of_value = [] if value is None else value.parameters
        self.value_optimiser: Adam | Momentum = Adam(of_value, value_lr)
        self.policy_optimiser: Adam | Momentum = Adam(policy.parameters, cfg.policy_lr, decay)
        if cfg.momentum is not None:
            self.value_optimiser = Momentum(of_value, value_lr, cfg.momentum)
            self.policy_optimiser = Momentum(policy.parameters, cfg.policy_lr, cfg.momentum, decay)

    def begin(self, stage: str | None) -> None:
        cfg = self.cfg
        self.rows, self.columns = self.memory.rows(self.newest, cfg.replay_size), {}
        if stage is None:  # cloning, from any row
            self.rows = self.memory.rows()
            return

        def value(obs: Array) -> Array:
            return self.unit * self.values(obs)

        trace = cfg.td_lambda
        target = returns(self.rows, value, cfg.discount, trace, self.through_terminals)
        if stage == "value":
            self.columns = {"target": target / self.unit}
            return
        here = value(np.array([e.obs[t] for e, t in self.rows]))
        advantage = target - here if cfg.baseline else target
        self.columns = {"advantage": advantage, "weight": self.weights(advantage)}

    def weights(self, advantage: Array) -> Array:
        """min(exp(A / temperature), cap).

        Without a baseline or a cap they are divided by the largest, as a factor of all is of no meaning.
        """
        cfg = self.cfg
        if cfg.standardise:
            mean = advantage.sum() / len(advantage)
            advantage = (advantage - mean) / (math.sqrt(((advantage - mean) ** 2).sum() / len(advantage)) + 1e-5)
        if not cfg.baseline or cfg.weight_cap is None:
            return np.array([math.exp((a - advantage.max()) / cfg.temperature) for a in advantage])
        largest = 700.0  # of exponents that can be raised to
        return np.array([min(math.exp(min(a / cfg.temperature, largest)), cfg.weight_cap) for a in advantage])

    def update(self, stage: str | None, positions: Sequence[int]) -> dict[str, float]:
        obs, action = self.at(positions)
        if stage == "value":
            assert self.value is not None
            value = self.unit * float(self.value(obs).mean())
            loss, gradients = value_error(self.value, obs, self.columns["target"][positions])
            self.value_optimiser.step(gradients)
            return {"value_loss": loss, "value": value}
        weight = np.ones(len(action)) if stage is None else self.columns["weight"][positions]
        loss, gradients = self.policy.imitation(obs, action, weight)
        self.policy_optimiser.step(gradients)
        if stage is None:
            return {"actor_loss": loss}
        capped = self.cfg.baseline and self.cfg.weight_cap is not None
        at_cap = weight >= (self.cfg.weight_cap or 0.0) * (1 - 1e-6) if capped else np.zeros(1)
        return {
            "actor_loss": loss,
            "advantage": float(self.columns["advantage"][positions].mean()),
            "weight_capped": float(at_cap.mean()),
            "weight_max": float(weight.max() / weight.mean()),
        }


class PlainMARWIL(Plain):
    """MARWIL as in RLlib's code: the losses of V and the policy see the same advantages.

    V learns at beta 0 too, where RLlib's does not and no weight depends on it.
    """

    def __init__(self, settings: MARWILSettings, policy: Policy, value: Network, memory: Memory) -> None:
        super().__init__(settings, policy, value, memory)
        self.cfg = settings
        self.square = settings.scale_start
        self.weight = np.zeros(0)  # of the last update
        self.policy_optimiser = Adam(policy.parameters, settings.policy_lr, settings.policy_weight_decay)
        self.value_optimiser = Adam(value.parameters, settings.policy_lr)

    def begin(self, stage: str | None) -> None:
        self.rows = self.memory.rows()
        target = returns(self.rows, self.values, self.cfg.discount, 1.0, self.through_terminals)
        self.columns = {"target": target}

    def update(self, stage: str | None, positions: Sequence[int]) -> dict[str, float]:
        assert self.value is not None
        cfg, (obs, action), target = self.cfg, self.at(positions), self.columns["target"][positions]
        advantage = target - self.value(obs)[:, 0]
        moved = self.square + cfg.scale_rate * (float((advantage**2).mean()) - self.square)
        c = math.sqrt(moved if cfg.scale_first else self.square)
        weight = np.exp(cfg.beta * advantage / (1e-8 + c))
        if cfg.weight_cap is not None:
            weight = np.minimum(weight, cfg.weight_cap)
        self.weight = weight
        actor_loss, of_policy = self.policy.imitation(obs, action, weight)
        value_loss, of_value = value_error(self.value, obs, target)
        self.policy_optimiser.step(of_policy)
        self.value_optimiser.step(of_value)
        self.square = moved
        return {
            "actor_loss": actor_loss,
            "value_loss": value_loss,
            "advantage": float(advantage.mean()),
            "advantage_scale": c,
            "weight_max": float(weight.max() / weight.mean()),
        }


# comparison


OFFLINE, RING, COLLECTED = 60, 64, 40  # rows; the second collection already runs over the ring's end


class Pair:
    """A learner of several seeds and a plain one for each seed, on the same episodes and the same batches."""

    def __init__(self, name: str, settings: dict[str, Any], common: dict[str, Any], **plain_only: Any) -> None:
        self._made = lambda: made(name, settings, common)
        self.learner = self._made()
        self.plain = [self._plain(name, n, {**settings, **common, **plain_only}) for n in range(len(tiny.SEEDS))]
        self.start = [[p.copy() for p in one.policy.parameters] for one in self.plain]
        self._collected: list[Tensor] = []

    def _plain(self, name: str, seed: int, settings: dict[str, Any]) -> Plain:
        nets: Any = self.learner.nets
        policy = Policy(
            network(nets.policy.mean, seed), array(nets.policy.log_std_logits[seed, 0]), settings.get("policy_std")
        )
        value = network(nets.extra["value"].body, seed) if "value" in nets.extra else None
        memory = Memory(offline_episodes(), RING)
        known = {key: kept for key, kept in settings.items() if key not in SIZES}
        if name == "marwil-rllib":
            assert value is not None
            return PlainMARWIL(MARWILSettings(**known), policy, value, memory)
        return PlainAWR(replace(AWR_ENTRIES[name], **known), policy, value, memory, COLLECTED)

    def collect(self) -> None:
        """Give every seed an iteration's rows of its own; the first time, the online phase begins."""
        new = [collected(seed, len(self._collected)) for seed in tiny.SEEDS]
        rows = torch.stack([packed(part) for part in new])
        assert self.learner.replay is not None
        self.learner.replay.append(rows)
        for one, part in zip(self.plain, new, strict=True):
            one.memory.collected += part
        if not self._collected:
            self.learner.set_phase("online")
        self._collected.append(rows)

    def reload(self) -> None:
        """Go on with a new learner that has read, from bytes, the state of the one before."""
        file = io.BytesIO()
        torch.save(self.learner.state(), file)
        file.seek(0)
        self.learner = self._made()
        assert self.learner.replay is not None
        for rows in self._collected:
            self.learner.replay.append(rows)
        self.learner.load_state(torch.load(file, weights_only=True))

    def update(self, tolerance: float) -> None:
        """One update of both; losses, and what was prepared if a stage begins, must agree."""
        iteration = self.learner.iteration
        stage, done = iteration.now() if iteration.stages else (None, 0)
        stage_name = None if stage is None else stage.name
        batch = self._run_one()
        logged = self.learner.read_metrics()
        for n, one in enumerate(self.plain):
            if not done:
                self._begin(n, stage_name, tolerance)
            losses = one.update(stage_name, [one.numbers[action.tobytes()] for action in array(batch.action[n])])
            for name, loss in losses.items():  # metrics come in single precision
                agree(np.array(logged[name][n]), np.array(loss), max(tolerance, 1e-6), name)

    def _begin(self, seed: int, stage: str | None, tolerance: float) -> None:
        one, iteration = self.plain[seed], self.learner.iteration
        one.begin(stage)
        one.numbers = {e.action[t].tobytes(): number for number, (e, t) in enumerate(one.rows)}
        for name, column in one.columns.items():
            assert iteration.rows == len(column)
            agree(array(iteration.columns[name][seed, : len(column)]), column, tolerance, f"{name} of {stage}")

    def iteration(self, tolerance: float) -> None:
        """Every update of one; parameters must agree at the end of each stage, and so each time others learn."""
        for _ in range(self.learner.iteration.updates // UPDATES or 1):
            for _ in range(UPDATES):
                self.update(tolerance)
            self.agree(tolerance)

    def agree(self, tolerance: float) -> None:
        """Every parameter must be as that of the plain ones."""
        nets: Any = self.learner.nets
        for n, one in enumerate(self.plain):
            agree(array(nets.policy.log_std_logits[n, 0]), one.policy.logits, tolerance, "log_std")
            parts = [(nets.policy.mean, one.policy.mean, "policy")]
            if one.value is not None:
                parts.append((nets.extra["value"].body, one.value, "value"))
            for ours, theirs, name in parts:
                for p, q in zip(network(ours, n).parameters, theirs.parameters, strict=True):
                    agree(p, q, tolerance, name)
            if isinstance(one, PlainMARWIL):
                agree(array(nets.extra["scale"].square[n, 0]), np.array(one.square), tolerance, "scale")

    def moved(self) -> float:
        """How far the least moved seed's policy has come: its largest change of a parameter."""
        return min(
            max(float(np.abs(p - q).max()) for p, q in zip(one.policy.parameters, start, strict=True))
            for one, start in zip(self.plain, self.start, strict=True)
        )

    def _run_one(self) -> Any:
        """What the learner drew for one update."""
        drawn: list[Any] = []
        own = self.learner.draw

        def draw() -> Any:
            drawn.append(own())
            return drawn[-1]

        self.learner.draw = draw  # type: ignore[method-assign]
        try:
            self.learner.run(1)
        finally:
            del self.learner.draw
        ((batch, _),) = drawn
        return batch


UPDATES = 4  # of each stage
SIZES: dict[str, Any] = {"value_updates": UPDATES, "policy_updates": UPDATES, "updates": UPDATES}
AWR_ENTRIES = {  # of the registry, as AWAC and AWR's ablations describe them
    "awr": AWRSettings(),
    "marwil": AWRSettings(td_lambda=1.0),
    "rwr": AWRSettings(on_policy=True, baseline=False, td_lambda=1.0),
}


def offline_episodes() -> list[Episode]:
    """The same for every seed."""
    return episodes(1, OFFLINE)


def collected(seed: int, iteration: int) -> list[Episode]:
    """What a seed collects in an online iteration."""
    return episodes(1000 * seed + iteration, COLLECTED)


def made(name: str, settings: dict[str, Any], common: dict[str, Any]) -> ActorCritic:
    """A learner in the offline phase, whose networks differ clearly between states; of the default precision."""
    config = tiny.objective_and_config(name)[1]
    sizes = {key: updates for key, updates in SIZES.items() if hasattr(config, key)}
    learner = tiny.learner(
        name, settings={**sizes, **settings}, common=common, offline=packed(offline_episodes()), collected=COLLECTED
    )
    assert learner.replay is not None
    assert learner.replay.capacity == RING
    nets: Any = learner.nets
    random = np.random.default_rng(5)
    with torch.no_grad():
        for p in nets.policy.mean.layers[-1].parameters():
            p.mul_(300)
        if settings.get("policy_std") is None:
            logits = nets.policy.log_std_logits
            logits += torch.from_numpy(random.uniform(2, 4, logits.shape)).to(logits)  # deviations about 0.7
    return learner


def packed(parts: Sequence[Episode]) -> Tensor:
    """Rows of a learner's replay, of the default precision."""
    layout = replace(tiny.LAYOUT, columns=("ends",))
    rows = []
    for e in parts:
        obs, action, reward = (torch.from_numpy(x).to(torch.get_default_dtype()) for x in (e.obs, e.action, e.reward))
        ends = torch.zeros_like(reward)
        ends[-1] = 1.0
        rows.append(layout.pack(obs[:-1], action, reward, obs[1:], ends * e.terminated, ends=ends))
    return torch.cat(rows)


def network(mlp: MLP, seed: int) -> Network:
    """A copy of one seed's."""
    layers: list[Any] = list(mlp.layers)
    return Network([array(layer.weight[seed]) for layer in layers], [array(layer.bias[seed, 0]) for layer in layers])


def array(x: Tensor) -> Array:
    """A copy in double precision."""
    return np.array(x.detach().double().numpy(), copy=True)


def agree(ours: Array, theirs: Array, tolerance: float, what: str) -> None:
    """Fail unless both are the same but for `tolerance` of their size."""
    assert ours.shape == theirs.shape, what
    worst, size = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    assert worst <= tolerance * max(1.0, size), f"{what}: apart by {worst} at a size of {size}"
