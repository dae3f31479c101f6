"""A section of the page: where it stands, what it is called, and what its template shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """One section; `content` holds the variables of its template, `sections/<id>.html`."""

    id: str
    name: str  # in the list of sections
    heading: str
    content: Mapping[str, Any]
