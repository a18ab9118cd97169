"""Ctrl-C ends the program with the exit code for it, wherever it strikes."""

import subprocess
import sys
from pathlib import Path

from eureka_agent.cli import INTERRUPTED

# Python notes a plain KeyboardInterrupt that leaves exec() of a text; a program that runs by -m, as
# this one does, then ends by the signal, whatever exit code it asks for.
STRUCK = """
import signal
from eureka_agent import cli

def app():
    exec("signal.raise_signal(signal.SIGINT)")

cli.app = app
cli.main()
"""


def test_an_interrupt_in_executed_text_has_the_exit_code_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "struck.py").write_text(STRUCK)
    done = subprocess.run(
        [sys.executable, "-m", "struck"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (INTERRUPTED, "")
