"""House rules: which package may import which, what stays out of a quick start, and no branching on names."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import algos
from algos.core import LearnerConfig
from envs.tasks import TASKS

ROOT = Path(__file__).parent.parent
PACKAGES = ("algos", "envs", "suite", "reports")
REGISTRIES = {"algos/__init__.py", *(f"envs/catalogue/{p.name}" for p in (ROOT / "envs/catalogue").glob("*.py"))}

# package or module -> what it must not import, at any level
FORBIDDEN = {
    "algos": ("envs", "suite", "reports"),
    "algos/settings.py": ("torch", "numpy"),
    "algos/__init__.py": ("torch", "numpy"),
    "envs": ("torch", "algos", "suite", "reports"),
    "envs/rules": ("gymnasium", "gymnasium_robotics", "mujoco", "minari"),
    "envs/catalogue": ("gymnasium", "gymnasium_robotics", "mujoco", "minari"),
    "envs/simulators": ("minari",),
    "envs/stepping": ("gymnasium_robotics", "mujoco", "minari"),
    "envs/data": ("gymnasium_robotics", "mujoco"),
    "suite/data": ("suite.cell", "suite.protocol", "suite.policies", "suite.launch", "suite.commands", "suite.cli"),
    "suite/policies": ("suite.launch", "suite.commands", "suite.cli"),
    "suite/launch": ("suite.policies", "suite.commands", "suite.cli"),
    "suite/commands": ("suite.cli",),
    "suite/record.py": ("torch", "mujoco", "gymnasium", "pandas", "algos", "envs", "reports"),
    "reports": ("torch", "envs"),
}
# room or module of envs -> what else of envs it may import: none but what stands above it
ROOMS: dict[str, tuple[str, ...]] = {
    "task": (),
    "discrete": (),
    "outside": ("task",),
    "rules": ("task",),
    "catalogue": ("task", "rules"),
    "tasks": ("task", "outside", "catalogue"),
    "simulators": ("task", "discrete", "rules"),
    "stepping": ("discrete", "outside"),
    "data": ("task", "discrete", "outside", "tasks"),
    "verify": ("task", "discrete", "outside", "simulators", "data"),
}
REPORTS_MAY = {"suite.metrics", "suite.papers", "suite.record"}  # of the house, besides reports itself


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported, inside functions as well; `from a import b` is both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


def unless_typing(tree: ast.Module) -> ast.Module:
    """The module without its `if TYPE_CHECKING` blocks, which never run."""
    body = [n for n in tree.body if not (isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")]
    return ast.Module(body, [])


def wrong_imports(tree: ast.Module, forbidden: tuple[str, ...]) -> list[str]:
    return [name for name in imports(unless_typing(tree)) if any(within(name, f) for f in forbidden)]


@pytest.mark.parametrize("place", FORBIDDEN)
def test_the_arrows_between_packages_go_one_way(place: str) -> None:
    files = [ROOT / place] if place.endswith(".py") else sources(place)
    assert files
    wrong = {str(f.relative_to(ROOT)): wrong_imports(ast.parse(f.read_text()), FORBIDDEN[place]) for f in files}
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize("room", ROOMS)
def test_the_arrows_between_the_rooms_of_envs_go_one_way(room: str) -> None:
    assert set(ROOMS[room]) <= set(list(ROOMS)[: list(ROOMS).index(room)])
    files = sources(f"envs/{room}") or [ROOT / "envs" / f"{room}.py"]
    for file in files:
        inside = {name.split(".")[1] for name in imports(ast.parse(file.read_text())) if name.startswith("envs.")}
        assert inside <= {room, *ROOMS[room]}, file.name


def test_every_module_of_envs_stands_in_a_room() -> None:
    places = {file.relative_to(ROOT / "envs").parts[0].removesuffix(".py") for file in sources("envs")}
    assert places == {"__init__", *ROOMS}
    assert set(imports(ast.parse((ROOT / "envs/__init__.py").read_text()))) == {"gymnasium.register"}


def test_reports_read_run_folders_and_nothing_else_of_the_house() -> None:
    for file in sources("reports"):
        for name in imports(ast.parse(file.read_text())):
            ours = name.split(".")[0] in PACKAGES and not within(name, "reports")
            assert not ours or any(within(name, may) for may in REPORTS_MAY), f"{file.name} imports {name}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch", ["torch"]),
        ("def f():\n    from torch import nn", ["torch.nn"]),
        ("import suite.record as r, numpy", ["suite.record"]),
        ("from suite import record", ["suite.record"]),
        ("import torchvision, suites", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", []),
    ],
)
def test_the_import_check_sees_what_it_should(source: str, found: list[str]) -> None:
    assert wrong_imports(ast.parse(source), ("torch", "suite")) == found


def listed(file: Path) -> set[str] | None:
    """What a module says is for others; None where it has no list."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def taken(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported, and of the attributes of what was imported from somewhere."""
    yield from imports(tree)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    known = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield f"{known[node.value.id]}.{node.attr}"


def unlisted(tree: ast.AST, lists: Mapping[str, set[str] | None]) -> set[str]:
    """What is taken from a module of the house that does not list it; modules themselves need no listing."""
    found = set()
    for name in taken(tree):
        module, _, last = name.rpartition(".")
        names = lists.get(module)
        if names is not None and last not in names and name not in lists:
            found.add(name)
    return found


def test_what_other_modules_take_is_in_a_modules_list() -> None:
    files = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for p in PACKAGES for f in sources(p)}
    lists = {name.removesuffix(".__init__"): listed(file) for name, file in files.items()}
    wrong = {name: unlisted(ast.parse(file.read_text()), lists) for name, file in files.items()}
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from a.b import c", set()),
        ("from a.b import d", {"a.b.d"}),
        ("def f():\n    from a.b import c, d", {"a.b.d"}),
        ("from a import b\nimport a.b", set()),
        ("from a import b as x\nx.c, x.d", {"a.b.d"}),
        ("from a import z\nfrom e import f\nz.d, f.d", set()),
    ],
)
def test_the_list_check_sees_what_it_should(source: str, found: set[str]) -> None:
    assert unlisted(ast.parse(source), {"a": None, "a.b": {"c"}}) == found


HEAVY = ("torch", "mujoco", "pandas", "matplotlib", "seaborn", "gymnasium", "minari")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("suite.cli", HEAVY), ("suite.record", HEAVY), ("algos", HEAVY), ("algos.settings", HEAVY),
     ("envs.tasks", tuple(name for name in HEAVY if name != "gymnasium"))],
)  # fmt: skip
def test_a_quick_start_loads_nothing_heavy(module: str, heavy: tuple[str, ...]) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not part of this checkout")
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


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
