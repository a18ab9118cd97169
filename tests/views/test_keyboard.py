"""What is typed while a view is drawn is not echoed into it, and everything typed after it is."""

import subprocess
import sys

import pytest

SPAWN = "import pty, sys; pty.spawn([sys.executable, '-c', sys.argv[1]])"
CODE = """
import termios
from contextlib import suppress
from eureka_agent.views.live import no_echo

def echo():
    return bool(termios.tcgetattr(0)[3] & termios.ECHO)

before = echo()
with suppress({error}), no_echo():
    inside = echo()
    {end}
print(before, inside, echo())
"""


@pytest.mark.parametrize(
    ("error", "end"), [("ValueError", "pass"), ("KeyboardInterrupt", "raise KeyboardInterrupt")]
)
def test_echo_is_off_inside_and_back_afterwards(error: str, end: str) -> None:
    code = CODE.format(error=error, end=end)
    done = subprocess.run(
        [sys.executable, "-c", SPAWN, code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False", "True"]


def test_without_a_terminal_nothing_happens() -> None:
    code = "from eureka_agent.views.live import no_echo\nwith no_echo(): print('done')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "done\n"
