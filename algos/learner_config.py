"""Settings of the learner that all methods share: networks, batches, step sizes, targets, and how updates are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, POSITIVE, Interval, SettingError, Settings, setting

__all__ = ["LearnerConfig"]


@dataclass(frozen=True)
class LearnerConfig(Settings):
    """Settings of the shared actor-critic, the same for every algorithm of a comparison."""

    hidden: tuple[int, ...] = setting(
        (256, 256, 256, 256), "hidden layers of policy and critics", "AWAC Table 2", within=AT_LEAST_ONE
    )
    activation: Literal["relu", "tanh"] = setting(
        "relu", "what follows each hidden layer, of every network", "AWAC Table 2"
    )
    batch_size: int = setting(1024, "rows per update", "AWAC Table 2; its code pretrains with 128", within=AT_LEAST_ONE)
    discount: float = setting(0.99, "discount per step", "AWAC Table 2", within=Interval(0, 1, "[)"))
    policy_lr: float = setting(3e-4, "Adam step size of the policy", "AWAC Table 2", within=POSITIVE)
    critic_lr: float = setting(3e-4, "Adam step size of the critics", "AWAC Table 2", within=POSITIVE)
    policy_weight_decay: float = setting(
        1e-4, "L2 on all policy parameters", "AWAC Table 2; L2 inside Adam as in its code", within=NOT_NEGATIVE
    )
    tau: float = setting(5e-3, "Polyak rate of the target critics", "AWAC Table 2", within=Interval(0, 1, "(]"))
    q_bound: Literal["target", "output", "none"] = setting(
        "target",
        "where Q is kept below the largest possible return: in the bootstrap target, at the critics' output, nowhere",
        "AWAC A.3 clamps Q at 0 without saying where; at the output, rows above it would get no gradient",
    )
    update_order: Literal["pre", "post"] = setting(
        "pre",
        "whether the policy's loss sees the critics before or after this update's step",
        "AWAC's code: before, which also saves a pass; Algorithm 1 lists the critic first",
    )
    bootstrap_through_terminals: bool = setting(
        False, "ignore terminations in the target", "AWAC's hand scripts: true; no hand task terminates here"
    )
    normalise_obs: bool = setting(
        False,
        "standardise observations by the offline data's mean and deviation, frozen; the policy's file holds them",
        "AWAC and its code: as they are; TD3+BC eq. 4 and all of CORL: standardised",
    )
    log_std_range: tuple[float, ...] | None = setting(
        None,
        "least and largest log-deviation of policies and behaviour models; none: their family's",
        "AWAC's code: -6 to 0, SAC's: -20 to 2",
        within=FINITE,
    )
    std_start: float | None = setting(
        None,
        "standard deviation that they start with; none: their family's",
        "AWAC's code: 0.05, SAC's: about 1",
        within=POSITIVE,
    )
    copy_targets: bool = setting(True, "target critics start as copies", "ours: AWAC's code starts them at random")
    tf32: bool = setting(False, "allow TF32 matrix products on CUDA", "ours: exact by default")
    compile: bool | Literal["auto"] = setting(
        "auto",
        "compile updates: quicker on small networks, other rounding; auto: on a CPU that has a C++ compiler, in runs "
        "that are long enough to gain by it",
        "ours",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hidden:
            raise SettingError("hidden=(): give at least one positive layer width")
        if self.log_std_range is not None:
            if len(self.log_std_range) != 2 or self.log_std_range[0] >= self.log_std_range[1]:
                raise SettingError(f"log_std_range={self.log_std_range}: give the least and the largest, e.g. -5,2")
            low, high = self.log_std_range
            if self.std_start is not None and not low < math.log(self.std_start) < high:
                raise SettingError(
                    f"std_start={self.std_start} is not inside log_std_range, exp({low:g}) to exp({high:g})"
                )
        elif self.std_start is not None and self.std_start >= 1.0:
            raise SettingError(f"std_start={self.std_start} needs a log_std_range that it lies in, e.g. -5,2")
