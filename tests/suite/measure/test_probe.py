"""A probe's rate: what was done in the time it took."""

from __future__ import annotations

import types

import pytest
import torch

from suite.measure import probe


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 1), (0.9, 4), (1.0, 4), (1.1, 5)])
def test_a_rate_counts_what_was_done(monkeypatch: pytest.MonkeyPatch, seconds: float, count: int) -> None:
    """On a clock that stands still but for the work: 0.25 s each time, at least once, until the time is over."""
    now, calls = [100.0], []

    def work() -> None:
        calls.append(0)
        now[0] += 0.25

    monkeypatch.setattr(probe, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    assert probe.rate(work, torch.device("cpu"), seconds) == 4.0
    assert len(calls) == count
