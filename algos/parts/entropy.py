"""The entropy temperature of soft actor-critics: a fixed number, or a dual variable per seed (Haarnoja et al. 2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from algos.contract import Metrics, Step, row_mean
from algos.networks.nets import Nets
from algos.networks.policies import Builder
from algos.settings import SettingError

__all__ = ["LogAlpha", "alpha", "alpha_loss", "alpha_modules", "check_alpha"]

Alpha = Literal["auto"] | float


class LogAlpha(nn.Module):
    """Logarithm of the temperature per seed [S], starting at alpha = 1."""

    def __init__(self, seeds: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(seeds, 1))

    def forward(self) -> Tensor:
        return self.value[:, 0]


def check_alpha(setting: Alpha, target_entropy: float | None) -> None:
    """Refuse a target entropy beside a fixed temperature, which aims at none."""
    if target_entropy is not None and setting != "auto":
        raise SettingError("target_entropy contradicts a fixed alpha: only alpha=auto aims at it")


def alpha_modules(setting: Alpha) -> dict[str, Builder]:
    """Builder of the dual variable, by name, where the temperature is tuned; else nothing."""
    return {"log_alpha": lambda seeds, *sizes: LogAlpha(seeds)} if setting == "auto" else {}


def alpha(setting: Alpha, nets: Nets, like: Tensor) -> Tensor:
    """The current temperature, without gradient: [S, 1], to weigh per-row values."""
    if setting == "auto":
        value: Tensor = nets.extra["log_alpha"]().detach().exp()[:, None]
        return value
    return torch.full_like(like[:, :1], setting)


def alpha_loss(
    setting: Alpha, target_entropy: float | None, nets: Nets, step: Step
) -> tuple[dict[str, Tensor], Metrics]:
    """Loss -log alpha (log pi + target entropy): raises alpha while the policy's entropy is below the target; [S]."""
    if setting != "auto":
        return {}, {}
    _, log_prob = step.sampled
    target = -float(step.batch.action.shape[-1]) if target_entropy is None else target_entropy
    loss = -nets.extra["log_alpha"]() * row_mean(log_prob.detach() + target)
    return {"log_alpha": loss}, {"temperature_loss": loss.detach()}
