"""One cell of a comparison: the settings of the protocol, and an algorithm on a task with everything resolved."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from algos.contract import LearnerConfig, Needs, Objective
from algos.learner.actor_critic import PARTS
from algos.learner.hindsight import Hindsight
from algos.learner.replay import Layout
from algos.settings import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, SettingError, Settings, setting
from envs.task import AnyRecipe, Task
from suite.experiment.preset_file import PresetFile
from suite.experiment.request import Override, Request

__all__ = ["Experiment", "Protocol", "task_of", "without_meaning"]

R = TypeVar("R", bound=AnyRecipe)


@dataclass(frozen=True)
class Protocol(Settings):
    """The experiment: offline updates, then online iterations of collecting and updating, on one calendar."""

    offline_updates: int = setting(
        25_000, "updates before the first environment step", "AWAC Table 2", within=NOT_NEGATIVE
    )
    online_steps: int = setting(
        1_000_000, "environment steps per seed after the switch", "AWAC Table 1: 0.8 to 4 million", within=NOT_NEGATIVE
    )
    steps_per_iteration: int = setting(
        1000, "environment steps per seed between blocks of updates", "AWAC's code", within=AT_LEAST_ONE
    )
    updates_per_step: float = setting(1.0, "updates per environment step", "AWAC Table 2", within=NOT_NEGATIVE)
    action_chunk: int = setting(
        1,
        "actions that the policy decides at once and carries out in turn; the critics rate them together",
        "AWAC: 1; Q-chunking: 5",
        within=AT_LEAST_ONE,
    )
    warmup_steps: int = setting(
        0,
        "environment steps before the first online update, rounded up to whole iterations",
        "AWAC Algorithm 1: none; its code: 1000",
        within=NOT_NEGATIVE,
        schedule="online_steps",
    )
    warmup_actions: Literal["policy", "uniform"] = setting(
        "policy",
        "what acts in the warm-up: samples of the policy, or chance, uniform over the actions",
        "AWAC's code: the policy; TD3's, RLPD's, AlgaeDICE's: uniform",
    )
    buffer_size: int = setting(
        1_000_000,
        "online transitions kept per seed; offline ones are never overwritten",
        "AWAC Table 2",
        within=AT_LEAST_ONE,
    )
    prior_data: bool | Literal["warm"] = setting(
        True,
        "what the offline data are for: all that follows; off: nothing, from scratch; warm: the offline phase alone, "
        "after which the policy collects warmup_steps before the first update",
        "AWAC; off: AWR Table 1; warm: WSRL",
    )
    keep_offline_data: bool = setting(True, "sample offline rows online as well", "AWAC Algorithm 1")
    offline_fraction: float | None = setting(
        None,
        "fixed offline share of each online batch; none: uniform over all rows",
        "AWAC Algorithm 1: uniform",
        within=FRACTION,
    )
    her_future: float = setting(
        0.8,
        "share of sampled rows whose goal becomes one that their episode reached later",
        "rlkit's HER examples; AWAC's pusher scripts: 0.3",
        within=FRACTION,
    )
    her_fresh: float = setting(
        0.0,
        "share of sampled rows whose goal becomes one that the environment gave another row",
        "rlkit's HER examples: none; AWAC's pusher scripts: 0.5",
        within=FRACTION,
    )
    reset_at_switch: tuple[str, ...] = setting(
        (), f"parts started anew at the switch: {', '.join(PARTS)}", "AWAC: none"
    )
    eval_every_offline: int = setting(5000, "updates between offline evaluations", "ours", within=AT_LEAST_ONE)
    eval_every_online: int = setting(
        10_000, "environment steps between online evaluations", "ours", within=AT_LEAST_ONE
    )
    eval_episodes: int = setting(
        20,
        "evaluation episodes per seed, on the same initial states for all",
        "ours; AWAC's code: 5",
        within=AT_LEAST_ONE,
    )
    demonstrations: int = setting(
        25, "demonstrations of the task's default dataset", "AWAC section 6.1", within=NOT_NEGATIVE
    )
    rollouts: int = setting(
        500, "rollouts of the clone in the task's default dataset", "AWAC section 6.1", within=NOT_NEGATIVE
    )
    dataset_steps: int = setting(
        1_000_000,
        "transitions of each policy in datasets called random, medium, expert, ...",
        "D4RL",
        within=AT_LEAST_ONE,
    )
    dataset_seed: int = setting(
        0, "seed of the default dataset, shared by all learner seeds", "ours", within=NOT_NEGATIVE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("online_steps", "eval_every_online"):
            if getattr(self, name) % self.steps_per_iteration:
                near = max(1, round(getattr(self, name) / self.steps_per_iteration)) * self.steps_per_iteration
                raise SettingError(
                    f"{name}={getattr(self, name)} is not a multiple of steps_per_iteration="
                    f"{self.steps_per_iteration}; {near} would be"
                )
        if self.buffer_size < self.steps_per_iteration:
            raise SettingError(
                f"buffer_size={self.buffer_size} holds less than one iteration ({self.steps_per_iteration})"
            )
        if self.her_future + self.her_fresh > 1:
            raise SettingError(f"her_future={self.her_future} and her_fresh={self.her_fresh} are more than all rows")
        if self.offline_fraction is not None and not self.replays_offline_data:
            what = "prior_data=warm" if self.prior_data == "warm" else "keep_offline_data=false"
            raise SettingError(f"offline_fraction contradicts {what}")
        if unknown := set(self.reset_at_switch) - set(PARTS):
            raise SettingError(
                f"reset_at_switch: unknown part {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}"
            )

    @property
    def replays_offline_data(self) -> bool:
        """Whether offline rows, where there are any, are sampled online too."""
        return self.keep_offline_data and self.prior_data != "warm"


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
    overrides: tuple[Override, ...]  # those of the request that apply to this algorithm
    objective: Objective
    cfg: Any
    learner: LearnerConfig
    protocol: Protocol
    sources: Mapping[str, str]  # setting -> where its value came from
    preset_file: PresetFile | None = None  # with what it holds of this algorithm; None: no file, or it holds nothing

    @property
    def needs(self) -> Needs:
        """Needs of the algorithm with these settings; no offline data where the protocol withholds them."""
        needs = self.objective.needs(self.cfg)
        return needs if self.protocol.prior_data else dataclasses.replace(needs, offline_data=False)

    @property
    def hindsight(self) -> Hindsight | None:
        """How goals are exchanged in what is sampled: on tasks with goals, for methods that learn from single rows."""
        goal = self.task.goal
        if goal is None or not self.needs.single_rows:
            return None
        p = self.protocol
        return Hindsight(goal.achieved, goal.desired, goal.reward, p.her_future, p.her_fresh)

    @property
    def layout(self) -> Layout:
        """Columns that a row of the replay, a single step, holds."""
        more = ("steps_left",) if self.hindsight is not None or self.protocol.action_chunk > 1 else ()
        task = self.task
        return Layout(task.obs_dim, task.action_dim, (*self.needs.columns, *more), task.discrete)

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Every setting that has a meaning here: name -> {value, source}."""
        values: dict[str, Any] = {}
        for part in (self.protocol, self.learner, self.cfg):
            values |= {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
        unsaid = without_meaning(self)
        return {
            name: {"value": list(v) if isinstance(v, tuple) else v, "source": self.sources[name]}
            for name, v in values.items()
            if name not in unsaid
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What a run's record says of the experiment itself, whatever its data and its machine."""
        file = self.preset_file
        return {
            "algo": self.algo,
            "task": self.task.id,
            "seeds": list(self.seeds),
            "profile": self.profile,
            "preset": self.preset,
            **({} if file is None else {"preset_file": {"path": file.path, "content": file.content}}),
            "name": self.name,
            "hash": self.hash,
            "settings": self.settings,
            "success_rule": self.task.success_rule,
            "offline_only": self.needs.offline_only,
        }

    @property
    def hash(self) -> str:
        """Hash in the run folder's name: changes with everything that changes results, except the device."""
        values = {name: s["value"] for name, s in self.settings.items()}
        return config_hash(
            {
                "algo": self.algo,
                "task": self.task.id,
                **({"content": self.task.content} if self.task.content else {}),
                "seeds": self.seeds,
                "dataset": self.dataset,
                "settings": values,
            }
        )

    @property
    def request(self) -> Request:
        """Request for this cell alone."""
        return Request(
            algos=(self.algo,),
            tasks=(self.task.id,),
            seeds=self.seeds,
            profile=self.profile,
            preset=self.preset,
            name=self.name,
            dataset=self.dataset,
            overrides=self.overrides,
            preset_file=self.preset_file,
        )

    @property
    def cell(self) -> str:
        """Name of the cell in messages: algo on task."""
        return f"{self.algo} on {self.task.short_name}"


def config_hash(settings: Mapping[str, Any]) -> str:
    """Eight hex digits that name a resolved configuration."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def task_of(experiment: Experiment) -> Task:
    """The task with the dataset sizes the protocol asks for."""
    task, p = experiment.task, experiment.protocol
    sizes: dict[str, Any] = {"demonstrations": p.demonstrations, "rollouts": p.rollouts, "steps": p.dataset_steps}

    def sized(recipe: R) -> R:
        own = {f.name for f in dataclasses.fields(recipe)}
        return dataclasses.replace(recipe, **{name: size for name, size in sizes.items() if name in own})

    recipes = {name: sized(recipe) for name, recipe in task.recipes.items()}
    return dataclasses.replace(task, recipe=sized(task.recipe), recipes=recipes)


def without_meaning(experiment: Experiment) -> dict[str, str]:
    """Settings that mean nothing for this task or method, and why."""
    task = experiment.task
    out = {}
    if not experiment.objective.needs(experiment.cfg).offline_data:
        out["prior_data"] = f"{experiment.algo} never sees prior data"
    if not experiment.needs.chunks:
        out["action_chunk"] = f"{experiment.algo} decides one action at a time"
    if experiment.protocol.prior_data == "warm":
        out["keep_offline_data"] = "prior_data=warm keeps none of the offline data online"
    if task.goal is None:
        out |= dict.fromkeys(("her_future", "her_fresh"), f"{task.id} has no goals to exchange")
    if task.discrete or experiment.needs.policy not in ("gaussian", "squashed"):
        for name in ("log_std_range", "std_start"):
            out[name] = f"policies of {experiment.algo} on {task.id} have no deviation"
    if not experiment.protocol.warmup_steps:
        out["warmup_actions"] = "there is no warm-up without warmup_steps"
    recipes = (task.recipe, *task.recipes.values())
    for name, size in {"demonstrations": "demonstrations", "rollouts": "rollouts", "dataset_steps": "steps"}.items():
        if not any(hasattr(recipe, size) for recipe in recipes):
            out[name] = f"no dataset of {task.id} is counted in {size}"
    return out
