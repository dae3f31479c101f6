"""`bench data`: datasets built, looked at, verified; files imported, converted, carried; experts made; clips."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli.options import DatasetName, Env, Profile, Threads, Workers
from suite.cli.tables import AsJson, Wide, print_rows

if TYPE_CHECKING:
    from envs.task import Task

__all__ = ["data_app"]

data_app = typer.Typer(
    help="Datasets: build, import, look at, verify, carry, distil experts; clips of motion.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TaskOf = Annotated[str, typer.Option(help="The task that the data are of, e.g. door-binary.")]
Format = Annotated[str | None, typer.Option(help="d4rl, npz, awac-npy or dapg; default: what the content says.")]
Demos = Annotated[
    str | None,
    typer.Option(help="Which episodes are demonstrations: all, none, or the first so many; default: as the file says."),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Steps after which episodes were cut off, where the file does not mark it."),
]


@data_app.command()
def build(
    env: Env,
    dataset: Annotated[
        str, typer.Option(help="default, or of locomotion random, medium, medium-replay, ...")
    ] = "default",
    steps: Annotated[int | None, typer.Option(min=1, help="Transitions of each policy; default: the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dataset.")] = 0,
    profile: Profile = "quick",
    workers: Workers = None,
) -> None:
    """Build datasets of tasks, where they are not there yet."""
    from envs import tasks
    from suite.experiment.request import parse_list
    from suite.experiment.resolve import sized
    from suite.output import about, show
    from suite.recipes.build import build_several
    from suite.train.hardware import Hardware

    chosen = [sized(tasks.get(name), profile) for name in parse_list(env)]
    wanted = [(task, name) for task in chosen for name in parse_list(dataset)]
    for info in build_several(wanted, steps, seed, Hardware(workers=workers).worker_count(), about):
        show(f"{info.id}  {info.episodes} episodes, {info.steps} steps, fingerprint {info.fingerprint}")


@data_app.command()
def info(
    env: Env,
    dataset: DatasetName = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    profile: Profile = "quick",
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Show what a task's dataset holds: sizes, successes, fingerprint, how it was made."""
    from envs import tasks
    from envs.data import datasets

    task = tasks.get(env)
    print_rows([vars(datasets.describe(task, _stored_id(task, dataset, seed, profile)))], as_json, wide)


def _stored_id(task: Task, dataset: str | None, seed: int, profile: str) -> str:
    """Id of a dataset in the store, of those that this suite builds at the sizes of a profile."""
    from suite.experiment.profiles import QUICK
    from suite.experiment.resolve import sized
    from suite.recipes.build import stored_id

    return stored_id(sized(task, profile), dataset, seed, "" if profile == QUICK else f" --profile {profile}")


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
    from envs import tasks
    from suite.output import say
    from suite.recipes import experts

    made = experts.distill(tasks.get(env), rollouts, out, updates, seed, normalise=normalise, progress=say)
    print_rows([made], False)


@data_app.command()
def clone(
    env: Annotated[str, typer.Argument(help="A task.")],
    out: Annotated[Path, typer.Option(help="Policy file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Dataset seed of the demonstrations.")] = 0,
    candidates: Annotated[int, typer.Option(min=1, help="Trainings, of which the median by score is kept.")] = 5,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes over which each is scored.")] = 100,
    profile: Profile = "quick",
) -> None:
    """Clone a task's demonstrations into the policy by which the rest of its default dataset is played."""
    from envs import tasks
    from suite.experiment.resolve import sized
    from suite.output import say
    from suite.recipes import experts

    task = sized(tasks.get(env), profile)
    print_rows([experts.clone_of(task, out, seed, candidates=candidates, episodes=episodes, progress=say)], False)


@data_app.command()
def adopt(
    env: Annotated[str, typer.Argument(help="A task.")],
    policy: Annotated[Path, typer.Option(help="Policy file of a run, e.g. .../policy/at+120000/seed-0.npz.")],
    out: Annotated[Path, typer.Option(help="Policy file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episodes that it is scored on.")] = 0,
) -> None:
    """Make a small policy that data can be generated from out of one that a run has kept."""
    from envs import tasks
    from suite.recipes import experts

    print_rows([experts.adopt(tasks.get(env), policy, out, seed=seed)], False)


@data_app.command()
def worth(
    env: Env,
    profile: Profile = "quick",
    seeds: Annotated[str, typer.Option(help="Training seeds of the clones.")] = "1",
    episodes: Annotated[int, typer.Option(min=2, help="Episodes per score.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder of the clones' runs.")] = Path("worth"),
    threads: Threads = None,
    workers: Workers = None,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Score random actions, the expert, clones of the demonstrations and of all data: the AWAC paper's Table 3."""
    from envs import tasks
    from suite.experiment.request import parse_list, parse_seeds
    from suite.measure.worth import table
    from suite.output import say
    from suite.train.hardware import Hardware

    chosen = [tasks.get(name) for name in parse_list(env)]
    rows = table(chosen, profile, parse_seeds(seeds), episodes, out, Hardware("auto", threads, workers), say)
    print_rows(rows, as_json, wide)


@data_app.command()
def verify(
    env: Annotated[str, typer.Option(help="A task.")],
    dataset: DatasetName = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the default dataset.")] = 0,
    episodes: Annotated[
        str, typer.Option(help="How many to replay, spread over the dataset, or all; auto: about 10,000 steps.")
    ] = "auto",
    profile: Profile = "quick",
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Replay a dataset and report where it and the environment disagree.

    Exit code 1: do not train on it. 3: nothing could be replayed, so it was not checked.
    """
    from envs import tasks, verify
    from suite.output import about

    task, count = tasks.get(env), _episodes(episodes)
    report = verify.verify(task, _stored_id(task, dataset, seed, profile), count, about(task))
    checks = [vars(c) for c in report.checks]
    if as_json:
        print_rows([{**vars(report), "checks": checks, "verdict": report.verdict}], True)
    else:
        print_rows(checks, False, wide)
        typer.echo(report.summary)
    raise typer.Exit({"fail": 1, "unchecked": 3}.get(report.state, 0))


def _episodes(text: str) -> int | None:
    """Read how many episodes to replay: None leaves it to the check, and `all` is more than any dataset has."""
    from algos.settings import SettingError

    if text not in ("auto", "all") and (not text.isdecimal() or int(text) < 1):
        raise SettingError(f"--episodes {text}: give auto, all, or a number from 1 on")
    return None if text == "auto" else sys.maxsize if text == "all" else int(text)


@data_app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="FILE_OR_NAME", help="A file, or e.g. d4rl/door-human-v1.")],
    env: TaskOf,
    as_: Annotated[str | None, typer.Option("--as", help="Id of the dataset; default: imported/TASK/FILE-v0.")] = None,
    format: Format = None,
    demos: Demos = None,
    limit: Limit = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network; also BENCH_OFFLINE=1.")] = False,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Bring a file into the Minari store: D4RL's HDF5, npz, AWAC's npy, DAPG's pickle; nothing in it is executed."""
    import shlex

    from envs import tasks
    from envs.data.imports import import_data
    from suite.output import say

    command = shlex.join(["bench", *sys.argv[1:]])
    done = import_data(
        tasks.get(env), source, as_, format=format, demos=demos, limit=limit, offline=offline, command=command, say=say
    )
    for note in done.notes:
        say(note)
    say(f"{done.info.id} is {'stored' if done.new else 'there already'}")
    print_rows([vars(done.info)], as_json, wide)


@data_app.command("import-motion")
def import_motion(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A clip in DeepMimic's text format.")],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of the clip; default: that of its file.")
    ] = None,
    touching: Annotated[
        str, typer.Option(help="What may touch the ground: feet, or limbs, such as hands and knees of one who crawls.")
    ] = "feet",
) -> None:
    """Bring a clip of motion, which the task humanoid-imitate-NAME follows from then on."""
    from envs.catalogue.imitation import task_of
    from envs.motion import library
    from suite.output import say

    motion, new, left = library.add(source, as_, touching)
    if left:
        say(f"{source}: {', '.join(left)} has no effect here")
    clip = motion.clip
    say(f"{motion.name} is {'stored' if new else 'there already'}: bench run --env {task_of(motion.name).short_name}")
    facts = {
        "clip": motion.name,
        "task": task_of(motion.name).id,
        "frames": len(clip.times),
        "seconds": round(clip.duration, 3),
        "loops": "yes" if clip.loops else "no",
        "may touch the ground": motion.touching,
        "fingerprint": motion.fingerprint,
    }
    print_rows([facts], False)


@data_app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A dataset in the store, or a file with --env.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="A new .hdf5 (D4RL's layout) or .npz.")],
    env: Annotated[str | None, typer.Option(help="The task that the data are of.")] = None,
    format: Format = None,
    demos: Demos = None,
    limit: Limit = None,
) -> None:
    """Write a dataset as a file for other programs."""
    from envs import tasks
    from envs.data import datasets, formats, imports, stored
    from envs.data.formats.write import write
    from envs.errors import DatasetError
    from suite.output import say, show

    path = Path(source)
    if path.exists():
        if env is None:
            raise DatasetError(f"{source}: --env says which task a file is of")
        task = tasks.get(env)
        found = imports.Source(path, path.name, format or formats.detect(path), demos, limit)
        episodes, notes = imports.episodes_of(task, found)
        for note in notes:
            say(note)
    else:
        task = tasks.get(env or stored.task_of(source))
        episodes = datasets.load_episodes(task, source, infos=True)
    write(task, episodes, target)
    show(str(target))


@data_app.command()
def bundle(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Datasets in the store.")],
    out: Annotated[Path, typer.Option(help="Zip to write.")],
) -> None:
    """Put datasets into one zip with checksums, to carry to a machine without a network."""
    from envs.data import bundle
    from suite.output import show

    size = bundle.write(ids, out)
    show(f"{out}  {size / 1e6:.1f} MB")


@data_app.command()
def add(path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `bench data bundle` wrote.")]) -> None:
    """Store the datasets of a bundle, once everything in it has been checked."""
    from envs.data import bundle
    from suite.output import show

    for dataset_id, new in bundle.add(path).items():
        show(f"{dataset_id}  {'stored' if new else 'there already'}")


@data_app.command()
def push(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="A dataset in the store.")],
    owner: Annotated[str, typer.Option(help="Whose it is on the Hub: a user or an organisation.")],
    private: Annotated[bool, typer.Option("--private", help="A repository for nobody else.")] = False,
) -> None:
    """Put a dataset on the Hugging Face Hub, where Minari finds it below MINARI_REMOTE=hf://OWNER."""
    from envs.data import hub
    from suite.output import say, show

    show(hub.push_dataset(dataset, owner, private))
    say(f"elsewhere: MINARI_REMOTE=hf://{owner} bench run --dataset {dataset} ...")
