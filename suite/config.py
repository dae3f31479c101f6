"""From what the user typed to one resolved experiment: every setting's value, and where it came from.

Layers, later ones win: the field's default, the task's facts, the registry entry, the preset, the profile, what the
profile sets for this task alone and for this entry alone, `--set`. A preset says what a method does, a profile how much
of it a machine can bear: so sizes of the profile stand over those of the preset.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import algos
from algos.core import LearnerConfig, Needs, Objective
from algos.hindsight import Hindsight
from algos.replay import Layout
from algos.settings import SettingError, describe, nearest, parse, setting
from envs import tasks
from envs.tasks import Task
from suite.presets import PAPER, chosen
from suite.record import config_hash

__all__ = [
    "PROFILES", "Experiment", "Protocol", "own_overrides", "parse_list", "parse_seeds", "resolve", "setting_owners",
    "unused",
]  # fmt: skip

C = TypeVar("C")


@dataclass(frozen=True)
class Protocol:
    """The experiment: offline updates, then online iterations of collecting and updating, on one calendar."""

    offline_updates: int = setting(25_000, "updates before the first environment step", "AWAC Table 2")
    online_steps: int = setting(
        1_000_000, "environment steps per seed after the switch", "AWAC Figure 4: 0.8 to 4 million"
    )
    steps_per_iteration: int = setting(1000, "environment steps per seed between blocks of updates", "AWAC's code")
    updates_per_step: float = setting(1.0, "updates per environment step", "AWAC Table 2")
    warmup_steps: int = setting(
        0, "environment steps before the first online update", "AWAC Algorithm 1: none; its code: 1000"
    )
    buffer_size: int = setting(
        1_000_000, "online transitions kept per seed; offline ones are never overwritten", "AWAC Table 2"
    )
    keep_offline_data: bool = setting(True, "sample offline rows online as well", "AWAC Algorithm 1")
    offline_fraction: float | None = setting(
        None, "fixed offline share of each online batch; none: uniform over all rows", "AWAC Algorithm 1: uniform"
    )
    her_future: float = setting(
        0.8,
        "share of sampled rows whose goal becomes one that their episode reached later",
        "rlkit's HER examples; AWAC's is not published",
    )
    reset_at_switch: tuple[str, ...] = setting(
        (), "parts started anew at the switch: networks, targets, optimisers, duals", "AWAC: none"
    )
    eval_every_offline: int = setting(5000, "updates between offline evaluations", "ours")
    eval_every_online: int = setting(10_000, "environment steps between online evaluations", "ours")
    eval_episodes: int = setting(
        20, "evaluation episodes per seed, on the same initial states for all", "ours; AWAC's code: 5"
    )
    demonstrations: int = setting(25, "demonstrations of the task's default dataset", "AWAC section 5")
    rollouts: int = setting(500, "rollouts of the clone in the task's default dataset", "AWAC section 5")
    dataset_steps: int = setting(
        1_000_000, "transitions of each policy in datasets called random, medium, expert, ...", "D4RL"
    )
    dataset_seed: int = setting(0, "seed of the default dataset, shared by all learner seeds", "ours")

    def __post_init__(self) -> None:
        for name in (
            "steps_per_iteration",
            "eval_every_offline",
            "eval_every_online",
            "eval_episodes",
            "buffer_size",
            "dataset_steps",
        ):
            if getattr(self, name) < 1:
                raise SettingError(f"{name}={getattr(self, name)}: must be at least 1")
        for name in (
            "offline_updates",
            "online_steps",
            "warmup_steps",
            "updates_per_step",
            "demonstrations",
            "rollouts",
        ):
            if getattr(self, name) < 0:
                raise SettingError(f"{name}={getattr(self, name)}: must not be negative")
        for name in ("online_steps", "eval_every_online"):
            if getattr(self, name) % self.steps_per_iteration:
                near = max(1, round(getattr(self, name) / self.steps_per_iteration)) * self.steps_per_iteration
                raise SettingError(
                    f"{name}={getattr(self, name)} is not a multiple of steps_per_iteration="
                    f"{self.steps_per_iteration}; {near} would be"
                )
        if not math.isfinite(self.updates_per_step):
            raise SettingError(f"updates_per_step={self.updates_per_step}: must be finite")
        if self.buffer_size < self.steps_per_iteration:
            raise SettingError(
                f"buffer_size={self.buffer_size} holds less than one iteration ({self.steps_per_iteration})"
            )
        if self.offline_fraction is not None:
            if not 0 <= self.offline_fraction <= 1:
                raise SettingError(f"offline_fraction={self.offline_fraction}: must be in [0, 1], or none")
            if not self.keep_offline_data:
                raise SettingError("offline_fraction contradicts keep_offline_data=false")
        if not 0 <= self.her_future <= 1:
            raise SettingError(f"her_future={self.her_future}: must be in [0, 1]")
        if unknown := set(self.reset_at_switch) - {"networks", "targets", "optimisers", "duals"}:
            raise SettingError(f"reset_at_switch: unknown part {', '.join(sorted(unknown))}; "
                               "parts are networks, targets, optimisers, duals")  # fmt: skip


# A profile changes sizes and rates, never semantics.
PROFILES: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "hidden": (256, 256),
        "batch_size": 256,
        # far fewer updates than the paper's: the targets follow faster, or Q would still be falling when the run ends
        "tau": 0.01,
        "offline_updates": 5000,
        "online_steps": 20_000,
        "updates_per_step": 0.5,
        "eval_every_offline": 2500,
        "eval_every_online": 5000,
        "eval_episodes": 20,
        "dataset_steps": 100_000,
    },
    "smoke": {
        "hidden": (16, 16),
        "batch_size": 16,
        "offline_updates": 20,
        "online_steps": 120,
        "steps_per_iteration": 40,
        "warmup_steps": 0,
        "eval_every_offline": 10,
        "eval_every_online": 40,
        "eval_episodes": 2,
        "demonstrations": 1,
        "rollouts": 4,
        "dataset_steps": 400,
    },
}


@dataclass(frozen=True)
class Experiment:
    """One cell: an algorithm on a task with its seeds, all settings resolved."""

    algo: str
    task: Task
    seeds: tuple[int, ...]
    profile: str
    preset: str
    name: str
    dataset: str | None  # as the user named it; None: the task's default, or none where the algorithm sees none
    objective: Objective
    cfg: Any
    learner: LearnerConfig
    protocol: Protocol
    sources: Mapping[str, str]  # setting -> where its value came from

    @property
    def needs(self) -> Needs:
        """What the algorithm, so set, asks for."""
        return self.objective.needs(self.cfg)

    @property
    def hindsight(self) -> Hindsight | None:
        """How goals are exchanged in what is sampled: on tasks with goals, for methods that learn from single rows."""
        goal = self.task.goal
        if goal is None or not self.needs.single_rows:
            return None
        return Hindsight(goal.achieved, goal.desired, goal.reward, self.protocol.her_future)

    @property
    def layout(self) -> Layout:
        """What a row of the replay holds."""
        more = () if self.hindsight is None else ("steps_left",)
        task = self.task
        return Layout(task.obs_dim, task.action_dim, (*self.needs.columns, *more), task.discrete)

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Every setting that says something here: name -> {value, source}."""
        values: dict[str, Any] = {}
        for part in (self.protocol, self.learner, self.cfg):
            values |= {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
        return {
            name: {"value": list(v) if isinstance(v, tuple) else v, "source": self.sources[name]}
            for name, v in values.items()
            if name not in _without_meaning(self)
        }

    @property
    def hash(self) -> str:
        """What the run folder is called by: changes with anything that changes results, devices aside."""
        values = {name: s["value"] for name, s in self.settings.items()}
        return config_hash({
            "algo": self.algo, "task": self.task.id, "seeds": self.seeds, "dataset": self.dataset, "settings": values,
        })  # fmt: skip

    @property
    def cell(self) -> str:
        """For messages: algo on task."""
        return f"{self.algo} on {self.task.short_name}"


def parse_list(text: str) -> list[str]:
    """'awac, sac' -> ['awac', 'sac'], without repeats."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def parse_seeds(text: str) -> tuple[int, ...]:
    """'5' -> 0..4; '3,7,9' -> those; '4-6' -> 4, 5, 6."""
    try:
        if text.strip().isdigit():
            seeds = list(range(int(text)))
        else:
            seeds = []
            for part in parse_list(text):
                first, dash, last = part.partition("-")
                seeds += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        raise SettingError(f"--seeds {text}: give a count (5), a list (3,7,9) or a range (4-6)") from None
    if not seeds or len(set(seeds)) != len(seeds):
        raise SettingError(f"--seeds {text}: names {'no seed' if not seeds else 'a seed twice'}")
    return tuple(seeds)


def setting_owners(objective: Objective) -> dict[str, type[Any]]:
    """Setting name -> the class that declares it, for one algorithm."""
    out: dict[str, type[Any]] = {}
    for config in (Protocol, LearnerConfig, objective.Config):
        for name in describe(config):
            if name in out:
                raise SettingError(f"algorithm {objective.name!r} declares {name!r}, which {out[name].__name__} has")
            out[name] = config
    return out


def resolve(
    algo: str, env: str, seeds: Sequence[int], profile: str = "quick", overrides: Iterable[str] = (),
    name: str | None = None, dataset: str | None = None, preset: str = PAPER,
) -> Experiment:  # fmt: skip
    """Lay defaults, task, registry entry, preset, profile and `--set` over each other.

    An algorithm without this preset keeps its defaults where others have it, so that lists can share one.
    Raises `SettingError` or `UnknownTaskError` naming the nearest right word, or the contradiction.
    """
    task = tasks.get(env)
    objective = algos.load(algo)
    if profile not in PROFILES:
        raise SettingError(f"unknown profile {profile!r}; {nearest(profile, PROFILES)}")
    owners = setting_owners(objective)
    entry = algos.get(algo)
    moved = chosen(objective, preset, owners)
    preset = PAPER if moved is None else preset
    module = entry.module.rpartition(".")[2]
    values: dict[str, Any] = {}
    sources = {
        n: f"default: {source}" if (source := describe(owner)[n][1]) else "default" for n, owner in owners.items()
    }

    def lay(layer: Mapping[str, Any], source: str) -> None:
        for key, value in layer.items():
            prefix, _, short = key.rpartition(".")
            if prefix in ("", algo, module) and short in owners:
                values[short] = value
                sources[short] = source

    lay(task.settings, f"task {task.id}")
    lay({**objective.settings, **entry.protocol}, f"registry entry {algo}")
    if moved is not None:
        lay(moved.settings, f"preset {preset}: {moved.source}")
        lay(task.presets.get(preset, {}), f"preset {preset} on {task.id}: {moved.source}")
    lay(PROFILES[profile], f"profile {profile}")
    lay(task.profiles.get(profile, {}), f"profile {profile} of {task.id}")
    lay(entry.profiles.get(profile, {}), f"profile {profile} of {algo}")
    lay(_overrides(overrides, algo, module, owners), "--set")

    def build(config: type[C]) -> C:
        return config(**{n: v for n, v in values.items() if owners[n] is config})

    if name and Path(name).name != name:
        raise SettingError(f"--name {name}: it begins the name of a folder and cannot hold a path")
    experiment = Experiment(
        algo, task, tuple(seeds), profile, preset, name or (profile if preset == PAPER else f"{profile}-{preset}"),
        dataset, objective,
        build(objective.Config), build(LearnerConfig), build(Protocol), sources,
    )  # fmt: skip
    experiment = _with_own_updates(experiment)
    _check(experiment)
    return experiment if experiment.needs.offline_data else dataclasses.replace(experiment, dataset=None)


def _with_own_updates(experiment: Experiment) -> Experiment:
    """An algorithm whose iterations have stages says itself how many updates belong to one."""
    objective, protocol = experiment.objective, experiment.protocol
    cfg, steps = objective.on_phase(experiment.cfg, "online"), protocol.steps_per_iteration
    stages = objective.stages(cfg, "online", steps, experiment.learner)
    if not stages:
        return experiment
    total = sum(stage.updates for stage in stages)
    parts = " + ".join(f"{stage.updates} {stage.name}" for stage in stages)
    return dataclasses.replace(
        experiment, protocol=dataclasses.replace(protocol, updates_per_step=total / steps),
        sources={**experiment.sources, "updates_per_step": f"stages of {experiment.algo}: {parts}"},
    )  # fmt: skip


def _overrides(texts: Iterable[str], algo: str, module: str, owners: Mapping[str, type[Any]]) -> dict[str, Any]:
    """`name=value` or `algo.name=value`; an unknown name is an error unless another algorithm has it."""
    out: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        prefix, _, short = key.strip().rpartition(".")
        if not equals:
            raise SettingError(f"--set {text}: write name=value")
        if prefix:
            algos.get(prefix)
            if prefix not in (algo, module):
                continue
        if short in owners:
            out[short] = parse(owners[short], short, value)
        elif prefix or not _elsewhere(short):
            raise SettingError(f"unknown setting {short!r} of {algo}; {nearest(short, owners)}")
    return out


def _elsewhere(name: str) -> bool:
    """Whether any registered algorithm has a setting of this name, so that lists of algorithms can share `--set`."""
    return any(name in describe(algos.load(other).Config) for other in algos.names())


def own_overrides(experiment: Experiment, overrides: Sequence[str]) -> list[str]:
    """Those of the `--set` texts that say something to this experiment, for a command that runs it alone."""
    module = algos.get(experiment.algo).module.rpartition(".")[2]
    owners = setting_owners(experiment.objective)
    return [text for text in overrides if _overrides([text], experiment.algo, module, owners)]


def unused(
    experiments: Sequence[Experiment], overrides: Sequence[str], dataset: str | None = None, preset: str = PAPER
) -> list[str]:
    """Messages about `--set`, `--dataset` and `--preset` where they say nothing to some; an error if to all."""
    texts = {f"--set {text}": text.partition("=")[0].strip().rpartition(".")[2] for text in overrides}
    messages = []
    for text, key in texts.items():
        using = [e for e in experiments if e.sources.get(key) == "--set"]
        if not using:
            told = [
                f"; it follows from the {s}" for e in experiments if (s := e.sources.get(key, "")).startswith("stages")
            ]
            raise SettingError(f"{text}: none of the chosen algorithms uses {key!r}{''.join(told[:1])}")
        messages += _applies_to(text, using, experiments)
    if dataset is not None:
        using = [e for e in experiments if e.dataset is not None]
        if not using:
            raise SettingError(f"--dataset {dataset}: {experiments[0].algo} never sees offline data")
        messages += _applies_to("--dataset", using, experiments)
    return messages + _without_preset(experiments, preset)


def _without_preset(experiments: Sequence[Experiment], preset: str) -> list[str]:
    having = list(dict.fromkeys(e.algo for e in experiments if e.preset == preset))
    lacking = list(dict.fromkeys(e.algo for e in experiments if e.preset != preset))
    several = len(lacking) > 1
    if lacking and not having:
        names = f"{', '.join(lacking)} {'have' if several else 'has'} none"
        raise SettingError(f"preset {preset}: {names}; `bench list presets` shows who does")
    keep = "keep their defaults" if several else "keeps its defaults"
    return [f"preset {preset}: {', '.join(having)} only; {', '.join(lacking)} {keep}"] if lacking else []


def _applies_to(text: str, using: Sequence[Experiment], experiments: Sequence[Experiment]) -> list[str]:
    used = list(dict.fromkeys(e.algo for e in using))
    return [f"{text} applies to {', '.join(used)} only"] if len(used) < len({e.algo for e in experiments}) else []


def _check_actions(experiment: Experiment) -> None:
    """Raises `SettingError` where the task's actions are choices and a loss differentiates through actions."""
    task, algo = experiment.task, experiment.algo
    if not task.discrete or experiment.needs.actions == "any":
        return
    able = [name for name in algos.names() if algos.load(name).default_needs.actions == "any"]
    others = f"{', '.join(name for name in able if name != algo)} can"
    mend = f"with its own settings {algo} does without" if algo in able else others
    raise SettingError(
        f"{algo}{' so set' if algo in able else ''} needs continuous actions and {task.short_name} has "
        f"{task.action_dim} choices; {mend}"
    )


def _without_meaning(experiment: Experiment) -> dict[str, str]:
    """Settings that say nothing about this task, and why."""
    task = experiment.task
    out = {}
    if task.goal is None:
        out["her_future"] = f"{task.id} has no goals to exchange"
    recipes = (task.recipe, *task.recipes.values())
    for name, size in {"demonstrations": "demonstrations", "rollouts": "rollouts", "dataset_steps": "steps"}.items():
        if not any(hasattr(recipe, size) for recipe in recipes):
            out[name] = f"no dataset of {task.id} is counted in {size}"
    return out


def _check(experiment: Experiment) -> None:
    """Contradictions between parts that no single part can see."""
    for name, why in _without_meaning(experiment).items():
        if experiment.sources[name] == "--set":
            raise SettingError(f"--set {name}: {why}")
    protocol, horizon = experiment.protocol, experiment.task.horizon
    steps = protocol.steps_per_iteration
    _check_actions(experiment)
    if steps > horizon and steps % horizon:
        near = max(1, round(steps / horizon)) * horizon
        raise SettingError(
            f"steps_per_iteration={steps} is not a multiple of the horizon of {experiment.task.id} ({horizon}): "
            f"collection takes whole episodes; {near} would be right"
        )
    if not experiment.needs.offline_data and protocol.offline_fraction is not None:
        raise SettingError(f"offline_fraction contradicts {experiment.algo}, which never sees offline data")
