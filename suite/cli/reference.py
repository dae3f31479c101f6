"""`bench reference`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.cli.options import Device, Threads, Workers, at_least
from suite.cli.tables import AsJson, Wide, print_rows

if TYPE_CHECKING:
    from suite.record.reference import Packed

__all__ = ["reference_app"]

reference_app = typer.Typer(
    help="Results that come with the package: of every algorithm, to compare a new one with.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Only = Annotated[list[str], typer.Option(help="Some of them: algo=awac,sac,env=pen-binary; also profile=quick.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Reference results of your own; default: those of the package.")
]


@reference_app.command("list")
def list_(
    only: Only = [],  # noqa: B006 - typer's way
    folder: Folder = None,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """List the reference results: what was run, with which seeds, and how long it took where."""
    rows = [_row(one) for one in _chosen(only, folder)]
    print_rows(rows if as_json else [_spelt(row) for row in rows], as_json, wide)


@reference_app.command()
def show(only: Only = [], folder: Folder = None, as_json: AsJson = False, wide: Wide = False) -> None:  # noqa: B006
    """Show how results were made: command, data, versions, machine, time, and every setting with its source."""
    rows = [_facts(one) for one in _chosen(only, folder)]
    if as_json:
        print_rows(rows, as_json)
        return
    for row in rows:
        settings = row.pop("settings")
        print_rows([_spelt(row)], as_json)
        for name, setting in settings.items():
            typer.echo(f"  {name} = {setting['value']}    ({setting['source']})")
        typer.echo()


@reference_app.command()
def update(
    runs: Annotated[list[Path], typer.Argument(help="Folders of run folders.")],
    folder: Folder = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Replace those that differ; leave out what has other data or defaults now.")
    ] = False,
) -> None:
    """Pack finished runs as reference results, beside those that are there."""
    from suite.record.reference import SHIPPED
    from suite.reference.update import update as pack

    for file in pack(runs, folder or SHIPPED, anew):
        typer.echo(file)


@reference_app.command()
def check(
    only: Only = [],  # noqa: B006
    cells: Annotated[int, typer.Option(callback=at_least(1), help="How many are drawn at random.")] = 3,
    draw: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("reference-check"),
    folder: Folder = None,
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and the time they took.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run some of the results again on this machine and compare: exit code 1 where one differs."""
    from reports import agreement
    from suite.output import say
    from suite.reference.again import draw as drawn
    from suite.reference.again import run_again
    from suite.train.hardware import Hardware
    from suite.train.means import Means
    from suite.train.progress import duration

    chosen = drawn(_chosen(only, folder), cells, draw)
    say(f"{len(chosen)} runs, which took {duration(sum(one.seconds for one in chosen))} where they were made")
    if dry_run:
        for one in chosen:
            typer.echo(f"{one.command} --out {out}")
        return
    done, code = run_again(chosen, Means(out, Hardware(device, threads, workers)))
    rows = agreement(done) if done else []
    print_rows(rows, as_json)
    raise typer.Exit(code or int(any(row["verdict"] == "differs" for row in rows)))


def _chosen(only: list[str], folder: Path | None) -> list[Packed]:
    """The reference results that `--only` leaves; raises `SettingError` where it leaves none."""
    from algos.settings import SettingError
    from suite.plans.cells import parse_only
    from suite.record.reference import SHIPPED, read

    wanted = parse_only(only, ("algo", "env", "profile")) if only else {}
    found = [one for one in read(folder or SHIPPED) if all(_is(one, key, values) for key, values in wanted.items())]
    if not found:
        raise SettingError(f"--only {','.join(only)}: no reference result is of those; see `bench reference list`")
    return found


def _is(one: Packed, key: str, values: set[str]) -> bool:
    task = one.run.task
    names = {"algo": {one.run.algo}, "env": {task, task.rpartition("-v")[0]}, "profile": {one.profile}}[key]
    return bool(names & values)


def _row(one: Packed) -> dict[str, Any]:
    run = one.run.run
    return {
        "algo": one.run.algo,
        "task": one.run.task,
        "profile": one.profile,
        "seeds": list(one.run.seeds),
        "hash": run["hash"],
        "departures": "; ".join(one.departures) or "-",
        "minutes": round(one.seconds / 60, 1),
        "device": run.get("device", {}).get("name", "-"),
    }


def _spelt(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is printed: seeds as on a command line."""
    return {**row, "seeds": ",".join(map(str, row["seeds"]))}


def _facts(one: Packed) -> dict[str, Any]:
    run, shown = one.run.run, ("preset", "revision", "created", "success_rule")
    return {
        **_row(one),
        "command": one.command,
        "dataset": _pairs(run.get("dataset") or {}),
        "versions": _pairs(run.get("versions") or {}),
        "machine": _pairs(run.get("device") or {}),
        **{name: run.get(name) for name in shown},
        "settings": run["settings"],
    }


def _pairs(content: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in content.items() if value is not None)
