"""What a `bench` command line answers, in the tests that call one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    code: int
    out: str
    err: str


Bench = Callable[..., Said]
