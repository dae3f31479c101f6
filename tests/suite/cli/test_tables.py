"""Tables on terminals of any width: no name is cut, nothing is left out, and JSON says the same."""

from __future__ import annotations

import json

import pytest

from suite.cli.tables import print_rows

ROWS = [
    {
        "env": "antmaze-large-v0",
        "horizon": 1000,
        "data": "-",
        "summary": "a long way, and no reward but at the goal",
    },
    {"env": "迷路-v0", "horizon": 7, "data": "default, human", "summary": "short"},
]
FOLDER = "runs/a-task-with-a-long-name-v0/an-algorithm-with-a-long-name/quick-0123456789ab"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_fits_and_holds_everything(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_rows(ROWS, False)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    words = {word for row in ROWS for value in row.values() for word in str(value).split()}
    assert words - {"-"} <= set(out.split())
    assert (out.count("\n") == 3) is (width == 200)


def test_a_name_longer_than_the_terminal_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_rows([{"task": "t", "folder": FOLDER}, {"task": "u", "folder": "runs/x"}], False)
    assert FOLDER in capsys.readouterr().out


def test_wide_is_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(ROWS, False, wide=True)
    header, first, second = capsys.readouterr().out.splitlines()
    assert [line.index(word) for line, word in ((header, "horizon"), (first, "1000"))] == [18, 18]
    assert second.index("7") == 16, "letters twice as wide take two columns"


def test_columns_of_a_pipe_are_those_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_rows([{"name": str(n), "text": "word " * 40} for n in range(2)], False)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_one_row_shows_what_is_known_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": "a/b-v0", "policy": None, "made": {"seed": 0, "of": {"steps": 5}}, "success": 0.0}
    print_rows([row], False)
    assert capsys.readouterr().out == "id             a/b-v0\nmade.seed      0\nmade.of.steps  5\nsuccess        0.0\n"
    print_rows([row], True)
    assert json.loads(capsys.readouterr().out) == [row]
