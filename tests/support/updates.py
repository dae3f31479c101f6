"""Something done after an update of a learner, by the update's number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from algos.learner.actor_critic import ActorCritic

__all__ = ["followed_by"]


def followed_by(do: Callable[[ActorCritic, int], None]) -> Callable[..., None]:
    """`ActorCritic.update` with `do(learner, number)` after it; the host counts updates only when a block is over."""
    real = ActorCritic.update
    last: WeakKeyDictionary[ActorCritic, int] = WeakKeyDictionary()  # number of a learner's last update

    def update(self: ActorCritic, *arguments: Any) -> None:
        real(self, *arguments)
        last[self] = max(last.get(self, 0), self.updates) + 1
        do(self, last[self])

    return update
