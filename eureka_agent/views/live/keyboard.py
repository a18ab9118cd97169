"""The terminal's echo, which is off while a view is redrawn in place."""

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager

KEYBOARD = 0
"""The file descriptor of standard input."""
LOCAL_MODES = 3
"""Where `termios` keeps the modes of which echo is one."""


@contextmanager
def no_echo() -> Iterator[None]:
    """Keys typed meanwhile are not drawn into the view; Ctrl-C interrupts as ever.

    Nothing happens where standard input is no terminal, or one that another process has now.
    """
    if not _ours():
        yield
        return
    before = termios.tcgetattr(KEYBOARD)
    quiet = [*before]
    quiet[LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(KEYBOARD, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        if _ours():
            termios.tcsetattr(KEYBOARD, termios.TCSANOW, before)


def _ours() -> bool:
    """Whether the terminal listens to this process: one in the background would be stopped."""
    try:
        return os.tcgetpgrp(KEYBOARD) == os.getpgrp()
    except OSError:
        return False
