"""One page per method, from its module, its entries in the registry and the reference results."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from scores import Score
from texts import code, linked, plain, prose, table

import algos
from algos.contract import HOOKS, OPTIONAL_HOOKS, Needs, Objective
from algos.registry import ALGOS, Entry
from algos.settings import allowed, describe, spell

__all__ = ["NEEDS", "Method", "methods", "page", "title"]

_FUNCTIONS = tuple(hook for hook in (*HOOKS, *OPTIONAL_HOOKS) if hook != "Config")
# what a row of the table of needs says of a value that is not the contract's default
NEEDS: Mapping[str, str] = {
    "chunks": "its losses take chunks of actions",
    "policy": "the policy's family",
    "actions": "which actions it takes: any, or continuous ones alone",
    "critics": "critics",
    "layer_norm": "normalised layers in the critics",
    "action_samples": "policy actions drawn per state",
    "next_action_samples": "actions drawn per next state",
    "critic_draws": "a draw of a number per critic and update",
    "policy_every": "updates between steps of the policy",
    "targets_every": "updates between moves of the targets",
    "modules_every": "updates between steps of the other networks",
    "target_policy": "a slow copy of the policy",
    "exploration_noise": "deviation of the noise on collected actions",
    "columns": "columns of rows beside the transition",
    "initial_batch": "initial states per update",
    "demo_batch": "rows of demonstrations per update",
    "source": "offline rows that it learns from",
    "offline_data": "sees prior data",
    "offline_phase": "learns before the switch",
    "offline_fit": "cannot do without prior data",
    "offline_only": "learns before the switch alone",
    "bounded_q": "Q is kept below the largest return",
    "demo_rows": "which offline rows are demonstrations",
    "log_std_range": "range of the policy's log-deviation",
    "std_of_demos": "starts with the deviation of the demonstrations' actions",
    "window": "newest rows that stages learn from",
    "max_grad_norm": "largest norm of a network's gradient",
    "modules": "further networks",
    "momentum": "stepped by SGD, not Adam",
    "module_lr": "networks with step sizes of their own",
    "module_decay": "networks with a weight decay of their own",
}


@dataclasses.dataclass(frozen=True)
class Method:
    """A module of `algos.methods` and the entries of the registry that share it."""

    module: ModuleType
    entries: Mapping[str, Entry]  # those that depart least from the module's defaults first

    @property
    def name(self) -> str:
        """Name of the module, and of its page."""
        return self.module.__name__.rpartition(".")[2]

    @property
    def docstring(self) -> str:
        """What the module says of itself."""
        return inspect.getdoc(self.module) or ""


def methods() -> list[Method]:
    """Every method of the package, by the name of its module; what other packages add has no page."""
    entries: dict[str, dict[str, Entry]] = {}
    for name, entry in ALGOS.items():
        entries.setdefault(entry.module, {})[name] = entry
    return [
        Method(importlib.import_module(module), dict(sorted(own.items(), key=lambda item: _departing(item[1]))))
        for module, own in sorted(entries.items())
    ]


def title(method: Method) -> str:
    """The method's name as its papers have it: how its docstring begins."""
    return re.split(r" \(|: | in | as ", method.docstring, maxsplit=1)[0]


def page(method: Method, scores: Sequence[Score]) -> str:
    """The whole page."""
    objectives = {name: algos.load(name) for name in method.entries}
    parts = [
        f"# {title(method)}\n\n{prose(method.docstring)}\n",
        _entries(method),
        _settings(objectives),
        _hooks(method.module),
        _needs(objectives),
        _presets(objectives),
        _space(objectives),
        _metrics(method.module),
        _scores(method, scores),
    ]
    return "\n".join(part for part in parts if part)


def _departing(entry: Entry) -> int:
    return len(entry.settings) + len(entry.protocol)


def _entries(method: Method) -> str:
    rows = [(code(name), plain(entry.summary), _departures(entry)) for name, entry in method.entries.items()]
    first = next(iter(method.entries))
    return (
        "## Under which names it runs\n\n"
        + table(("name", "what it is", "departs from the defaults below by"), rows)
        + f"\n```bash\nbench run --algo {first} --env point-reach --profile smoke\n"
        f"bench explain {first} point-reach\n```\n"
    )


def _departures(entry: Entry) -> str:
    return ", ".join(code(f"{name}={spell(value)}") for name, value in {**entry.settings, **entry.protocol}.items())


def _settings(objectives: Mapping[str, Objective]) -> str:
    config = next(iter(objectives.values())).Config
    words, defaults = allowed(config), {field.name: field.default for field in dataclasses.fields(config)}
    rows = [
        (code(name), code(spell(defaults[name])), plain(words[name]), plain(meaning), linked(plain(source)))
        for name, (meaning, source) in describe(config).items()
    ]
    return (
        "## Settings\n\nThe method's own; those of the learner and the protocol, which all methods share, are in "
        "`bench explain`. A task, an entry or a profile may set another value, and `bench explain` says which did.\n\n"
        + table(("setting", "default", "may be", "what it means", "where the default comes from"), rows)
    )


def _hooks(module: ModuleType) -> str:
    own = [hook for hook in _FUNCTIONS if hasattr(module, hook)]
    parts = [f'??? note "`{hook}`: {_says(module, hook)}"\n\n{_source(module, hook)}\n' for hook in own]
    path = f"{module.__name__.replace('.', '/')}.py"
    return (
        f"## From equation to code\n\nHooks that `{path}` defines, out of those of `algos/contract.py`; the others "
        "keep their defaults.\n\n" + "\n".join(parts)
    )


def _says(module: ModuleType, hook: str) -> str:
    """First sentence of a hook's docstring, for the title of a box."""
    said = (inspect.getdoc(getattr(module, hook)) or "").split("\n\n")[0].replace("\n", " ")
    return said.replace('"', "'").rstrip(".")


def _source(module: ModuleType, hook: str) -> str:
    lines = ["```python", *inspect.getsource(getattr(module, hook)).rstrip().splitlines(), "```"]
    return "\n".join(f"    {line}".rstrip() for line in lines)


def _needs(objectives: Mapping[str, Objective]) -> str:
    """What entries ask for beyond the contract's defaults, a column for each."""
    asked = {name: objective.default_needs for name, objective in objectives.items()}
    default = Needs()
    rows = []
    for field, words in NEEDS.items():
        values = [getattr(needs, field) for needs in asked.values()]
        if any(value != getattr(default, field) for value in values):
            rows.append((words, *(_value(value) for value in values)))
    if not rows:
        return ""
    return "## What it asks of the skeleton\n\nBeyond a Gaussian policy and two critics.\n\n" + table(
        ("", *map(code, asked)), rows
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(value) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if callable(value):
        return "its own"
    return "yes" if value is True else "no" if value is False else str(value)


def _presets(objectives: Mapping[str, Objective]) -> str:
    parts = []
    for name, objective in objectives.items():
        for preset, found in objective.presets.items():
            values = ", ".join(code(f"{key}={spell(value)}") for key, value in found.settings.items())
            limits = "\n".join(f"- {plain(limit)}" for limit in found.limits) or "- nothing known"
            parts.append(
                f"### `{name}` with `--preset {preset}`\n\n{linked(plain(found.source))}. Sets {values}.\n\n"
                f"What the source does and no setting here expresses:\n\n{limits}\n"
            )
    return "## Presets\n\n" + "\n".join(parts) if parts else ""


def _space(objectives: Mapping[str, Objective]) -> str:
    rows = {
        (code(setting), plain(str(domain)), code(name))
        for name, objective in objectives.items()
        for setting, domain in objective.space.items()
    }
    return "## What `bench tune` tries of it\n\n" + table(("setting", "values", "of"), sorted(rows)) if rows else ""


def _metrics(module: ModuleType) -> str:
    own: Mapping[str, str] = getattr(module, "METRICS", {})
    rows = [(code(name), plain(meaning)) for name, meaning in own.items()]
    return "## What it logs beside the common metrics\n\n" + table(("metric", "meaning"), rows) if rows else ""


def _scores(method: Method, scores: Sequence[Score]) -> str:
    own = [score for score in scores if score.algo in method.entries]
    if not own:
        return (
            "## Reference scores\n\nThe package brings no results of it yet; [Evidence](../evidence.md) says which "
            "there are.\n"
        )
    rows = []
    for s in own:
        final = s.final if s.trains_online else "trains offline only"
        rows.append((s.task, s.profile, code(s.label), s.metric, str(s.seeds), s.switch, final))
    return (
        "## Reference scores\n\nMeans over seeds with 95 % intervals, from the results that come with the package "
        "([how they were made](../evidence.md)). Means of different methods prove no order: `bench report --beside "
        "reference` has the tests.\n\n"
        + table(("task", "profile", "entry", "score", "seeds", "at the switch", "at the end"), rows)
    )
