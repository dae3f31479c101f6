"""A process that dies, as by SIGKILL, at one of its calls to the system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def killed_at(step: int, write: Callable[[Path, str], None], place: Path, calls: Iterable[tuple[Any, str]]) -> bool:
    """Write "new" in a process that dies before call number `step` of these (owner, name); whether it came so far."""
    child = os.fork()
    if child == 0:
        made = 0

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                nonlocal made
                made += 1
                if made == step:
                    os._exit(9)
                return real(*arguments, **named)

            return call

        for owner, name in calls:
            setattr(owner, name, dying(getattr(owner, name)))
        write(place, "new")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
