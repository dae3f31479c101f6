"""Scores of every method, from the reference results: writes scores.md beside this module, and the README's claims.

    python benchmarks/scores.py [FOLDER_OF_REFERENCE_RESULTS]

Every number is a mean over seeds with its 95 % interval; nothing in the file is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import reports
from suite.record.metrics import METRICS
from suite.record.reference import SHIPPED, Packed, read

OUT = Path(__file__).parent / "scores.md"
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- claims: by benchmarks/scores.py -->\n", "<!-- end of claims -->\n"
HEADLINES = ("success", "normalized_score")  # the first that a task's runs have


def main(folder: Path = SHIPPED) -> None:
    """Write both."""
    OUT.write_text(scores(folder), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + short_claims(folder) + END + rest.partition(END)[2], encoding="utf-8")
    print(f"{OUT}: {len(read(folder))} runs")


def scores(folder: Path = SHIPPED) -> str:
    """The content of scores.md."""
    packed = read(folder)
    profiles = sorted({one.profile for one in packed})
    return "\n".join([_head(packed), *(_profile(folder, packed, profile) for profile in profiles)])


def short_claims(folder: Path = SHIPPED, profile: str = "quick") -> str:
    """The claims of which something was run, for the README: one line each, and how many wait."""
    rows = reports.judged((), folder, profile=profile)
    decided = [row for row in rows if row["verdict"] != "not run"]
    lines = [f"| {row['place']} | {row['says']} | {_verdict(row)} |" for row in decided]
    waiting = len(rows) - len(decided)
    return "\n".join(
        [
            "| place | what the paper says | here |",
            "|---|---|---|",
            *lines,
            "",
            f"{waiting} more lack some of their runs.",
            "",
        ]
    )


def _verdict(row: dict[str, Any]) -> str:
    needed = f" ({row['seeds_needed']} seeds would decide)" if row["seeds_needed"] else ""
    return f"**{row['verdict']}**{needed}"


def _head(packed: list[Packed]) -> str:
    hours = sum(one.seconds for one in packed) / 3600
    machines = sorted({str(one.run.run.get("device", {}).get("name")) for one in packed})
    revisions = sorted({str(one.run.run.get("revision")) for one in packed})
    made, where = f"{len(packed)} runs, {hours:.1f} hours of a core", ", ".join(machines)
    return f"""# Scores of every method

Made by `python benchmarks/scores.py` from the reference results that come with the package: {made} of
{where}, revision {", ".join(revisions)}. `bench reference list` names them, `bench reference check` runs some again,
`bench report --beside reference` draws them.

Means over seeds with 95 % intervals; the fall is the lowest score within the first quarter of the online phase minus
that at the switch (IQM over seeds). Methods are in the order of their scores at the end, which proves no order: the
report has the tests.
"""


def _profile(folder: Path, packed: list[Packed], profile: str) -> str:
    tasks = sorted({one.run.task for one in packed if one.profile == profile})
    metrics = reports.load((), beside=folder).groupby("task")["metric"].unique()
    return "\n".join(
        [f"## Profile {profile}\n", _claims(folder, profile), *(_task(folder, task, metrics[task]) for task in tasks)]
    )


def _claims(folder: Path, profile: str) -> str:
    rows = [row for row in reports.judged((), folder, profile=profile) if row["by"] or row["verdict"] != "not run"]
    lines = [f"| {row['place']} | {row['says']} | **{row['verdict']}** | {row['by']} |" for row in rows]
    return "\n".join(
        [
            "### What the papers say\n",
            "Judged by the rules of `bench claims`; a claim that was not run lacks runs of some of its methods.\n",
            "| place | what the paper says | verdict | by |\n|---|---|---|---|",
            *lines,
            "",
        ]
    )


def _task(folder: Path, task: str, there: Collection[str]) -> str:
    metric = next(name for name in HEADLINES if name in there)
    found, online = (
        reports.table(name, (), metric=metric, tasks=[task], beside=folder).to_dict("records")
        for name in ("before_after", "online")
    )
    falls = {row["algorithm"]: row for row in online}
    found.sort(key=lambda row: -row["final_mean"])
    lines = [_line(row, falls.get(row["algorithm"]), metric) for row in found]
    head = "| method | seeds | at the switch | fall after it | at the end |\n|---|---|---|---|---|"
    return "\n".join([f"### {task}: {metric}\n", f"{METRICS[metric].capitalize()}.\n", head, *lines, ""])


def _line(row: dict[str, Any], online: dict[str, Any] | None, metric: str) -> str:
    switch = _value(row["switch_mean"], row["switch_t_low"], row["switch_t_high"], metric)
    final = _value(row["final_mean"], row["final_t_low"], row["final_t_high"], metric)
    fall = "" if online is None else _value(online["dip_iqm"], online["dip_iqm_low"], online["dip_iqm_high"], metric)
    final = final if online is not None else "(does not train online)"
    return f"| `{row['algorithm']}` | {row['seeds']} | {switch} | {fall} | {final} |"


def _value(mean: float, low: float, high: float, metric: str) -> str:
    digits = 2 if metric == "success" else 0
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" if mean == mean else ""


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
