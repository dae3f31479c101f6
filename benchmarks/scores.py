"""Scores of every method, from the reference results: scores.md beside this module, the README's tables and picture.

    python benchmarks/scores.py [FOLDER_OF_REFERENCE_RESULTS]

Every number is a mean over seeds with its 95 % interval; nothing of it is written by hand.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from matplotlib.figure import Figure

import reports
from suite.record.claims import claims
from suite.record.metrics import METRICS
from suite.record.reference import SHIPPED, Packed, read
from suite.record.rows import COLUMNS
from suite.record.shapes import by_hand

OUT = Path(__file__).parent / "scores.md"
PICTURE = Path(__file__).parent / "results" / "quick.svg"
README = Path(__file__).parents[1] / "README.md"
BLOCK = ("<!-- {0}: by benchmarks/scores.py -->\n", "<!-- end of {0} -->\n")  # what stands between is written here
HEADLINES = ("success", "normalized_score", "return")  # the first that a task's runs have
SHOWN = (  # in the README
    "pen-binary-v0",
    "door-binary-v0",
    "relocate-binary-v0",
    "sawyer-push-v0",
    "halfcheetah-v5",
    "walker2d-v5",
    "ant-v5",
)
PICTURED = ("door-binary-v0", "relocate-binary-v0", "sawyer-push-v0")
BESIDE = ("bc", "sac")  # AWAC beside them
PAYABLE = 1000  # seeds; more decide nothing in practice
LONGER = claims("awac-fig3-longer")[0].runs("awac").by_hand  # what that suite sets


def main(folder: Path = SHIPPED) -> None:
    """Write them."""
    OUT.write_text(scores(folder), encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    for name, content in blocks(folder).items():
        begin, end = (mark.format(name) for mark in BLOCK)
        before, _, rest = readme.partition(begin)
        readme = before + begin + content + end + rest.partition(end)[2]
    README.write_text(readme, encoding="utf-8")
    picture(folder).savefig(PICTURE, metadata={"Date": None})
    print(f"{OUT}: {len(read(folder))} runs")


def blocks(folder: Path = SHIPPED) -> dict[str, str]:
    """What stands in the README, by the name of its block."""
    return {"scores": short_scores(folder), "claims": short_claims(folder)}


def short_scores(folder: Path = SHIPPED) -> str:
    """AWAC beside cloning and SAC, at the profile's steps and where they went on for longer: a line each."""
    head = "| task | `bc` | `sac` | `awac` at the switch | `awac` at the end | gained online | `awac` - `bc` |"
    packed = read(folder)
    lines = [line for longer in (False, True) for line in _compared(_chosen(packed, longer))]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *lines, ""])


def picture(folder: Path = SHIPPED) -> Figure:
    """Their learning curves, for as long as they went on."""
    packed = read(folder)
    rows = pd.concat([_chosen(packed, longer) for longer in (False, True)])
    rows = rows[rows["env"].isin(PICTURED) & (rows["metric"] == "success")]
    last = rows.groupby(["env", "algo"])["env_step"].transform("max")
    ends = rows.groupby(["env", "algo", "cell"])["env_step"].transform("max")
    kept = rows[ends == last].drop_duplicates(["env", "algo", "seed", "env_step"])
    return reports.curves(kept.rename(columns={"env": "task", "algo": "algorithm", "env_step": "step"}), "success")


def _chosen(packed: list[Packed], longer: bool) -> pd.DataFrame:
    """Scores of AWAC and of those beside it on the tasks shown, as rows of a tidy CSV and with the name of the cell.

    They are the cells of the profile's own steps, or those of `LONGER` with the clones, which take no steps.
    """
    rows = []
    for one in packed:
        task, algo, cell = one.key
        if one.profile != "quick" or task not in SHOWN or algo not in ("awac", *BESIDE):
            continue
        asked = LONGER if longer and algo != "bc" else {}
        if dict(by_hand(one.run.run["settings"])) == asked and one.run.run["preset"] == "paper":
            c = one.run.columns
            values = zip(c.seed, c.phase, c.env_step, c.update, c.metric, c.value, strict=True)
            metric = next(name for name in HEADLINES if name in c.metric)
            rows += [(algo, task, cell, *value) for value in values if value[4] == metric]
    return pd.DataFrame(rows, columns=["algo", "env", "cell", *COLUMNS])


def _compared(rows: pd.DataFrame) -> list[str]:
    """A line for each task on which AWAC was run."""
    return [line for metric in HEADLINES for line in _compared_by(metric, rows[rows["metric"] == metric])]


def _compared_by(metric: str, rows: pd.DataFrame) -> list[str]:
    """The lines of the tasks that are scored by one metric."""
    if rows.empty:
        return []
    with tempfile.TemporaryDirectory() as folder:
        rows.drop(columns="cell").to_csv(file := Path(folder) / "scores.csv", index=False)
        scores, differences = (
            reports.table(name, (), inputs=[file], metric=metric).to_dict("records")
            for name in ("before_after", "differences")
        )
    found = {(r["task"], r["algorithm"]): r for r in scores}
    ahead = {(r["task"], r["x"], r["y"]): r for r in differences}
    lines = []
    for task in [task for task in SHOWN if (task, "awac") in found]:
        awac, bc, sac = (found.get((task, name)) for name in ("awac", *BESIDE))
        assert awac is not None
        pair = ahead[task, "awac", "bc"]
        cells = [
            _mean(bc, "final", metric),
            _mean(sac, "final", metric),
            *(_mean(awac, name, metric) for name in ("switch", "final", "gain")),
            _value(pair["difference"], pair["low"], pair["high"], metric),
        ]
        lines.append(f"| {task.rpartition('-')[0]}, {awac['final_step']:,} steps | {' | '.join(cells)} |")
    return lines


def _mean(row: dict[str, Any] | None, name: str, metric: str) -> str:
    if row is None:
        return "not run"
    return _value(row[f"{name}_mean"], row[f"{name}_t_low"], row[f"{name}_t_high"], metric)


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
    seeds = row["seeds_needed"]
    needed = f" ({seeds} seeds would decide)" if seeds and seeds <= PAYABLE else ""
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
    head = "| method | seeds | at the switch | fall after it | at the end | gained online |\n|---|---|---|---|---|---|"
    return "\n".join([f"### {task}: {metric}\n", f"{METRICS[metric].capitalize()}.\n", head, *lines, ""])


def _line(row: dict[str, Any], online: dict[str, Any] | None, metric: str) -> str:
    switch, final, gain = (
        _value(row[f"{name}_mean"], row[f"{name}_t_low"], row[f"{name}_t_high"], metric)
        for name in ("switch", "final", "gain")
    )
    fall = "" if online is None else _value(online["dip_iqm"], online["dip_iqm_low"], online["dip_iqm_high"], metric)
    final = final if online is not None else "(does not train online)"
    return f"| `{row['algorithm']}` | {row['seeds']} | {switch} | {fall} | {final} | {gain} |"


def _value(mean: float, low: float, high: float, metric: str) -> str:
    digits = 2 if metric == "success" else 0
    return f"{mean:z.{digits}f} [{low:z.{digits}f}, {high:z.{digits}f}]" if pd.notna(mean) else ""


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
