"""One trained policy, to act with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from algos.learner.actors import load_actor
from algos.settings import SettingError
from envs import tasks

__all__ = ["Policy"]


class Policy:
    """The policy of one seed as it was at the end of its run; `meta` is what its file says of it, scores among it."""

    def __init__(self, path: Path) -> None:
        """Load a policy file; raises `SettingError` where it is none or damaged."""
        self._actor, meta = load_actor([path])
        self.path = path
        self.meta: Mapping[str, Any] = meta
        self._discrete = tasks.get(str(meta["task"])).discrete
        self._width = int(meta["obs_dim"])

    def act(self, obs: ArrayLike) -> NDArray[Any]:
        """The policy's mode for observations [O] or [B, O], as the environment gives them.

        Returns actions [A] or [B, A] in [-1, 1]; where a task has choices their numbers, a scalar array or [B], as
        `env.step` takes them. Raises `SettingError` for another shape.
        """
        given = np.asarray(obs, dtype=np.float32)
        if given.ndim not in (1, 2) or given.shape[-1] != self._width:
            raise SettingError(
                f"observations have shape {list(given.shape)}, need [{self._width}] or [B, {self._width}]"
            )
        with torch.no_grad():
            mode = self._actor(torch.from_numpy(np.atleast_2d(given))[None]).mode[0]
            chosen = (mode.argmax(-1) if self._discrete else mode.clamp(-1.0, 1.0)).numpy()
        action: NDArray[Any] = np.asarray(chosen[0] if given.ndim == 1 else chosen)
        return action

    def __repr__(self) -> str:
        return f"Policy({str(self.path)!r})"
