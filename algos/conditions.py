"""Settings that are read only under certain values of others, as `setting(..., only=...)` declares them.

    only={"v_estimator": ("k_mean",)}                           # of these values
    only={"target_noise": POSITIVE}                             # or within an interval
    only={"decay_floor": BELOW_ONE, "weight": POSITIVE}         # all of these at once
    only=({"mode": ("acme",)}, {"weights": ("advantage",)})     # one of these is enough

What such a condition names are other settings of the same class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping
from typing import Any, TypeAlias

__all__ = ["NEVER", "Condition", "Only", "in_words", "read_with", "unread"]

Condition: TypeAlias = Mapping[str, Container[Any]]  # setting -> a tuple of values, or an interval
Only: TypeAlias = Condition | tuple[Condition, ...]
NEVER: Only = ()  # of a setting that the method itself sets in every phase


def unread(cfg: Any) -> dict[str, str]:
    """Settings of a settings object that nothing reads, given the values of the others, and when they are read."""
    conditions = {f.name: f.metadata.get("only") for f in dataclasses.fields(cfg)}
    return {
        name: in_words(only)
        for name, only in conditions.items()
        if only is not None and not any(_holds(cfg, condition) for condition in _alternatives(only))
    }


def read_with(cfg: Any, name: str) -> set[str]:
    """The settings on whose values it depends whether a setting is read."""
    only = next((f.metadata.get("only") for f in dataclasses.fields(cfg) if f.name == name), None)
    return set() if only is None else {other for condition in _alternatives(only) for other in condition}


def in_words(only: Only) -> str:
    """When a setting is read: 'read only with v_estimator=k_mean'."""
    said = [" and ".join(_said(*part) for part in one.items()) for one in _alternatives(only)]
    return f"read only with {', or '.join(said)}" if said else "set by the method itself in every phase"


def _alternatives(only: Only) -> tuple[Condition, ...]:
    return only if isinstance(only, tuple) else (only,)


def _holds(cfg: Any, condition: Condition) -> bool:
    return all(getattr(cfg, other) in values for other, values in condition.items())


def _said(name: str, values: Container[Any]) -> str:
    if not isinstance(values, tuple):
        return f"{name} {values}"
    return f"{name}={' or '.join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)}"
