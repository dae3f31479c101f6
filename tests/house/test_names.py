"""House rule: nothing branches on the name of an algorithm or a task."""

from __future__ import annotations

import ast
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from house import PACKAGES, ROOT, sources

import algos
from algos.contract import LearnerConfig
from envs.tasks import TASKS

REGISTRIES = {"algos/registry.py", *(f"envs/catalogue/{p.name}" for p in sources("envs/catalogue"))}


def literals(declared: Any) -> set[Any]:
    """The values of a Literal type, also inside a union."""
    if get_origin(declared) is Literal:
        return set(get_args(declared))
    return set().union(*map(literals, get_args(declared))) if get_args(declared) else set()


def setting_choices() -> set[tuple[str, Any]]:
    """(setting, value) of every choice that a setting offers: comparing a setting with its own value is no offence."""
    configs = [LearnerConfig, *(algos.load(name).Config for name in algos.names())]
    return {(name, v) for c in configs for name, hint in get_type_hints(c).items() for v in literals(hint)}


NAMES = {*algos.ALGOS, *TASKS, *(t.short_name for t in TASKS.values())}


def name_of(node: ast.expr) -> str:
    """The last word of what is compared: `policy_loss` of `cfg.policy_loss`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def name_branches(tree: ast.AST, allowed: set[tuple[str, Any]]) -> list[str]:
    """Comparisons, matches and prefix tests against a registered name."""
    out = []
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            operands = node.args if node.func.attr in ("startswith", "endswith") else []
        constants = [c for o in operands for c in ast.walk(o) if isinstance(c, ast.Constant)]
        for constant in constants:
            about_a_setting = any((name_of(o), constant.value) in allowed for o in operands)
            if constant.value in NAMES and not about_a_setting:
                out.append(ast.unparse(node))
    return out


def test_nothing_branches_on_the_name_of_an_algorithm_or_a_task() -> None:
    allowed = setting_choices()
    wrong = {
        str(file.relative_to(ROOT)): name_branches(ast.parse(file.read_text()), allowed)
        for package in PACKAGES
        for file in sources(package)
        if str(file.relative_to(ROOT)) not in REGISTRIES
    }
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("if algo == 'awac': pass", True),
        ("x = 1 if 'sac-bc' != run.algo else 2", True),
        ("ok = name in ('bc', 'other')", True),
        ("ok = task.id.startswith('pen-binary')", True),
        ("match algo:\n    case 'sac': pass", True),
        ("if cfg.policy_loss == 'sac': pass", False),
        ("if phase == 'offline': pass", False),
        ("table = {'awac': 1}['awac']", False),
    ],
)
def test_the_name_check_sees_what_it_should(source: str, caught: bool) -> None:
    assert bool(name_branches(ast.parse(source), setting_choices())) == caught


def test_literal_choices_are_found_inside_unions() -> None:
    assert literals(Union[Literal["auto"], float]) == {"auto"}  # noqa: UP007
    assert ("policy_loss", "sac") in setting_choices()
