"""What runs are carried out with: where they write, on what they compute, what they keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from suite.run.hardware import Hardware

__all__ = ["Means"]


@dataclass(frozen=True)
class Means:
    """The options of `bench run` beside the request itself: no part of what names a run."""

    out: Path = Path("runs")  # folder of the run folders
    hardware: Hardware = field(default_factory=Hardware)
    keep_policies: bool = False  # those of every evaluation, beside the final ones

    def words(self) -> list[str]:
        """These means as words of a command line, for a process or a job of its own; what is left open is left out."""
        words = ["--out", str(self.out), "--device", self.hardware.device]
        for option, number in (("--threads", self.hardware.threads), ("--workers", self.hardware.workers)):
            words += [] if number is None else [option, str(number)]
        return words + ["--keep-policies"] * self.keep_policies
