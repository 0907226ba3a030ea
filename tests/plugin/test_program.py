"""How processes end: everything that was to run has run, and nothing native is torn down under a running thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TORN = """
import os
class Native:
    def __del__(self): os.abort()
held = Native()
"""
"""Something that aborts the process when the interpreter takes its module apart."""


def ended(body: str, **streams) -> subprocess.CompletedProcess[str]:
    """A process that runs ``body`` as its ``main``."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    script = (
        f"from lineament.plugin.program import run_program\n{TORN}\ndef main():\n{lines}\nrun_program(main)"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": buffered} | streams
    return subprocess.run([sys.executable, "-c", script], text=True, timeout=60, check=False, **options)


def test_the_interpreter_alone_would_abort() -> None:
    assert subprocess.run([sys.executable, "-c", TORN], check=False, timeout=60).returncode != 0


@pytest.mark.parametrize("code", [0, 3, 143])
def test_when_main_returns_then_its_code_is_the_exit_code_and_nothing_is_torn_down(code: int) -> None:
    assert ended(f"return {code}").returncode == code


def test_when_a_process_ends_then_all_its_output_is_written() -> None:
    done = ended("import sys\nprint('x' * 100_000)\nsys.stderr.write('told')\nreturn 0")
    assert done.stdout == "x" * 100_000 + "\n" and done.stderr == "told"


def test_when_a_process_ends_then_exit_functions_and_other_threads_have_run() -> None:
    body = (
        "import atexit, threading, time\n"
        "atexit.register(print, 'exit function')\n"
        "def slow():\n"
        "    time.sleep(0.3)\n"
        "    print('thread')\n"
        "threading.Thread(target=slow).start()\n"
        "return 0"
    )
    done = ended(body)
    assert done.stdout.split("\n") == ["thread", "exit function", ""] and done.returncode == 0


def test_when_main_raises_then_it_is_told_and_the_code_is_1() -> None:
    done = ended("raise KeyError('lost')")
    assert done.returncode == 1 and "KeyError: 'lost'" in done.stderr


def test_when_nobody_takes_the_output_then_the_code_says_so() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as sink:
        assert ended("print('lost')\nreturn 0", stdout=sink).returncode == 120


def test_when_the_command_line_is_loaded_then_nothing_that_must_run_at_exit_is_registered_before_it() -> None:
    """Of the modules it loads, ``multiprocessing`` and ``concurrent.futures`` would register such functions."""
    asked = "import sys, lineament.plugin.cli; print(sorted({'multiprocessing.util', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
