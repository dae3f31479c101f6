"""Tables of facts, each under a name: a line `<!-- facts: methods -->` of a written page is replaced by one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from method_page import Method, methods, title
from scores import Score, leaders
from texts import code, linked, plain, table

import algos
from algos.contract import LearnerConfig, Needs, Objective
from algos.settings import describe, spell
from envs.task import (
    DEFAULT,
    AnyRecipe,
    DemoRecipe,
    GivenData,
    MazeRecipe,
    MixRecipe,
    NavigateRecipe,
    NoiseRecipe,
    PlayRecipe,
    Task,
)
from envs.tasks import TASKS
from suite.experiment.experiment import Protocol
from suite.experiment.profiles import PROFILES
from suite.plans import read as plans
from suite.record.claims import claims
from suite.record.metrics import METRICS, SCORE_UNITS
from suite.record.papers import Printed, printed

__all__ = ["FACTS", "MARK"]

MARK = re.compile(r"^<!-- facts: ([a-z-]+) -->$", re.M)


def _entries() -> Iterator[tuple[Method, str, Objective]]:
    for method in methods():
        for name in method.entries:
            yield method, name, algos.load(name)


def _methods(scores: list[Score]) -> str:
    """Every entry: what it is, and what its loss asks for."""
    scored = {score.algo for score in scores}
    rows = [
        (
            f"[`{name}`](methods/{method.name}.md)",
            plain(method.entries[name].summary),
            _learns(objective.default_needs),
            "any" if objective.default_needs.actions == "any" else "continuous",
            _networks(objective),
            "yes" if name in scored else "",
        )
        for method, name, objective in _entries()
    ]
    return table(("name", "what it is", "learns", "actions", "networks beside the policy", "reference"), sorted(rows))


def _learns(needs: Needs) -> str:
    if not needs.offline_data:
        return "online, without prior data"
    if needs.offline_only:
        return "offline alone"
    when = "offline, then online" if needs.offline_phase else "online, prior data in its batches"
    return f"{when}; needs demonstrations" if needs.demos else when


def _networks(objective: Objective) -> str:
    needs = objective.default_needs
    critics = f"{needs.critics} critic{'s' * (needs.critics != 1)}" if needs.critics else ""
    return ", ".join(part for part in (critics, *needs.modules) if part)


def _suites(scores: list[Score]) -> str:
    loaded = [plans.load(name) for name in plans.names()]
    judged = {claim.suite for claim in claims()}
    return table(
        ("suite", "place", "what is compared there", "entries", "claims"),
        (
            (
                code(plan.name),
                plain(plan.place),
                plain(plan.title),
                ", ".join(map(code, dict.fromkeys(entry.algo for entry in plan.entries))),
                "yes" if plan.name in judged else "",
            )
            for plan in loaded
        ),
    )


def _printed(scores: list[Score]) -> str:
    """Whose numbers the papers print, by task; of published data one line for all that have the same methods."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in printed():
        task = one.task + (f" ({one.dataset})" if one.dataset else "")
        where = (one.dataset if "/" in one.dataset else task, f"{one.paper} {one.place}", _as_printed(one))
        found.setdefault(where, []).append(one.what)
    together: dict[tuple[str, str, str], list[str]] = {}
    for (task, place, metric), methods_ in found.items():
        together.setdefault((place, metric, ", ".join(map(code, dict.fromkeys(methods_)))), []).append(task)
    rows = [(_few_names(tasks), place, metric, methods_) for (place, metric, methods_), tasks in together.items()]
    return table(("task or data", "place", "score", "printed of"), sorted(rows))


def _few_names(names: Sequence[str]) -> str:
    """Names in a line; those that differ in the number of the task alone as one."""
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(re.sub(r"-task\d-v0$", "", name), []).append(name)
    return ", ".join(own[0] if len(own) == 1 else f"{stem} ({len(own)} tasks)" for stem, own in stems.items())


def _as_printed(one: Printed) -> str:
    return f"regret of {one.metric}" if one.at == "regret" else one.metric


def _tasks(scores: list[Score]) -> str:
    return table(
        ("task", "what it is", "observation", "action", "steps", "scored by", "its own data", "others by name"),
        (_task(own) for own in _families()),
    )


def _families() -> list[list[Task]]:
    """Tasks, those that differ in their option `number` alone together."""
    found: dict[object, list[Task]] = {}
    for task in TASKS.values():
        own = tuple((name, str(value)) for name, value in task.options.items() if name != "number")
        found.setdefault((task.entry_point, own) if "number" in task.options else task.id, []).append(task)
    return list(found.values())


def _task(own: list[Task]) -> tuple[str, ...]:
    task, more = own[0], len(own) - 1
    name = code(task.id) + (f" to {code(own[-1].id.removeprefix(_common(own)))}" if more else "")
    action = f"{task.action_dim} choices" if task.discrete else str(task.action_dim)
    others = ", ".join(map(code, [*task.recipes, *task.remote]))
    success = plain(_subtasks(task) or task.success_rule) or ("return, 0 to 100" if task.anchors else "return")
    return (
        name,
        plain(task.summary) + (f"; {more} more goals" if more else ""),
        str(task.obs_dim),
        action,
        str(task.horizon),
        success,
        _data(task.recipe) if DEFAULT in task.datasets or task.given else "none",
        others,
    )


def _subtasks(task: Task) -> str:
    """How a task of subtasks is scored; "" for any other."""
    return f"share of subtasks; success: {task.success_rule}" if task.subtasks is not None else ""


def _common(own: list[Task]) -> str:
    """What the ids of numbered tasks begin with, up to the dash before the number's word."""
    return own[0].id[: own[0].id.rindex("-task")]


def _data(recipe: AnyRecipe) -> str:
    if isinstance(recipe, GivenData):
        return code(recipe.dataset)
    if isinstance(recipe, NoiseRecipe):
        return f"{recipe.rollouts} episodes of noise"
    if isinstance(recipe, MixRecipe):
        return f"{recipe.steps:,} steps of given policies"
    if isinstance(recipe, PlayRecipe | NavigateRecipe):
        return f"{recipe.rollouts} episodes of {recipe.player}"
    who = {DemoRecipe: "a hampered expert", MazeRecipe: "a steered expert"}.get(type(recipe), "an expert")
    return f"{recipe.demonstrations} demonstrations of {who}, {recipe.rollouts} rollouts"


def _papers(scores: list[Score]) -> str:
    """What to cite for each method: how its module names its paper."""
    rows = []
    for method in methods():
        cited = dict.fromkeys(re.findall(r"\(([A-Z][^()]*? \d{4}[^()]*)\)", method.docstring.split("\n\n")[0]))
        rows.append((title(method), ", ".join(map(code, method.entries)), linked(plain("; ".join(cited)))))
    return table(("method", "names here", "paper"), rows)


def _metrics(scores: list[Score]) -> str:
    return table(
        ("metric", "unit", "meaning"),
        ((code(name), SCORE_UNITS.get(name, ""), plain(meaning)) for name, meaning in METRICS.items()),
    )


def _profiles(scores: list[Score]) -> str:
    names = list(PROFILES)
    defaults = {f.name: f.default for config in (Protocol, LearnerConfig) for f in dataclasses.fields(config)}
    settings = dict.fromkeys(key for profile in PROFILES.values() for key in profile)
    return table(
        ("setting", *map(code, names)),
        ((code(key), *(spell(PROFILES[p].get(key, defaults.get(key, ""))) for p in names)) for key in settings),
    )


def _ours(scores: list[Score]) -> str:
    """Settings that no paper decides, or where ours is another value: whose source says "ours"; of tasks at the end."""
    owners: dict[str, type] = {"protocol": Protocol, "every method": LearnerConfig}
    owners |= {title(method): next(iter(algos.load(n) for n in method.entries)).Config for method in methods()}
    rows = []
    for owner, config in owners.items():
        defaults = {f.name: f.default for f in dataclasses.fields(config)}
        rows += [
            (owner, code(name), code(spell(defaults[name])), plain(meaning), plain(source))
            for name, (meaning, source) in describe(config).items()
            if "ours" in source
        ]
    return table(("of", "setting", "default", "what it means", "why"), [*rows, *_ours_of_tasks()])


def _ours_of_tasks() -> list[tuple[str, str, str, str, str]]:
    """The same of what tasks set, in every profile; a row for tasks that set the same."""
    sharing: dict[tuple[str, str, str], list[str]] = {}
    for task in TASKS.values():
        for key, source in task.sources.items():
            if "ours" in source:
                sharing.setdefault((key, spell(task.settings[key]), source), []).append(task.short_name)
    meanings = {
        name: meaning for config in (Protocol, LearnerConfig) for name, (meaning, _) in describe(config).items()
    }
    rows = []
    for (key, value, source), names in sharing.items():
        method, _, name = key.rpartition(".")
        meaning = describe(algos.load(method).Config)[name][0] if method else meanings[name]
        rows.append((", ".join(map(code, names)), code(key), code(value), plain(meaning), plain(source)))
    return rows


def _leaders(scores: list[Score]) -> str:
    """Who has the highest mean on each task among the reference results, and whom no test tells apart from it."""
    if not scores:
        return "The package brings no results yet.\n"
    columns = {
        "profile": "profile",
        "task": "task",
        "highest": "highest mean",
        "not_told_apart": "not told apart from it",
        "lower": "lower",
    }
    rows = [[plain(str(row[column])) for column in columns] for row in leaders()]
    return (
        "The highest mean score at the end, what the tests do not tell apart from it, and what is lower (5 % level "
        "after Holm's correction), among all entries with results:\n\n" + table(list(columns.values()), rows)
    )


FACTS: Mapping[str, Callable[[list[Score]], str]] = {
    "methods": _methods,
    "suites": _suites,
    "printed": _printed,
    "leaders": _leaders,
    "tasks": _tasks,
    "papers": _papers,
    "metrics": _metrics,
    "profiles": _profiles,
    "ours": _ours,
}
