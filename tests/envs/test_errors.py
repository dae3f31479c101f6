from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import envs
from envs import errors
from envs.errors import EnvsError

OURS = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, Exception)]


def test_every_public_error_of_the_package_stands_in_one_module_with_one_base() -> None:
    assert all(issubclass(e, EnvsError) for e in OURS)
    names = [m.name for m in pkgutil.walk_packages(envs.__path__, "envs.") if not m.name.startswith("envs.simulators.")]
    for module in map(importlib.import_module, names):
        found = [e for name, e in inspect.getmembers(module, inspect.isclass) if not name.startswith("_")]
        own = [e for e in found if issubclass(e, Exception) and e.__module__ == module.__name__]
        assert set(own) <= set(OURS), module.__name__


def test_only_what_the_user_cannot_put_right_ends_with_exit_code_1() -> None:
    assert {e.__name__: e.exit_code for e in OURS if e.exit_code != 2} == {"WorkerError": 1}


@pytest.mark.parametrize(
    ("word", "cutoff", "said"),
    [
        ("pem", 0.6, "did you mean 'pen'?"),
        ("pxx", 0.3, "did you mean 'pen'?"),
        ("pxx", 0.6, "known: pen, door"),
    ],
)
def test_the_nearest_word_or_all_that_there_are(word: str, cutoff: float, said: str) -> None:
    assert errors.nearest(word, ["pen", "door"], cutoff) == said


def test_the_closest_words_come_first() -> None:
    assert errors.closest("a-v1", ["door", "a-v2", "a-v1-x"], count=2) == ["a-v1-x", "a-v2"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "x.npz"), "No such file or directory: x.npz"),
        (KeyError("a"), "a"),
        (ValueError(), "ValueError"),
        (ValueError("one\ntwo"), "one"),
    ],
)
def test_an_exception_as_one_line(error: Exception, said: str) -> None:
    assert errors.first_line(error) == said
