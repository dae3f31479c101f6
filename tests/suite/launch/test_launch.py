"""Several cells at once: side by side, each on its own, all of them stopped together."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from asked import resolve
from signalled import signal_once

from envs.stepping.worker import STOP_SIGNALS
from suite.launch.processes import NOT_STARTED, Command, run_all, shell_code, stopped
from suite.launch.side_by_side import run_side_by_side
from suite.launch.spread import Spread
from suite.train.hardware import Hardware
from suite.train.means import Means

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# marks its start, waits for the mark of the cell named by the second argument, ends
MEET = """
import pathlib, sys, time
folder, mine, other = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(folder / mine).touch()
until = time.monotonic() + 20
while not (folder / other).exists():
    if time.monotonic() > until:
        sys.exit(7)
    time.sleep(0.01)
"""

# says that it runs; on SIGTERM tidies up and ends with 143, as `bench run` does
LONG = """
import pathlib, signal, sys, time
folder, mine = pathlib.Path(sys.argv[1]), sys.argv[2]
def stop(number, frame):
    (folder / f"{mine}.tidied").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
(folder / mine).touch()
time.sleep(30)
"""

STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1], sys.argv[2]).touch()
time.sleep(30)
"""


def cell(name: str, program: str, *arguments: object) -> Command:
    return Command(name, [sys.executable, "-c", program, *map(str, arguments)])


def test_cells_run_side_by_side(tmp_path: Path) -> None:
    """Each waits for the other to have begun: one after the other they would never end well."""
    cells = [cell("a", MEET, tmp_path, "a", "b"), cell("b", MEET, tmp_path, "b", "a")]
    assert run_all(cells, 2) == {"a": 0, "b": 0}


def test_no_more_at_once_than_asked_for(tmp_path: Path) -> None:
    program = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / f"{sys.argv[2]}.running").touch()
time.sleep(0.15)
(folder / f"{sys.argv[2]}.saw").write_text(str(len(list(folder.glob("*.running")))))
(folder / f"{sys.argv[2]}.running").unlink()
"""
    codes = run_all([cell(str(n), program, tmp_path, n) for n in range(5)], 2)
    assert list(codes.values()) == [0] * 5
    assert max(int(p.read_text()) for p in tmp_path.glob("*.saw")) <= 2


def test_a_failing_cell_keeps_no_other_from_running() -> None:
    killed = cell("killed", "import os; os.kill(os.getpid(), 9)")
    cells = [killed, *(cell(f"ends with {code}", f"import sys; sys.exit({code})") for code in (2, 0, 1))]
    assert run_all(cells, 1) == {"killed": -9, "ends with 2": 2, "ends with 0": 0, "ends with 1": 1}


# ends with the next of the codes that its file holds
FLAKY = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
code, *left = file.read_text().split()
file.write_text(" ".join(left))
sys.exit(int(code))
"""


@pytest.mark.parametrize(
    ("codes", "retries", "end", "left"),
    [
        ("1 0", 1, 0, ""),
        ("1 1 0", 1, 1, "0"),
        ("1 137 0", 2, 0, ""),
        ("2 0", 3, 2, "0"),  # refused: another try ends the same way
        ("143 0", 3, 143, "0"),  # stopped by somebody
        ("1 0", 0, 1, "0"),
    ],
)
def test_a_cell_that_fails_is_tried_again_so_often(
    codes: str, retries: int, end: int, left: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "codes").write_text(codes)
    (tmp_path / "other").write_text("0")
    cells = [cell("a", FLAKY, tmp_path / "codes"), cell("b", FLAKY, tmp_path / "other")]
    assert run_all(cells, 1, retries=retries) == {"a": end, "b": 0}
    assert (tmp_path / "codes").read_text() == left
    assert capsys.readouterr().err.count(" of ") == len(codes.split()) - len(left.split()) - 1


def test_what_was_stopped_is_not_tried_again(tmp_path: Path) -> None:
    """Also where it ends with an error of its own when asked to stop."""
    failing = LONG.replace("sys.exit(143)", "sys.exit(1)")
    stopper = signal_once([tmp_path / "a"], signal.SIGTERM)
    assert run_all([cell("a", failing, tmp_path, "a")], 1, retries=5) == {"a": 1}
    stopper.join()


def test_the_last_words_of_a_failed_cell_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when whoever reads them is slow: they say why it failed."""

    class SlowTerminal(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.2)
            return super().write(text)

    terminal = SlowTerminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run_all([cell("a", "import sys; sys.exit('one\\ntwo\\nthis is why')")], 1)
    assert terminal.getvalue() == "one\ntwo\nthis is why\n"


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_reaches_every_child_and_starts_no_more(number: int, tmp_path: Path) -> None:
    handlers = [signal.getsignal(s) for s in STOP_SIGNALS]
    names = ("a", "b", "c")
    stopper = signal_once([tmp_path / "a", tmp_path / "b"], number)
    begun = time.monotonic()
    codes = run_all([cell(n, LONG, tmp_path, n) for n in names], 2)
    stopper.join()
    assert codes == {"a": 143, "b": 143, "c": NOT_STARTED}
    assert time.monotonic() - begun < 20
    assert sorted(p.name for p in tmp_path.glob("*.tidied")) == ["a.tidied", "b.tidied"]
    assert not (tmp_path / "c").exists()
    assert [signal.getsignal(s) for s in STOP_SIGNALS] == handlers


def test_a_child_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.launch.processes.TERM_SECONDS", 0.3)
    stopper = signal_once([tmp_path / "a"], signal.SIGTERM)
    assert run_all([cell("a", STUBBORN, tmp_path, "a")], 1) == {"a": -9}
    stopper.join()


@pytest.mark.parametrize("code", [NOT_STARTED, *(-s for s in STOP_SIGNALS), *(128 + s for s in STOP_SIGNALS)])
def test_what_counts_as_stopped(code: int | None) -> None:
    assert stopped(code)


@pytest.mark.parametrize(("code", "told"), [(0, 0), (2, 2), (130, 130), (-signal.SIGTERM, 143), (None, 1)])
def test_codes_as_a_shell_tells_them(code: int | None, told: int) -> None:
    assert shell_code(code) == told


@pytest.mark.parametrize("code", [0, 1, 2, -signal.SIGKILL, -signal.SIGHUP, 128 + signal.SIGKILL])
def test_what_ended_otherwise_was_not_stopped(code: int) -> None:
    assert not stopped(code)


def test_ctrl_c_in_a_terminal_reaches_the_children_through_us_only(tmp_path: Path) -> None:
    """A child is in a session of its own, so the terminal's SIGINT does not hit it a second time."""
    program = "import os, sys, pathlib; pathlib.Path(sys.argv[1], 'group').write_text(str(os.getpgid(0)))"
    run_all([cell("a", program, tmp_path)], 1)
    assert int((tmp_path / "group").read_text()) != os.getpgid(0)


def test_output_larger_than_a_pipe_does_not_block(capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; [sys.stderr.write('x' * 99 + '\\n') for _ in range(2000)]; sys.stdout.write('y' * 200_000)"
    assert run_all([cell("a", program)], 1) == {"a": 0}
    assert len(capsys.readouterr().err) == 200_000


def test_gpus_are_shared_out_evenly(tmp_path: Path) -> None:
    """Of three cells at a time on two GPUs, and one more that takes the place of the first to end."""
    program = """
import os, pathlib, sys, time
folder, mine, until = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(folder / mine).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
end = time.monotonic() + 20
while not (folder / until).exists() and time.monotonic() < end:
    time.sleep(0.01)
"""
    waits = {"a": "d", "b": "c", "c": "d", "d": "d"}  # b is the first to end
    run_all([cell(name, program, tmp_path, name, other) for name, other in waits.items()], 3, ["GPU-x", "GPU-y"])
    assert {name: (tmp_path / name).read_text() for name in waits} == {
        "a": "GPU-x",
        "b": "GPU-y",
        "c": "GPU-x",
        "d": "GPU-y",
    }


def test_without_gpus_the_environment_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    program = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['CUDA_VISIBLE_DEVICES'])"
    run_all([cell("a", program, tmp_path / "a")], 1)
    assert (tmp_path / "a").read_text() == "7"


@pytest.mark.parametrize(
    ("named", "gpus"), [(None, ["0", "1", "2"]), ("", ["0", "1", "2"]), ("3, 5", ["3", "5"]), ("GPU-x", ["GPU-x"])]
)
def test_gpus_are_those_that_this_process_may_see(
    named: str | None, gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert Hardware().gpus() == gpus
    assert Hardware("cpu").gpus() == []


@pytest.mark.parametrize(
    ("said", "asked", "threads"),
    [
        ("3", None, 3),
        ("3", 2, 2),
        ("4,2", None, 4),
        (" 1 ", None, 1),
        *((text, None, 7) for text in ("", "0", "-1", "x")),
    ],
)
def test_threads_are_those_asked_for_or_those_of_openmp_or_all_cores(
    said: str, asked: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.train.hardware.default_workers", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert Hardware(threads=asked).thread_count() == threads
    assert Hardware(workers=None).worker_count() == 7, "environments are no threads of torch"


@pytest.mark.parametrize(
    ("said", "asked", "means"), [("", None, ("4", "4")), ("1", None, ("1", "4")), ("1", 2, ("2", "2"))]
)
def test_cells_side_by_side_share_the_cores_unless_openmp_says_less(
    said: str, asked: int | None, means: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[Sequence[str]] = []

    def run_all(cells: Sequence[Command], **_: object) -> dict[str, int]:
        commands.extend(one.command for one in cells)
        return {}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    monkeypatch.setattr("suite.launch.side_by_side.default_workers", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    experiments = [resolve("sac-scratch", env, (0,)) for env in ("door-binary", "pen-binary")]
    run_side_by_side(experiments, Means(tmp_path, Hardware("cpu", asked)), Spread(jobs=2))
    assert len(commands) == 2
    for words in commands:
        assert (words[words.index("--threads") + 1], words[words.index("--workers") + 1]) == means


def test_nothing_to_run() -> None:
    assert run_all([], 3) == {}
