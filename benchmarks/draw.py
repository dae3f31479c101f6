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


def draw(rows: pd.DataFrame, x: str, label: str, file: Path) -> None:
    """Updates of all seeds per second and milliseconds per update, side by side, over `x`."""
    rows = rows.assign(ms=1000 / rows["updates_per_s"], line=rows["algo"] + ", " + rows["where"])
    figure = mpl.figure.Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    style = {"data": rows, "x": x, "hue": "line", "style": "line", "markers": True, "dashes": False}
    sns.lineplot(**style, y="updates_per_s_summed", ax=left)
    sns.lineplot(**style, y="ms", ax=right, legend=False)
    left.set(xlabel=label, ylabel="updates per second, summed over seeds", ylim=(0, None))
    right.set(xlabel=label, ylabel="milliseconds per update of all seeds", ylim=(0, None))
    for axes in (left, right):
        axes.set_xticks(sorted(rows[x].unique()))
    left.legend(title=None, fontsize="small")
    figure.savefig(file)
    print(f"written: {file}")


def main() -> None:
    """Draw what the folder holds; a plot needs two points on its axis."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    sns.set_theme(style="whitegrid", palette="colorblind")
    rows = load(folder)
    table2 = rows[(rows["batch_size"] == 1024) & (rows["profile"] == "paper")]
    five = rows[(rows["seeds"] == 5) & (rows["profile"] == "paper") & (rows["algo"] == "awac")]
    for part, x, label, name in (
        (table2, "seeds", "packed seeds (batch 1,024)", "seeds.svg"),
        (five, "batch_size", "batch size (5 packed seeds)", "batch.svg"),
    ):
        if part[x].nunique() > 1:
            draw(part, x, label, folder / name)


if __name__ == "__main__":
    main()
