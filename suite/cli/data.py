"""`bench data`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import AsJson, DatasetName, Env, Profile, Threads, Workers, print_rows

__all__ = ["data_app"]

data_app = typer.Typer(
    help="Datasets: build, import, look at, verify, carry, distil experts.", no_args_is_help=True, rich_markup_mode=None
)


@data_app.command()
def build(
    env: Env,
    dataset: Annotated[
        str, typer.Option(help="default, or of locomotion random, medium, medium-replay, ...")
    ] = "default",
    steps: Annotated[int | None, typer.Option(min=1, help="Transitions of each policy; default: the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dataset.")] = 0,
    workers: Workers = None,
) -> None:
    """Build datasets of tasks, where they are not there yet."""
    from suite.cli import data_rows as data

    data.build(env, dataset, steps, seed, workers)


@data_app.command()
def info(
    env: Env, dataset: DatasetName = None, seed: Annotated[int, typer.Option(min=0)] = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """What a task's dataset holds: sizes, successes, fingerprint, how it was made."""
    from suite.cli import data_rows as data

    print_rows(data.info(env, dataset, seed), as_json)


@data_app.command()
def distill(
    env: Annotated[str, typer.Argument(help="A task.")],
    rollouts: Annotated[Path, typer.Option(help="npz with observations, actions and expert_actions.")],
    out: Annotated[Path, typer.Option(help="Policy file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 0,
    updates: Annotated[int, typer.Option(min=1, help="Updates of the training.")] = 15_000,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Train on standardised observations; the policy takes them as they are.")
    ] = False,
) -> None:
    """Distil recorded rollouts of an expert into a small policy that demonstrations can be generated from."""
    from suite.cli import data_rows as data

    print_rows([data.distill(env, rollouts, out, seed, updates, normalise)], False)


@data_app.command()
def adopt(
    env: Annotated[str, typer.Argument(help="A task.")],
    policy: Annotated[Path, typer.Option(help="Policy file of a run, e.g. .../policy/at+120000/seed-0.npz.")],
    out: Annotated[Path, typer.Option(help="Policy file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episodes that it is scored on.")] = 0,
) -> None:
    """Make a small policy that data can be generated from out of one that a run has kept."""
    from suite.cli import data_rows as data

    print_rows([data.adopt(env, policy, out, seed)], False)


@data_app.command()
def worth(
    env: Env, profile: Profile = "quick",
    seeds: Annotated[str, typer.Option(help="Training seeds of the clones.")] = "1",
    episodes: Annotated[int, typer.Option(min=2, help="Episodes per score.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder of the clones' runs.")] = Path("worth"),
    threads: Threads = None, workers: Workers = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The AWAC paper's Table 3: random actions, the expert, clones of the demonstrations and of all data."""
    from suite.cli import data_rows as data

    print_rows(data.worth(env, profile, seeds, episodes, out, threads, workers), as_json)


@data_app.command()
def verify(
    env: Annotated[str, typer.Option(help="A task.")], dataset: DatasetName = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the default dataset.")] = 0,
    episodes: Annotated[
        str, typer.Option(help="How many to replay, spread over the dataset, or all; auto: about 10,000 steps.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Replay a dataset and report where it and the environment disagree; exit code 1: do not train on it."""
    from suite.cli import data_rows as data

    report = data.verify(env, dataset, seed, episodes)
    if as_json:
        checks = [vars(c) for c in report.checks]
        print_rows([{**vars(report), "checks": checks, "verdict": report.verdict}], True)
    else:
        print_rows([vars(c) for c in report.checks], False)
        typer.echo(report.summary)
    raise typer.Exit(int(report.state == "fail"))
