"""`bench eval`, `video` and `export`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import Workers
from suite.cli.tables import AsJson, Wide, print_rows

policies_app = typer.Typer(rich_markup_mode=None)

Runs = Annotated[
    list[Path] | None,
    typer.Argument(help="Run folders, folders of them, policy files (.npz), or hub:OWNER/NAME; default: runs."),
]
RUNS = [Path("runs")]
Seeds = Annotated[str | None, typer.Option(help="Which seeds, e.g. 0 or 0,2 or 0-4; default: all.")]
At = Annotated[
    str, typer.Option(help="final, all, or the steps of evaluations whose policies were kept, e.g. --at=-5000,0,final.")
]


@policies_app.command("eval")
def eval_(
    runs: Runs = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each policy.")] = 100,
    seeds: Seeds = None,
    at: At = "final",
    sample: Annotated[bool, typer.Option("--sample", help="Sampled actions instead of the policy's mode.")] = False,
    own_states: Annotated[
        bool, typer.Option("--own-states", help="Start where the run's own evaluations did, to repeat them.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV to write for `bench report --input`.")] = None,
    workers: Workers = None,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Score the policies of finished runs once more, in states that chose nothing, with intervals."""
    from suite.policies.hub import at_hand
    from suite.policies.rescore import evaluate

    rows, code = evaluate(at_hand(runs or RUNS), episodes, seeds, at, sample, own_states, out, workers)
    print_rows(rows, as_json, wide)
    raise typer.Exit(code)


@policies_app.command()
def video(
    runs: Runs = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes, one after the other.")] = 3,
    seeds: Annotated[str | None, typer.Option(help="Which seeds, e.g. 0-4; default: the first of every run.")] = None,
    at: At = "final",
    out: Annotated[Path, typer.Option(help="File: .webp, .gif, or .mp4 (extra `video`).")] = Path("video.webp"),
) -> None:
    """Film policies side by side on the same initial states; needs no display."""
    from suite.policies import film
    from suite.policies.hub import at_hand

    code = film.video(at_hand(runs or RUNS), episodes, seeds, at, out)
    typer.echo(out)
    raise typer.Exit(code)


@policies_app.command()
def export(
    runs: Runs = None,
    to: Annotated[
        str, typer.Option(help="onnx (extra `export`), torch (an exported program, .pt2), or hub: runs for --repo.")
    ] = "onnx",
    seeds: Seeds = None,
    at: At = "final",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("exported"),
    repo: Annotated[str | None, typer.Option(help="With --to hub: OWNER/NAME of the repository on the Hub.")] = None,
    private: Annotated[bool, typer.Option("--private", help="With --to hub: a repository for nobody else.")] = False,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Write policies for other programs, compared with the originals, each with a text on how to feed it."""
    from algos.settings import SettingError
    from suite.policies.export import export_all
    from suite.policies.hub import at_hand, push_runs

    if (to == "hub") != (repo is not None):
        raise SettingError("--to hub and --repo OWNER/NAME go together: the Hub's repository that runs are put into")
    if repo is not None:
        if seeds is not None or at != "final":
            raise SettingError("--to hub: runs are shared whole; leave --seeds and --at out")
        rows, code = push_runs(runs or RUNS, repo, private)
        print_rows(rows, as_json, wide)
        raise typer.Exit(code)
    rows, code = export_all(at_hand(runs or RUNS), to, seeds, at, out)
    print_rows(rows, as_json, wide)
    raise typer.Exit(code)
