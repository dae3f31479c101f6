"""TD3 once more, for one seed and in torch's own layers: what the seed-stacked one is compared with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import tiny
import torch
from torch import Tensor, nn

from algos.contract import Batch
from algos.learner.actor_critic import ActorCritic

# (critics' values of the policy's actions [E, B], those actions [B, A], the batch of this seed) -> loss
PolicyLoss = Callable[[Tensor, Tensor, dict[str, Tensor]], Tensor]
Penalty = Callable[[Tensor, dict[str, Tensor]], Tensor]  # (next actions [B, A], batch) -> [B]
COMMON = {"update_order": "post", "policy_weight_decay": 0.0}  # as this one


def minus_first(q: Tensor, action: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return -q[0].mean()


def nothing(action: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return torch.zeros(len(action))


class PlainTD3:
    """One seed of a learner, from that learner's present networks on."""

    def __init__(
        self,
        learner: ActorCritic,
        seed: int,
        delay: int = 2,
        noise: float = 0.2,
        policy_loss: PolicyLoss = minus_first,
        penalty: Penalty = nothing,
    ) -> None:
        nets: Any = learner.nets
        self.seed, self.delay, self.noise = seed, delay, noise
        self.policy_loss, self.penalty, self.updates = policy_loss, penalty, 0
        self.policy = nn.Sequential(tiny.plain(nets.policy.body, seed), nn.Tanh())
        self.critics = nn.ModuleList(tiny.plain(nets.critic.body, seed, e) for e in range(nets.critic.critics))
        self.targets = copy.deepcopy((self.policy, self.critics))
        self.adam = [torch.optim.Adam(part.parameters(), lr=3e-4) for part in (self.policy, self.critics)]

    def update(self, stacked: Batch, draws: Tensor | None) -> None:
        """One update on this seed's rows of a learner's batch."""
        parts = {"obs", "action", "reward", "next_obs", "terminated"}
        batch = {name: getattr(stacked, name)[self.seed] for name in parts}
        batch |= {name: column[self.seed] for name, column in stacked.columns.items()}
        with torch.no_grad():
            ahead = self.targets[0](batch["next_obs"])
            if draws is not None:
                ahead = (ahead + (self.noise * draws[self.seed]).clip(-0.5, 0.5)).clip(-1, 1)
            next_q = values(self.targets[1], batch["next_obs"], ahead).min(0).values - self.penalty(ahead, batch)
            target = batch["reward"] + 0.99 * (1 - batch["terminated"]) * next_q
        q = values(self.critics, batch["obs"], batch["action"])
        self._descend(1, sum(nn.functional.mse_loss(each, target) for each in q))
        if self.updates % self.delay == 0:
            action = self.policy(batch["obs"])
            self._descend(0, self.policy_loss(values(self.critics, batch["obs"], action), action, batch))
            for online, target_net in zip((self.policy, self.critics), self.targets, strict=True):
                for p, slow in zip(online.parameters(), target_net.parameters(), strict=True):
                    slow.data.mul_(1 - 0.005).add_(0.005 * p.data)
        self.updates += 1

    def _descend(self, part: int, loss: Any) -> None:
        self.adam[part].zero_grad()
        loss.backward()
        self.adam[part].step()


def values(critics: nn.ModuleList, obs: Tensor, action: Tensor) -> Tensor:
    return torch.stack([critic(torch.cat((obs, action), 1))[:, 0] for critic in critics])


def difference(learner: ActorCritic, plain: Callable[[int], PlainTD3], updates: int) -> float:
    """Largest difference between what networks and targets put out after `updates` on the same draws."""
    ones = [plain(seed) for seed in range(len(learner.seeds))]
    for _ in range(updates):
        batch, noise = learner.draw()
        learner.learn(batch, noise)
        for one in ones:
            one.update(batch, noise.next_action)
    batch, _ = learner.draw()
    return max(_apart(learner.nets, one, batch) for one in ones)


@torch.no_grad()
def _apart(nets: Any, one: PlainTD3, batch: Batch) -> float:
    obs, action = batch.obs[one.seed], batch.action[one.seed]
    ours = [nets.policy(batch.obs).mode, nets.target_policy(batch.obs).mode]
    ours += [nets.q(batch.obs, batch.action), nets.target_q(batch.obs, batch.action)]
    theirs = [one.policy(obs), one.targets[0](obs)]
    theirs += [values(critics, obs, action) for critics in (one.critics, one.targets[1])]
    return max(float((a[one.seed] - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
