"""How the project's processes end.

A process that has loaded torch, OpenImageIO and a page's connections owns threads that Python knows nothing of, and
daemon threads that are inside native code. If one of them is caught by the interpreter taking itself apart, the process
aborts (SIGABRT) although its work is done, and a farm counts the task as failed. So the processes end one step earlier:
when everything that was to run at exit has run.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

BROKEN_STREAM = 120
"""The exit code of a process whose last output could not be written; Python's own."""


class _Ending:
    def __init__(self) -> None:
        self.code = 1

    def leave(self) -> NoReturn:
        """Write out what streams hold, and end the process."""
        code = self.code
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):
                code = code or BROKEN_STREAM
        os._exit(code)


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run ``main`` and end the process with the exit code that it returns, 1 if it raises.

    Threads that are not daemons are waited for and functions registered with ``atexit`` after this call have run, the
    last first; what was registered before it is left out. Never returns.
    """
    ending = _Ending()
    atexit.register(ending.leave)
    ending.code = main()
    sys.exit(ending.code)
