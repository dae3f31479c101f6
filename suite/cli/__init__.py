"""The command line: one file per command or group, which parses, calls one function and prints.

Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - pip refuses it, a clone on PYTHONPATH does not
    sys.exit(
        f"bench: Python 3.11 or newer is needed, and this is {'.'.join(map(str, sys.version_info[:3]))}; make an "
        "environment with a newer one, and install there"
    )

import typer

from disk.trouble import is_full, unwritten
from suite.cli.claims import claims
from suite.cli.data import data_app
from suite.cli.doctor import doctor
from suite.cli.explain import explain
from suite.cli.listing import list_
from suite.cli.mirror import mirror
from suite.cli.new import new_app
from suite.cli.plans import suite_app
from suite.cli.policies import policies_app
from suite.cli.reference import reference_app
from suite.cli.report import report
from suite.cli.run import run
from suite.cli.speed import speed
from suite.cli.tune import tune
from suite.cli.watch import watch
from suite.output import take_all_letters

app = typer.Typer(
    help="Which algorithm makes best use of prior data and then keeps improving online?",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (run, watch, tune, report, claims, mirror, explain, speed, doctor):
    app.command()(command)
app.command("list")(list_)
app.add_typer(policies_app)  # nameless: its commands are ours
app.add_typer(data_app, name="data")
app.add_typer(suite_app, name="suite")
app.add_typer(reference_app, name="reference")
app.add_typer(new_app, name="new")


def _with_address(words: list[str]) -> list[str]:
    """Write out `--ray local` where no address follows: typer has no options whose value may be left out."""
    bare = [word == "--ray" and "".join(words[n + 1 : n + 2])[:1] in ("", "-") for n, word in enumerate(words)]
    return [out for word, alone in zip(words, bare, strict=True) for out in ([word, "local"] if alone else [word])]


def _fail(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"bench: {message}\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: an error that the user can fix is one line and exit code 2."""
    _read_utf8()
    take_all_letters()
    sys.argv[1:] = _with_address(sys.argv[1:])
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        code, message = _exit_code(error), str(error)
        if code is None:
            if not is_full(error):
                raise
            place = getattr(error, "filename", None) or "what this command writes"
            code, message = 2, unwritten(place, error, "write elsewhere; then give the same command again")
        _fail(message, code)


def _read_utf8() -> None:
    """Start over in Python's UTF-8 mode where the locale has another encoding.

    Names from the command line would reach records and folders as halves of letters. What is printed stays in the
    encoding of the terminal.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return
    printed = f"{sys.stdout.encoding}:backslashreplace"
    environment = {"PYTHONIOENCODING": printed, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)


def _exit_code(error: Exception) -> int | None:
    """What the command ends with where the error was written for the user; None for all others."""
    from algos.settings import SettingError
    from suite.record.rows import RecordError

    if isinstance(error, (SettingError, RecordError)):
        return 2
    from envs.errors import EnvsError  # which loads gymnasium

    return error.exit_code if isinstance(error, EnvsError) else None
