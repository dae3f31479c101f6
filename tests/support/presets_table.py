"""The table of presets in docs/presets.md, from what the methods declare."""

from __future__ import annotations

import sys

import algos

HEAD = """# Presets

`--preset NAME` takes a method's settings from another source than AWAC's comparison. What is taken is what the source's
run does and a setting can express, with the lengths of its phases. `bench explain ALGO ENV --preset NAME` shows the
values, also those that a source has for one task alone. Profiles shorten the phases, and schedules such as warm starts
keep their share of them. What a source does and no setting expresses stands in the last column.

Of AWAC's authors' scripts, those of AWAC and of ABM have a variant for MuJoCo (`official-mujoco`); those of MPO, BRAC
and Z(s) have none. Theirs of SAC, SAC+BC and BEAR are not presets: what they do is the default here, or a value that
the source of a setting names.

| method | preset | source | cannot |
|---|---|---|---|
"""


def text() -> str:
    """The whole file."""
    rows = []
    for name in algos.names():
        for preset, found in algos.load(name).presets.items():
            rows.append(f"| `{name}` | `{preset}` | {found.source} | {'; '.join(found.limits) or 'nothing known'} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
