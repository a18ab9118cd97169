"""A signal that stops the program ends it in order, with its exit code, wherever it strikes."""

import signal
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


def test_an_interrupt_in_executed_code_has_the_usual_exit_code(tmp_path: Path) -> None:
    (tmp_path / "struck.py").write_text(STRUCK)
    done = subprocess.run(
        [sys.executable, "-m", "struck"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (INTERRUPTED, "")


def test_an_interrupted_search_says_how_to_resume(tmp_path: Path) -> None:
    options = ["--runs", str(tmp_path / "runs"), "--plain"]
    sizes = ["--steps", "10000000", "--candidates", "1", "--generations", "1"]
    search = subprocess.Popen(
        [sys.executable, "-m", "eureka_agent", "search", "cartpole", *options, *sizes],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert search.stdout is not None
    begun = any("generation 0" in line for line in search.stdout)
    search.send_signal(signal.SIGTERM)
    said, _ = search.communicate(timeout=60)
    assert begun and "eureka-agent resume" in said
    assert search.returncode == INTERRUPTED
