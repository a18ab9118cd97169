"""Opening a video in whatever this machine plays videos with."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread


def player() -> str | None:
    """The program that opens files here; None without a screen, as over ssh."""
    if sys.platform == "darwin":
        return shutil.which("open")
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if screen else None


def open_file(path: Path) -> bool:
    """Open a file on its own, so that it outlives the dashboard; false where nothing here can."""
    program = player()
    if program is None:
        return False
    # In a thread, which waits for the player to end, so that it leaves no dead process behind.
    Thread(target=_play, args=(program, path), daemon=True).start()
    return True


def _play(program: str, path: Path) -> None:
    null = subprocess.DEVNULL
    with suppress(OSError):
        subprocess.run(
            [program, str(path)],
            stdin=null,
            stdout=null,
            stderr=null,
            start_new_session=True,
            check=False,
        )
