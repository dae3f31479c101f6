"""The line of progress: fits the terminal, leaves out what matters least, and needs nobody who reads it."""

from __future__ import annotations

import io
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

from suite.train import progress
from suite.train.progress import Progress, Standing

AT = Standing("offline", 2_500, 25_000, "updates", 48.0, 7_384.0)
SHORT, EACH = "success 0.31 at -22,500", "[0.10 0.20 0.30 0.40 0.55]"


def terminal(width: int, **more: object) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=True, _environ={"TERM": "xterm", **more}), out


@pytest.mark.parametrize(
    ("width", "said", "unsaid"),
    [
        (200, [EACH, "48 updates/s"], []),
        (110, [SHORT, "48 updates/s"], [EACH]),
        (80, ["2,500/25,000 updates", "48 updates/s", "2h03m left"], [SHORT]),
        (60, ["2,500/25,000 updates", "2h03m left"], ["updates/s"]),
        (30, ["2,500/25,000"], ["updates/s"]),
    ],
)
def test_it_fits_the_terminal(width: int, said: list[str], unsaid: list[str]) -> None:
    console, out = terminal(width)
    with Progress("pen-binary awac", console) as shown:
        shown.score(SHORT, EACH)
        shown.show(AT)
    text = Console(file=io.StringIO()).render_str(out.getvalue().replace("\x1b[?25l", "")).plain
    line, bar = shown.fitting(AT, SHORT, f"{SHORT} {EACH}")
    assert cell_len(line) + (progress.BAR_WIDTH + 1) * bar < width
    assert all(part in line for part in said)
    assert not any(part in line for part in unsaid)
    assert line in out.getvalue()
    assert text


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("pen-binary awac") as shown:
        shown.score(SHORT, EACH)
        shown.show(AT)
        shown.show(AT)  # too soon
        shown.say("resuming")
    assert capsys.readouterr().err.splitlines() == [
        f"pen-binary awac: offline 2,500/25,000 updates | 48 updates/s | 2h03m left | {SHORT} {EACH}",
        "pen-binary awac: resuming",
    ]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_that_can_less_gets_less(environment: dict[str, str]) -> None:
    console, out = terminal(100, **environment)
    with Progress("pen-binary awac", console) as shown:
        shown.show(AT)
        shown.say("[hub] stays as it is")
    assert "[hub] stays as it is" in out.getvalue()
    assert "\x1b[3" not in out.getvalue(), "no colours"
    assert environment.get("TERM") != "dumb" or "\x1b" not in out.getvalue()


@pytest.mark.parametrize("live", [True, False])
def test_nobody_who_reads_is_no_reason_to_stop(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return live

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setenv("TERM", "xterm")
    with Progress("a") as shown:
        assert shown.live is live
        shown.show(AT)
        shown.say("b")
