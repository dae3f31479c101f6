"""What runs are carried out with: where they write, on what they compute, what they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suite.train.hardware import Hardware

__all__ = ["Means"]


@dataclass(frozen=True)
class Means:
    """The options of `bench run` beside the request itself; a run folder's name does not depend on them."""

    out: Path = Path("runs")  # folder of the run folders
    hardware: Hardware = field(default_factory=Hardware)
    keep_policies: bool = False  # those of every evaluation, beside the final ones
    command: Sequence[str] | None = None  # to be recorded as what does the same; None: this process's own

    def words(self) -> list[str]:
        """Words of a command line for these means, for a process or a job of its own; unset options are left out."""
        words = ["--out", str(self.out), "--device", self.hardware.device]
        for option, number in (("--threads", self.hardware.threads), ("--workers", self.hardware.workers)):
            words += [] if number is None else [option, str(number)]
        return words + ["--keep-policies"] * self.keep_policies
