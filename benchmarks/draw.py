"""Cost against packed seeds and against batch size, from the files that `bench speed --out` has left.

    python benchmarks/draw.py [RESULTS_FOLDER]

Draws seeds.svg and batch.svg into the folder. Files of other benchmarks are left out, with a line that says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd  # type: ignore[import-untyped]
import seaborn as sns

RESULTS = Path(__file__).parent / "results"


def load(folder: Path) -> pd.DataFrame:
    """One line per measured row, with the device, threads and mode it was measured in."""
    frames = []
    for file in sorted(folder.glob("*.json")):
        result = json.loads(file.read_text())
        if "rows" not in result:
            print(f"left out: {file.name} is no result of bench speed")
            continue
        frame = pd.DataFrame(result["rows"])
        cuda = result["kind"] == "cuda"
        mode = frame["captured"].map({True: ", graph", False: ", eager" if cuda else ""})
        mode += frame["tf32"].map({True: ", TF32", False: ""})
        threads = "" if cuda else f", {result['threads']} threads"
        frames.append(frame.assign(where=result["device"] + threads + mode))
    if not frames:
        raise SystemExit(f"{folder} holds no result of bench speed: `bench speed --out {folder}/speed.json` makes one")
    return pd.concat(frames, ignore_index=True)


def lines(rows: pd.DataFrame, x: str, fixed: str) -> pd.DataFrame:
    """Rows that differ in `x` alone, named by the rest; a line needs two points."""
    named = rows["algo"] + ", " + rows["env"] + ", " + rows[fixed].map("{:,} ".format) + fixed.replace("_", " ")
    rows = rows.assign(line=named + "\n" + rows["where"])
    rows = rows.drop_duplicates(["line", x])
    return rows[rows.groupby("line")[x].transform("nunique") > 1]


def draw(rows: pd.DataFrame, x: str, label: str, file: Path) -> None:
    """Milliseconds per update of all seeds, updates per second, and the share of the floor beside them."""
    rows = rows.assign(ms=1000 / rows["updates_per_s"], percent=100 * rows["share_of_floor"])
    figure = mpl.figure.Figure(figsize=(10, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    style = {"data": rows, "x": x, "hue": "line", "style": "line", "markers": True, "dashes": False}
    shown = {
        "ms": "ms per update of all seeds",
        "updates_per_s_summed": "updates/s, summed",
        "percent": "% of floor",
    }
    for axes, (y, title) in zip(panels, shown.items(), strict=True):
        sns.lineplot(**style, y=y, ax=axes)
        axes.set(xlabel=label, ylabel=title, ylim=(0, None))
        handles, names = axes.get_legend_handles_labels()
        axes.get_legend().remove()
        axes.set_xscale("log", base=2)
        axes.set_xticks(points := sorted(rows[x].unique()), [f"{p:,}" for p in points])
        axes.minorticks_off()
    figure.legend(handles, names, loc="outside lower center", fontsize="small", frameon=False)
    figure.savefig(file)
    print(f"written: {file}")


def main() -> None:
    """Draw what the folder holds."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    sns.set_theme(style="whitegrid", palette="colorblind")
    rows = load(folder)
    rows = rows[rows["profile"] == "paper"]
    for x, fixed, label, name in (
        ("seeds", "batch_size", "packed seeds", "seeds.svg"),
        ("batch_size", "seeds", "batch size", "batch.svg"),
    ):
        part = lines(rows, x, fixed)
        if len(part):
            draw(part, x, label, folder / name)


if __name__ == "__main__":
    main()
