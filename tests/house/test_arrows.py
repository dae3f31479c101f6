"""House rules: which package and which room may import which, and that nothing imports in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

import house
import pytest

# package, room or module -> what it must not import, at any level
FORBIDDEN = {
    "disk": ("torch", "gymnasium", "minari", "h5py", "pandas", "algos", "envs", "suite", "reports"),
    "disk/lock": ("numpy",),
    "disk/reading": ("numpy",),
    "disk/replace": ("numpy",),
    "disk/room": ("numpy",),
    "disk/shapes": ("numpy",),
    "disk/sums": ("numpy",),
    "algos": ("envs", "suite", "reports"),
    "algos/conditions": ("torch", "numpy"),
    "algos/settings": ("torch", "numpy"),
    "algos/space": ("torch", "numpy"),
    "algos/registry": ("torch", "numpy"),
    "algos/learner_config": ("torch", "numpy"),
    "envs": ("torch", "algos", "suite", "reports"),
    "envs/motion": ("gymnasium", "gymnasium_robotics", "mujoco", "minari"),
    "envs/rules": ("gymnasium", "gymnasium_robotics", "mujoco", "minari"),
    "envs/catalogue": ("gymnasium", "gymnasium_robotics", "mujoco", "minari"),
    "envs/simulators": ("minari",),
    "envs/stepping": ("gymnasium_robotics", "mujoco", "minari"),
    "envs/data": ("gymnasium_robotics", "mujoco"),
    "suite/record": ("mujoco", "gymnasium", "pandas", "envs", "reports"),
    "suite/record/files": ("torch", "numpy"),
    "suite/record/shapes": ("torch", "numpy", "algos"),
    "suite/record/rows": ("torch", "numpy", "algos"),
    "suite/record/folders": ("torch", "numpy", "algos"),
    "suite/record/writer": ("torch", "numpy", "algos"),
    "suite/record/metrics": ("torch", "algos"),
    "suite/record/papers": ("torch", "algos"),
    "suite/record/tidy": ("torch", "numpy", "algos"),
    "suite/record/trials": ("torch", "numpy", "algos"),
    "reports": ("torch", "algos", "envs"),
    "reports/runs": ("pandas",),
    "reports/numbers": ("pandas",),
    "reports/tables": ("pandas",),
    "reports/pictures": ("pandas",),
    "reports/page": ("pandas",),
}

# package -> its rooms from the ground up -> from which of its other rooms each may import
ROOMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "disk": {
        "trouble": (),
        "lock": (),
        "reading": (),
        "replace": (),
        "room": (),
        "shapes": (),
        "arrays": ("reading", "shapes"),
        "sums": (),
    },
    "algos": {
        "conditions": (),
        "settings": ("conditions",),
        "space": ("settings",),
        "learner_config": ("settings",),
        "networks": ("settings",),
        "contract": ("settings", "space", "learner_config", "networks"),
        "registry": ("settings", "contract"),
        "parts": ("settings", "networks", "contract"),
        "methods": ("conditions", "settings", "space", "networks", "contract", "parts"),
        "learner": ("settings", "networks", "contract", "registry", "parts"),
    },
    "envs": {
        "errors": (),
        "task": ("errors",),
        "discrete": (),
        "plugins": ("errors", "task"),
        "motion": ("errors",),
        "rules": ("task",),
        "catalogue": ("task", "rules"),
        "tasks": ("errors", "task", "plugins", "motion", "catalogue"),
        "simulators": ("errors", "task", "discrete", "motion", "rules", "catalogue"),
        "stepping": ("errors", "discrete", "plugins"),
        "data": ("errors", "task", "discrete", "plugins", "tasks"),
        "verify": ("errors", "task", "discrete", "plugins", "simulators", "data"),
    },
    "suite": {
        "record": (),
        "output": (),
        "recipes": (),
        "experiment": ("record", "recipes"),
        "train": ("record", "recipes", "experiment"),
        "policies": ("output", "record", "recipes", "experiment", "train"),
        "measure": ("output", "record", "recipes", "experiment", "train", "policies"),
        "launch": ("output", "record", "recipes", "experiment", "train", "measure"),
        "plans": ("output", "record", "experiment", "train", "measure", "launch"),
        "tune": ("output", "record", "experiment", "train", "measure", "launch"),
        "reference": ("output", "record", "experiment", "train", "launch"),
        "new": (),
        "api": ("output", "record", "experiment", "train"),
        "cli": (
            "output", "record", "recipes", "experiment", "train", "policies", "measure", "launch", "plans", "tune",
            "reference", "new", "api",
        ),
    },
    "reports": {
        "runs": (),
        "numbers": ("runs",),
        "tables": ("runs", "numbers"),
        "pictures": ("runs", "numbers", "tables"),
        "notebook": ("runs", "numbers", "tables", "pictures"),
        "page": ("runs", "numbers", "tables", "pictures"),
    },
}  # fmt: skip
EVERY_ROOM = [(package, room) for package, rooms in ROOMS.items() for room in rooms]


@pytest.mark.parametrize("place", FORBIDDEN)
def test_the_arrows_between_packages_go_one_way(place: str) -> None:
    files = house.sources(place)
    assert files
    wrong = {f.name: house.wrong_imports(ast.parse(f.read_text()), FORBIDDEN[place]) for f in files}
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize(("package", "room"), EVERY_ROOM)
def test_the_arrows_between_rooms_go_one_way(package: str, room: str) -> None:
    rooms = ROOMS[package]
    assert set(rooms[room]) <= set(list(rooms)[: list(rooms).index(room)]), "a room may import what stands before it"
    files = house.sources(f"{package}/{room}")
    assert files
    for file in files:
        assert house.rooms_taken(file, package) <= set(rooms[room]), file.name


@pytest.mark.parametrize("package", ROOMS)
def test_every_module_stands_in_a_room(package: str) -> None:
    places = {file.relative_to(house.ROOT / package).parts[0].removesuffix(".py") for file in house.sources(package)}
    assert places == {"__init__", *ROOMS[package]}


def test_nothing_imports_in_a_circle() -> None:
    assert house.circle(house.graph()) == []


def test_reports_import_the_record_and_nothing_else_of_the_house() -> None:
    for file in house.sources("reports"):
        for name in house.imports(ast.parse(file.read_text())):
            ours = name.split(".")[0] in house.PACKAGES and not house.within(name, "reports")
            assert not ours or house.within(name, "suite.record"), f"{file.name} imports {name}"


def test_only_the_command_line_calls_reports() -> None:
    files = [f for package in ("algos", "envs", "suite") for f in house.sources(package)]
    taking = {f for f in files if any(house.within(n, "reports") for n in house.imports(ast.parse(f.read_text())))}
    assert {f.parent.name for f in taking} == {"cli"}


def test_a_method_is_imported_by_its_variants_alone() -> None:
    """A variant names the method in the first paragraph of its docstring; everything else asks the registry."""
    for name, taken in house.graph().items():
        for other in sorted(other for other in taken if other.startswith("algos.methods.")):
            assert house.within(name, "algos.methods"), f"{name} imports {other}"
            assert house.names_method(docstring_of(name), other), f"{name} does not say what it takes from {other}"


def docstring_of(module: str) -> str:
    return ast.get_docstring(ast.parse((house.ROOT / f"{module.replace('.', '/')}.py").read_text())) or ""


@pytest.mark.parametrize(
    ("docstring", "module", "named"),
    [
        ("RLPD: SAC with many critics.", "algos.methods.sac", True),
        ("RLPD: SAC with many critics.", "algos.methods.sac_bc", False),
        ("ReBRAC: TD3+BC with a penalty", "algos.methods.td3_bc", True),
        ("ReBRAC: TD3+BC with a penalty", "algos.methods.td3", True),
        ("A cascade of critics.", "algos.methods.sac", False),
        ("A method.\n\nIts target is SAC's.", "algos.methods.sac", False),
    ],
)
def test_the_check_of_variants_sees_what_it_should(docstring: str, module: str, named: bool) -> None:
    assert house.names_method(docstring, module) is named


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
    assert house.wrong_imports(ast.parse(source), ("torch", "suite")) == found


@pytest.mark.parametrize(
    ("arrows", "found"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c"]),
        ({"a": ["a"]}, ["a"]),
        ({"a": ["b", "c"], "b": ["c"]}, []),
    ],
)
def test_the_circle_check_sees_what_it_should(arrows: Mapping[str, Iterable[str]], found: list[str]) -> None:
    assert house.circle(arrows) == found
