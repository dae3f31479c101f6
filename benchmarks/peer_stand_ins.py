"""Imports a peer's file without the packages that it imports but that do nothing here; needs no package itself."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

__all__ = ["ignore", "module_at"]


class Ignored(ModuleType):
    """A module and everything in it: takes any call and does nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, loader=None)  # torch.compile looks at those of some modules it knows

    def __getattr__(self, name: str) -> Ignored:
        if name.startswith("__"):  # what Python itself asks a module for
            raise AttributeError(name)
        return self

    def __call__(self, *args: object, **kwargs: object) -> Ignored:
        return self


def ignore(*modules: str) -> None:
    """Put a stand-in in the place of modules that are imported but must do nothing, installed or not."""
    sys.modules.update({name: Ignored(name) for name in modules})


def module_at(file: Path) -> Any:
    """The module that a file of a checkout holds, imported as if the command line held no options."""
    spec = importlib.util.spec_from_file_location(f"peer_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(sys, "argv", [str(file)]):
        spec.loader.exec_module(module)
    return module
