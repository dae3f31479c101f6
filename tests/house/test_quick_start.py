"""House rule: what is asked for often starts quickly, without packages that take seconds to import."""

from __future__ import annotations

import subprocess
import sys

import pytest
from house import ROOT

HEAVY = ("torch", "mujoco", "pandas", "matplotlib", "seaborn", "gymnasium", "minari")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("suite.cli", HEAVY),
        ("suite.record.folders", HEAVY),
        ("algos", HEAVY),
        ("algos.settings", HEAVY),
        ("envs.tasks", tuple(name for name in HEAVY if name != "gymnasium")),
    ],
)
def test_a_quick_start_loads_nothing_heavy(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
