"""Every reader of files that others may have written or damaged, with a sound file of its kind to spoil."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import brought
import numpy as np
import spoiled
import torch
from toy_data import ID, some_episodes, toy

from algos.learner.actors import load_actor
from algos.networks.policies import POLICIES
from algos.networks.policy_file import save_policy
from algos.settings import SettingError
from envs.data import bundle, datasets, formats, minari_store, packed
from envs.errors import DatasetError, MotionError
from envs.motion import clip, library
from suite.plans import read as plans
from suite.record.folders import read_run
from suite.record.rows import RecordError, Row
from suite.record.tidy import read_tidy
from suite.record.writer import RunWriter

Spoil = Callable[[bytes, np.random.Generator, int], Iterator[bytes]]


@dataclass(frozen=True)
class Reader:
    """`make` writes sound files into an empty folder and returns the one to spoil; `read` is given its path."""

    make: Callable[[Path], Path]
    spoil: Spoil
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...]  # what it may say

    def attempts(self, folder: Path, seed: int, count: int) -> Iterator[Exception | None]:
        """What reading raised, for each of about so many spoiled files; None where it could be read."""
        path = self.make(folder)
        sound = path.read_bytes()
        self.read(path)
        for content in self.spoil(sound, np.random.default_rng(seed), count):
            path.write_bytes(content)
            try:
                self.read(path)
                yield None
            except Exception as error:
                yield error


def as_json(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    return spoiled.json_texts(json.loads(sound), rng, count)


FACTS = {
    "algo": "awac",
    "task": "door-binary-v0",
    "seeds": [0, 1],
    "profile": "quick",
    "preset": "paper",
    "name": "quick",
    "hash": "0badc0de",
    "settings": {"temperature": {"value": 0.3, "source": "paper"}, "hidden": {"value": [8, 8], "source": "ours"}},
    "success_rule": "near",
    "horizon": 200,
    "reward_range": [-1, None],
    "offline_only": False,
    "metrics": {"own": "what it is"},
    "dataset": {"asked": None, "id": "a-v0", "fingerprint": "abc", "episodes": 3, "steps": 9},
    "versions": {"torch": "2"},
    "device": {"kind": "cpu", "name": "cpu", "threads": 1},
    "command": ["bench"],
    "revision": None,
    "created": "2026-01-01T00:00:00+00:00",
}


def a_run(name: str, folder: Path) -> Path:
    """A run folder as `bench run` leaves it, without its checksums, so that what is read is looked at."""
    writer = RunWriter(folder / "run")
    writer.create(FACTS)
    writer.append(Row(seed, "offline", -4, 0, "success", 0.5) for seed in (0, 1))
    writer.append(Row(seed, "online", 8, 6, name, 1.0) for seed in (0, 1) for name in ("success", "critic_loss"))
    writer.status(
        {"state": "finished", "phase": "online", "env_step": 8, "update": 6, "message": "", "seconds": {"u": 1.0}}
    )
    path = folder / "run" / "run.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "checksum"}))
    return folder / "run" / name


def listed(path: Path) -> None:
    """Read a run, and use it as the commands do that work on many."""
    from suite.cli.inventory import _run
    from suite.record.mirror import Curve

    run = read_run(path.parent)
    _run(path.parent)
    curves = [Curve(run, seed) for seed in run.seeds]
    assert {curve.settings["algo"] for curve in curves} <= {run.algo}
    assert sum(len(moment.values) for curve in curves for moment in curve.moments()) <= len(run.rows)


def a_policy(folder: Path) -> Path:
    made = POLICIES["gaussian"](1, 3, 2, (4,))
    with torch.no_grad():
        for p in made.parameters():
            p.normal_()
    meta = {
        "family": "gaussian",
        "obs_dim": 3,
        "action_dim": 2,
        "hidden": [4],
        "log_std_range": [-5.0, 2.0],
        "seed": 0,
        "task": "x",
    }
    save_policy(folder / "seed-0.npz", made, 0, meta)
    return folder / "seed-0.npz"


def policy_files(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """The weights of other kinds and shapes, the meta of other shapes, and the bytes."""
    with np.load(io.BytesIO(sound)) as file:
        arrays = dict(file)
    yield from spoiled.members(arrays, rng, count // 3)
    for text in spoiled.json_texts(json.loads(str(arrays["meta"])), rng, count // 3):
        yield spoiled.npz({**arrays, "meta": np.asarray(text.decode("utf-8", "replace"))})
    yield from spoiled.contents(sound, rng, count // 3)


def act(path: Path) -> None:
    actor, _ = load_actor([path])
    assert bool(torch.isfinite(actor(torch.zeros(1, 2, 3)).mode).all())


PLAN = """
title = "A toy"
seeds = { value = 2, source = "ours" }
[set]
offline_updates = { value = 10, source = "here" }
[[grid]]
algos = ["awac", "bc"]
envs = ["door-binary"]
datasets = ["human"]
[grid.set]
"awac.temperature" = { value = 0.25, source = "a paper", always = true }
"""


def a_plan(folder: Path) -> Path:
    (folder / "mine.toml").write_text(PLAN)
    return folder / "mine.toml"


def plan_files(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    yield from (f"title = {text}".encode() for text in spoiled.TEXTS)
    content = plans.tomllib.loads(sound.decode())
    yield from (toml(value).encode("utf-8", "replace") for value in spoiled.values(content, rng, count))
    yield from spoiled.contents(sound, rng, count)


def toml(value: Any) -> str:
    """A TOML file of a table; anything else as it would be written by mistake."""
    return (
        "\n".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items())
        if isinstance(value, dict)
        else str(value)
    )


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return "1979-05-27" if value is None else json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def a_dataset(name: str, folder: Path) -> Path:
    shutil.rmtree(minari_store.folder(ID), ignore_errors=True)
    datasets.store(toy(), ID, some_episodes(), {"made": "by a test"})
    return minari_store.folder(ID) / "data" / name


def load(path: Path) -> None:
    minari_store.local_datasets()
    datasets.load(toy(), ID)


def a_bundle(folder: Path) -> Path:
    a_dataset("", folder)
    bundle.write([ID], folder / "a.zip")
    return folder / "a.zip"


def manifests(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(sound)).read(bundle.MANIFEST))
    yield from spoiled.zips(sound, bundle.MANIFEST, spoiled.json_texts(manifest, rng, count // 2))
    yield from spoiled.contents(sound, rng, count // 2)


def add(path: Path) -> None:
    shutil.rmtree(minari_store.folder(ID), ignore_errors=True)
    bundle.add(path)


def brought_file(write: Callable[..., Path], content: Callable[[], Any], name: str, folder: Path) -> Path:
    return write(folder / name, content())


def bring(path: Path) -> None:
    formats.read(toy(), path)


def npz_files(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    more = {"seeds": np.arange(3), "demonstrations": np.zeros(11), "episode_lengths": np.array(brought.LENGTHS)}
    yield from spoiled.members(brought.columns() | more | {"infos/qpos": np.zeros((11, 2))}, rng, count // 2)
    yield from spoiled.contents(sound, rng, count // 2)


def an_ogbench_file() -> dict[str, Any]:
    """Arrays as OGBench lays them: no rewards, the last row of an episode marked, simulator states beside."""
    flat = brought.columns(successors=False)
    kept = {name: flat[name] for name in ("observations", "actions")}
    return kept | {"terminals": flat["timeouts"], "qpos": np.zeros((11, 2), "f4"), "qvel": np.zeros((11, 2), "f4")}


def ogbench_files(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    yield from spoiled.members(an_ogbench_file() | {"button_states": np.zeros((11, 2))}, rng, count // 2)
    yield from spoiled.contents(sound, rng, count // 2)


def a_packed_copy(name: str, folder: Path) -> Path:
    packed.MIN_STEPS, before = 1, packed.MIN_STEPS
    try:
        a_dataset("", folder)
        datasets.load(toy(), ID)
    finally:
        packed.MIN_STEPS = before
    return minari_store.folder(ID) / packed.FOLDER / name


def a_tidy_file(folder: Path) -> Path:
    path = folder / "theirs.csv"
    path.write_text(
        "algo,env,seed,phase,env_step,update,metric,value,unit\n"
        "theirs,door-binary-v0,0,offline,-5,0,success,50,percent\ntheirs,door-binary-v0,1,online,40,20,return,1e3,\n"
    )
    return path


def csv_files(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Fields replaced by what is no such field, and the bytes."""
    rows = [line.split(",") for line in sound.decode().splitlines()]
    for _ in range(count // 2):
        made = [list(row) for row in rows]
        row = made[rng.integers(len(made))]
        row[rng.integers(len(row))] = str(JUNK_FIELDS[rng.integers(len(JUNK_FIELDS))])
        yield "\n".join(map(",".join, made)).encode("utf-8", "replace") + b"\n"
    yield from spoiled.contents(sound, rng, count // 2)


JUNK_FIELDS = (
    "",
    "x",
    "1.0",
    "1e308",
    "-1e308",
    "1" + "0" * 30,
    "9" * 5000,
    "nan",
    "-inf",
    '"',
    "a,b",
    "1_0",
    "٣",
    "\0",
    " 1",
    "+1",
)

_DATA = (DatasetError,)


def a_clip(folder: Path) -> Path:
    path = folder / "clip.txt"
    shutil.copy(Path(library.__file__).parent / "clips" / "walk.txt", path)
    return path


def follow(path: Path) -> None:
    """Read a clip, and ask for its poses as the task does."""
    found = clip.read(path)
    for time in (0.0, 0.4 * found.duration, found.duration, 2.3 * found.duration):
        assert np.isfinite(found.pose(time)).all()
        assert np.isfinite(found.velocity(time)).all()
        assert 0.0 <= found.phase(time) <= 1.0


READERS: dict[str, Reader] = {
    "run.json": Reader(partial(a_run, "run.json"), as_json, listed, (RecordError,)),
    "status.json": Reader(partial(a_run, "status.json"), as_json, listed, (RecordError,)),
    "metrics.csv": Reader(partial(a_run, "metrics.csv"), csv_files, listed, (RecordError,)),
    "tidy CSV": Reader(a_tidy_file, csv_files, read_tidy, (RecordError,)),
    "policy": Reader(a_policy, policy_files, act, (SettingError,)),
    "plan": Reader(a_plan, plan_files, lambda path: plans.load(str(path)), (SettingError,)),
    "metadata": Reader(partial(a_dataset, "metadata.json"), as_json, load, _DATA),
    "dataset": Reader(partial(a_dataset, "main_data.hdf5"), spoiled.contents, load, _DATA),
    "bundle": Reader(a_bundle, manifests, add, _DATA),
    "clip": Reader(a_clip, as_json, follow, (MotionError,)),
    "npz": Reader(partial(brought_file, brought.npz, brought.columns, "a.npz"), npz_files, bring, _DATA),
    "ogbench": Reader(partial(brought_file, brought.npz, an_ogbench_file, "a.npz"), ogbench_files, bring, _DATA),
    "hdf5": Reader(partial(brought_file, brought.hdf5, brought.columns, "a.hdf5"), spoiled.contents, bring, _DATA),
    "npy": Reader(partial(brought_file, brought.npy, brought.paths, "a.npy"), spoiled.contents, bring, _DATA),
    "pickle": Reader(partial(brought_file, brought.pickled, brought.paths, "a.pkl"), spoiled.contents, bring, _DATA),
    # of a packed copy nothing may be said at all: what it was made from is read then
    "packed about": Reader(partial(a_packed_copy, "about.json"), as_json, load, ()),
    "packed rows": Reader(partial(a_packed_copy, "obs.npy"), spoiled.contents, load, ()),
    "packed table": Reader(partial(a_packed_copy, "episodes.npy"), spoiled.contents, load, ()),
}  # fmt: skip
