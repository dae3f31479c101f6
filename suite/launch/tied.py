"""`python -m suite.launch.tied COMMAND`: a command that does not outlive the process that started it.

A Ray worker dies with its node's daemon; what it had started would go on, and hold its run folder. Only Linux has the
means; elsewhere the command simply runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1  # of prctl.h


def main() -> None:
    """Have the kernel kill this process with its parent, then become the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before it could take us with it
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
