"""Shapes of JSON files: what has them passes, and all else is named by place, need and finding, in one short line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import spoiled

from disk.shapes import (
    Shape,
    ShapeError,
    anything,
    either,
    line,
    listing,
    mapping,
    nothing,
    number,
    one_of,
    parse_json,
    plain,
    short,
    table,
    text,
    truth,
    whole,
)  # fmt: skip

POINT = table(
    {"name": line, "at": listing(number(), least=2)}, {"colour": one_of("red", "blue"), "of": mapping(whole(0))}
)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"name": "a", "at": [1, 2.5]}, ""),
        ({"name": "a", "at": [1, 2], "colour": "red", "of": {"x": 3}, "more": object}, ""),
        ({"name": "a", "at": [1, "x"]}, 'at: entry 1: a number is needed, not "x"'),
        ({"name": "a", "at": [1]}, "at: 2 entries are needed, not 1"),
        ({"name": "a", "at": 5}, "at: a list is needed, not 5"),
        ({"name": "a"}, "'at' is missing"),
        ({"name": "a\nb", "at": [1, 2]}, 'name: a text of one line is needed, not "a\\nb"'),
        ({"name": "a", "at": [1, True]}, "at: entry 1: a number is needed, not true"),
        ({"name": "a", "at": [1, float("nan")]}, "at: entry 1: a number is needed, not NaN"),
        ({"name": "a", "at": [1, 10**400]}, "at: entry 1: a number is needed, not a number of very many digits"),
        ({"name": "a", "at": [1, 2], "colour": "green"}, 'colour: one of red, blue is needed, not "green"'),
        ({"name": "a", "at": [1, 2], "of": {"x": -1}}, "of: x: a whole number from 0 on is needed, not -1"),
        (
            {"name": "a", "at": [1, 2], "of": {"x": 2**63}},
            "of: x: a whole number from 0 on is needed, not 9223372036854775808",
        ),
        ([], "an object is needed, not a list"),
        (None, "an object is needed, not null"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(value: Any, wrong: str) -> None:
    assert POINT(value) == wrong


@pytest.mark.parametrize(
    ("shape", "right", "wrong"),
    [
        (text, ["", "a\nb"], [None, 5, "\ud800"]),
        (line, ["", "a b", "é"], ["a\tb", "x" * 1001, "\ud800", 5]),
        (truth, [True, False], [0, 1, None, "true"]),
        (nothing, [None], [0, False, "", []]),
        (anything, [None, {}, [[]], object()], []),
        (whole(), [0, -(2**63), 2**63 - 1], [1.0, True, 2**63, "1"]),
        (whole(1, 9), [1, 9], [0, 10]),
        (number(0, 1), [0, 0.5, 1], [-0.1, 1.1, float("inf"), False]),
        (either(nothing, text), [None, "a"], [5, []]),
        (plain, [None, True, 1.5, float("inf"), "a", [1, "a", None]], [{}, [[1]], [{}], 10**400, ["\ud800"]]),
    ],
)  # fmt: skip
def test_each_shape_takes_its_own_and_nothing_else(shape: Shape, right: list[Any], wrong: list[Any]) -> None:
    assert [shape(value) for value in right] == [""] * len(right)
    assert all(shape(value) for value in wrong)


@pytest.mark.parametrize("content", [*spoiled.TEXTS, b"\xff\xfe", b'"\xff"'])
def test_texts_that_are_none_of_ours_are_refused_in_a_line(content: str | bytes) -> None:
    with pytest.raises(ShapeError) as caught:
        parse_json(content, POINT)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_whatever_passes_can_be_written_down_again() -> None:
    sound = {"name": "a", "at": [1, 2.5, 3], "colour": "red", "of": {"x": 1, "y": 2}}
    passed = 0
    for value in spoiled.values(sound, np.random.default_rng(0), 500):
        if not (wrong := POINT(value)):
            assert json.loads(json.dumps(value)) == value
            passed += 1
        assert wrong == short(wrong) or len(wrong) < 200
    assert 20 < passed < 300
