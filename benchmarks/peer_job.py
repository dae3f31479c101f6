"""What the two ends of `peers.py` tell each other: a side's job, its piece of work, what it takes; needs only numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CHECKOUTS", "D3RLPY", "PACKAGES", "Job", "Work", "transitions"]

D3RLPY = {"awac": "AWACConfig", "sac": "SACConfig", "bc": "BCConfig"}
CHECKOUTS = {  # peers that are not installed: the file that is used
    "corl": Path("algorithms/offline/awac.py"),
    "cleanrl": Path("cleanrl/sac_continuous_action.py"),
    "leanrl": Path("leanrl/sac_continuous_action_torchcompile.py"),
    "torchrl": Path("sota-implementations/offline_to_online/train.py"),
    "jax-corl": Path("algos/awac.py"),
}
PACKAGES = {  # whose versions a side's speed depends on
    "ours": ("awac-bench", "torch"),
    "d3rlpy": ("d3rlpy", "torch"),
    "corl": ("torch",),
    "cleanrl": ("gymnasium", "tyro", "torch"),
    "leanrl": ("gymnasium", "tyro", "tqdm", "tensordict", "torchrl", "torch"),
    "torchrl": ("torchrl", "tensordict", "gymnasium", "torch"),
    "jax-corl": ("jax", "jaxlib", "flax", "optax", "distrax", "omegaconf", "pydantic"),
    "floor": ("torch",),
}


@dataclass(frozen=True)
class Job:
    """What a side is to measure."""

    data: dict[str, Any]  # obs [episodes, steps, O], action [.., A], reward [..]
    hidden: tuple[int, ...]
    batch: int
    threads: int
    algo: str
    seeds: int  # packed; of ours
    eager: bool  # whether ours leaves its updates uncompiled
    act: bool  # whether ours chooses an action per update, as a script's loop does
    checkout: Path  # of a peer that is not installed


class Work(NamedTuple):
    """A piece of work: one update, one matrix product, or as many updates as a peer makes in one go."""

    once: Callable[[], object]
    gflop: float | None = None  # of one update, or of the product
    updates: int = 1  # in one go


def transitions(job: Job) -> dict[str, Any]:
    """The episodes as rows obs, action, reward, next_obs; no row crosses from one episode to the next."""
    parts = {name: values[:, :-1] for name, values in job.data.items()} | {"next_obs": job.data["obs"][:, 1:]}
    return {name: values.reshape(-1, *values.shape[2:]) for name, values in parts.items()}
