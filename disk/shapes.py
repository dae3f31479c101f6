"""Shapes of what JSON and TOML files hold: declared once each, and checked down to the elements.

A shape is a function that returns "" for a value that has it, else where and what is needed instead, in a few words:

    POINT = table({"name": text, "at": listing(number(), least=2)}, {"colour": one_of("red", "blue")})
    POINT({"name": "a", "at": [1, "x"]})     # at: entry 1: a number is needed, not "x"
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "Shape", "ShapeError", "anything", "either", "line", "listing", "mapping", "nothing", "number", "one_of",
    "parse_json", "plain", "short", "table", "text", "truth", "whole",
]  # fmt: skip

Shape = Callable[[Any], str]
_LARGEST = 1.7976931348623157e308  # of doubles; whole numbers beyond cannot become one
_LINE = 1000  # characters of a name
_WORDS = 60  # characters of a value in a message


class ShapeError(ValueError):
    """Content that does not have the shape of its file; the message says where and what is needed, in one line."""


def parse_json(content: str | bytes, shape: Shape) -> Any:
    """Values of a JSON text that has the shape; raises `ShapeError` for any other, whatever it holds."""
    try:
        value = json.loads(content)
    except UnicodeDecodeError:
        raise ShapeError("not readable as JSON (not UTF-8)") from None
    except ValueError as error:  # of numbers with thousands of digits, too
        raise ShapeError(f"not readable as JSON ({short(str(error))})") from None
    except RecursionError:
        raise ShapeError("not readable as JSON (nested too deeply)") from None
    if wrong := shape(value):
        raise ShapeError(wrong)
    return value


def table(needed: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """An object with these entries; what else it holds is of no concern."""

    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return _needs("an object", value)
        lacking = [name for name in needed if name not in value]
        if lacking:
            return f"{', '.join(map(repr, lacking))} is missing"
        known = {**needed, **(optional or {})}
        return _first((name, known[name](value[name])) for name in known if name in value)

    return check


def mapping(of: Shape) -> Shape:
    """An object whose entries, of any name, all have a shape."""

    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return _needs("an object", value)
        return _first((short(str(name)), of(part)) for name, part in value.items())

    return check


def listing(of: Shape, least: int = 0, most: float = math.inf) -> Shape:
    """A list of at least and at most so many entries, which all have a shape."""

    def check(value: Any) -> str:
        if not isinstance(value, list):
            return _needs("a list", value)
        if not least <= len(value) <= most:
            return f"{least if len(value) < least else most} entries are needed, not {len(value)}"
        return _first((f"entry {i}", of(part)) for i, part in enumerate(value))

    return check


def either(*shapes: Shape) -> Shape:
    """A value of one of these shapes, of which the first says what is needed."""

    def check(value: Any) -> str:
        wrong = [shape(value) for shape in shapes]
        return "" if "" in wrong else wrong[0]

    return check


def one_of(*values: str) -> Shape:
    """One of these texts."""
    needed = f"one of {', '.join(values)}"
    return lambda value: "" if isinstance(value, str) and value in values else _needs(needed, value)


def number(low: float = -math.inf, high: float = math.inf) -> Shape:
    """A finite number within these bounds; truth values are none."""
    needed = "a number" if (low, high) == (-math.inf, math.inf) else f"a number from {low:g} to {high:g}"

    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return _needs(needed, value)
        return "" if -_LARGEST <= value <= _LARGEST and low <= value <= high else _needs(needed, value)

    return check


def whole(low: int = -(2**63), high: int = 2**63 - 1) -> Shape:
    """A whole number within these bounds, by default what 64 bits hold; truth values are none."""
    needed = f"a whole number from {low} to {high}" if high < 2**63 - 1 else f"a whole number from {low} on"
    needed = "a whole number" if (low, high) == (-(2**63), 2**63 - 1) else needed

    def check(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if fits else _needs(needed, value)

    return check


def text(value: Any) -> str:
    """A text that can be written down again: without halves of surrogate pairs."""
    sound = isinstance(value, str) and value.encode("utf-8", "ignore").decode() == value
    return "" if sound else _needs("a text", value)


def line(value: Any) -> str:
    """A text of one line, which can be named in a message."""
    sound = not text(value) and len(value) <= _LINE and value.isprintable()
    return "" if sound else _needs("a text of one line", value)


def truth(value: Any) -> str:
    """True or false."""
    return "" if isinstance(value, bool) else _needs("true or false", value)


def nothing(value: Any) -> str:
    """JSON's null."""
    return "" if value is None else _needs("null", value)


def anything(value: Any) -> str:
    """Whatever JSON can hold."""
    return ""


def plain(value: Any) -> str:
    """A value as settings have: a number, infinite ones too, a text, a truth value, null, or a list of those."""
    if isinstance(value, list):
        return _first((f"entry {i}", _single(part)) for i, part in enumerate(value))
    return _single(value)


def _single(value: Any) -> str:
    if isinstance(value, (bool, float, str, type(None))):
        return text(value) if isinstance(value, str) else ""
    return number()(value)


def _first(checked: Iterable[tuple[str, str]]) -> str:
    """The first thing that is wrong, of pairs of a place and what is wrong there."""
    return next((f"{place}: {wrong}" for place, wrong in checked if wrong), "")


def _needs(what: str, value: Any) -> str:
    return f"{what} is needed, not {_shown(value)}"


def _shown(value: Any) -> str:
    """A value in a few words, however large or deep it is."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of very many digits"
    return short(json.dumps(value, default=repr))


def short(words: str) -> str:
    """One short line of a text of any length that may hold anything, for a message."""
    line = " ".join(words.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= _WORDS else f"{line[: _WORDS - 3]}..."
