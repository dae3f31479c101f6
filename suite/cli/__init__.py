"""The command line: parse, call, print. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from suite.cli import data_files  # noqa: F401 - adds its commands to `bench data`
from suite.cli.data import data_app
from suite.cli.options import (
    Algo,
    AsJson,
    DatasetName,
    Device,
    DryRun,
    Env,
    Jobs,
    KeepPolicies,
    Name,
    Out,
    Preset,
    Profile,
    Seeds,
    Set,
    Slurm,
    Threads,
    Workers,
    print_rows,
)  # fmt: skip
from suite.cli.plans import suite_app
from suite.cli.policies import policies_app

app = typer.Typer(
    help="Which algorithm makes best use of prior data and then keeps improving online?",
    no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
app.add_typer(policies_app)  # nameless: its commands are ours
app.add_typer(data_app, name="data")
app.add_typer(suite_app, name="suite")
new_app = typer.Typer(help="Packages of your own: algorithms, tasks.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(new_app, name="new")


@app.command()
def run(
    context: typer.Context, algo: Algo = "", env: Env = "", seeds: Seeds = "3", profile: Profile = "quick",
    preset: Preset = "paper",
    set_: Set = [],  # noqa: B006 - typer's way
    out: Out = Path("runs"), name: Name = None, dataset: DatasetName = None, device: Device = "auto",
    threads: Threads = None, workers: Workers = None, jobs: Jobs = None, dry_run: DryRun = False,
    keep_policies: KeepPolicies = False, slurm: Slurm = [],  # noqa: B006
    like: Annotated[
        Path | None,
        typer.Option(help="A run folder: do what it did, whatever the defaults are now. --seeds, --set: in part."),
    ] = None,
) -> None:  # fmt: skip
    """Train algorithms on tasks, offline then online, and record the scores. The same command resumes."""
    from suite.launch import run as runs

    if like is not None:
        from suite.experiment.again import repeat

        given = {n for n in context.params if (s := context.get_parameter_source(n)) and s.name == "COMMANDLINE"}
        again = repeat(like, given)
        algo, env, profile, preset, dataset = again.algo, again.env, again.profile, again.preset, again.dataset
        seeds, name = (seeds if "seeds" in given else again.seeds), name or again.name
        set_, threads = [*again.overrides, *set_], threads or again.threads
    elif not (algo and env):
        _fail("name what to train, e.g. --algo awac --env pen-binary, or a run folder to repeat: --like FOLDER")
    raise typer.Exit(runs.run(
        algo=algo, env=env, seeds=seeds, profile=profile, preset=preset, overrides=set_, out=out, name=name,
        dataset=dataset, device=device, threads=threads, workers=workers, jobs=jobs, dry_run=dry_run,
        keep_policies=keep_policies, slurm_options=slurm,
    ))  # fmt: skip


@app.command()
def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the report into.")] = Path("report"),
    suite: Annotated[
        str | None, typer.Option(help="Only the runs of a suite, beside the paper's numbers; `bench suite list`.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="With --suite: the profile it was run with; default: quick.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Two folders of runs, before and after a change: the difference of each cell."),
    ] = None,
    input_: Annotated[list[Path], typer.Option("--input", help="Results from elsewhere, a tidy CSV. Repeatable.")] = [],  # noqa: B006
    metric: Annotated[
        str | None,
        typer.Option(help="Headline: success, success_any, return, normalized_score; default: what all have."),
    ] = None,
    dip_window: Annotated[
        int | None,
        typer.Option(help="Steps after the switch in which the dip is looked for; default: a quarter of the phase."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score whose first reaching is timed; default: half of solved.")
    ] = None,
) -> None:
    """Draw curves, tables and one page from run folders."""
    from reports import build, build_comparison
    from suite.output import say

    if profile is not None and suite is None:
        _fail("--profile says at which sizes a --suite was run: name one, or leave it out")
    if compare is not None:
        if runs or suite or input_ or dip_window is not None or threshold is not None:
            _fail("--compare takes two folders of runs, --metric and --out, nothing else")
        typer.echo(build_comparison(*compare, out, metric, say=say))
        return
    chosen = None
    if suite is not None:
        from suite.cli.report import suite_of

        chosen = suite_of(suite, profile or "quick")
    roots = runs or [Path("runs")]
    typer.echo(build(roots, out, input_, metric, suite=chosen, window=dip_window, threshold=threshold, say=say))


@app.command()
def mirror(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs.")] = None,
    to: Annotated[str, typer.Option(help="tensorboard or wandb (the extras of these names).")] = "tensorboard",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("mirror"),
    project: Annotated[str, typer.Option(help="Project at Weights & Biases.")] = "awac-bench",
    every: Annotated[
        float | None, typer.Option(min=1.0, help="Look again every so many seconds, until all runs have finished.")
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Copy run records to TensorBoard or Weights & Biases; a second call copies only what is new."""
    from suite.record.mirror import mirror as pass_on

    print_rows(pass_on(runs or [Path("runs")], to, out, project, every), as_json)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="algos, envs, datasets, presets, profiles, runs or suites.")] = "",
    out: Out = Path("runs"), as_json: AsJson = False,
) -> None:  # fmt: skip
    """List what there is."""
    from suite.cli.listing import listing

    print_rows(listing(what, out), as_json)


@app.command()
def explain(
    algo: Annotated[str, typer.Argument(help="An algorithm.")],
    env: Annotated[str, typer.Argument(help="A task.")],
    profile: Profile = "paper", preset: Preset = "paper", set_: Set = [], as_json: AsJson = False,  # noqa: B006
) -> None:  # fmt: skip
    """Print every setting of an algorithm on a task: value, allowed values, meaning, where the value comes from."""
    from suite.cli.listing import explain as explained

    print_rows(explained(algo, env, profile, preset, set_), as_json)


@app.command()
def speed(
    algo: Algo = "awac", env: Env = "relocate-binary", profile: Profile = "paper",
    packs: Annotated[str, typer.Option(help="Numbers of seeds trained at once, e.g. 1,3,5.")] = "1,3,5",
    set_: Set = [],  # noqa: B006
    device: Device = "auto", threads: Threads = None, workers: Workers = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of update and floor; the medians are shown.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a turn.")] = 2.0,
    eager: Annotated[bool, typer.Option("--eager", help="On CUDA, launch kernels one by one, no graph.")] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, with device and versions.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Measure updates, environment steps and the whole protocol per second, beside the arithmetic floor."""
    from suite.measure.speed import speed as measured
    from suite.measure.speed import table

    rows = measured(algo, env, profile, packs, set_, device, threads, workers, rounds, seconds, eager, out)
    print_rows(rows if as_json else table(rows), as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation; exit code 1 when something is broken."""
    from suite.measure.doctor import examine

    checks = examine()
    print_rows([vars(c) for c in checks], as_json)
    raise typer.Exit(int(any(c.state == "fail" for c in checks)))


@new_app.command("algorithm")
def new_algorithm(
    name: Annotated[str, typer.Argument(help="Of the algorithm and of the folder that is written, e.g. my-method.")],
) -> None:
    """Write a package that adds an algorithm, with a working objective and its tests, into ./NAME."""
    from suite.new import write as new

    for path in new.algorithm(name, Path()):
        typer.echo(path)
    typer.echo(f"next: pip install -e {name}, then bench run --algo {name} --env pen-binary --profile smoke", err=True)


@new_app.command("task")
def new_task(
    name: Annotated[str, typer.Argument(help="Of the task and of the folder that is written, e.g. my-task.")],
) -> None:
    """Write a package that adds a task, with a working environment and its tests, into ./NAME."""
    from suite.new import write as new

    for path in new.task(name, Path()):
        typer.echo(path)
    typer.echo(f"next: pip install -e {name}, then bench run --algo bc --env {name} --profile smoke", err=True)


def _fail(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"bench: {message}\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: an error that the user can fix is one line and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """What the command ends with where the error was written for the user; None for all others."""
    from algos.settings import SettingError
    from suite.record.folders import RecordError

    if isinstance(error, (SettingError, RecordError)):
        return 2
    from envs.errors import EnvsError  # which loads gymnasium

    return error.exit_code if isinstance(error, EnvsError) else None
