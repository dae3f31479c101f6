"""Actions that are decided several at a time and carried out in turn, one each step of the environment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Act", "InTurn"]

# obs [S, n, O], noise [S, n, h A] (None: the mode) -> actions [S, n, h A], h of them side by side
Act = Callable[[NDArray[np.float32], "NDArray[np.float32] | None"], NDArray[np.float32]]


class InTurn:
    """Carries out what `act` decides, `chunk` actions at a time.

    Each lane decides anew when it has carried out its last action, or when an episode begins.
    """

    def __init__(self, act: Act, chunk: int) -> None:
        self.act, self.chunk = act, chunk
        self._chunks = np.zeros((0, 0, 0, 0), np.float32)  # [S, n, h, A]
        self._next = np.zeros((0, 0), np.int64)  # [S, n] number of the action that comes next

    def __call__(
        self, obs: NDArray[np.float32], noise: NDArray[np.float32] | None, begins: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The next action of each lane [S, n, A]; `begins` [S, n] says where an episode begins."""
        if self.chunk == 1:
            return self.act(obs, noise)
        if self._next.shape != begins.shape:
            self._next = np.full(begins.shape, self.chunk)
        decides = begins | (self._next == self.chunk)
        if decides.any():
            decided = self.act(obs, noise).reshape(*begins.shape, self.chunk, -1)
            known = self._chunks if self._chunks.shape == decided.shape else decided
            self._chunks = np.where(decides[..., None, None], decided, known)
            self._next = np.where(decides, 0, self._next)
        action = np.take_along_axis(self._chunks, self._next[..., None, None], axis=2)[:, :, 0]
        self._next = self._next + 1
        return action
