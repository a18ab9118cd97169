"""Films of a search's winners, made by a low-priority process while the search continues."""

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from eureka_agent.common.paths import command
from eureka_agent.store import Run
from eureka_agent.store.folder import open_new

SECONDS = 10.0
"""Filmed part of an episode."""
FILM, LOG = "video.mp4", "video.log"
PATIENCE_S = 180.0
"""How long the end of a search waits for each film that is not done."""
LEAST_PRIORITY = 19
"""Niceness, so that no training run slows down; on a busy machine a film may make no progress."""


class WinnerFilms:
    """Films winners one at a time; a context manager of one search.

    A film goes into the candidate's folder as `video.mp4`, or `video.gif`. A film that fails
    becomes an event of the run: it never ends a search.

    Args:
        run: the run with the winners.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[int] = deque()
        self._seen: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._candidate = 0
        self._ending = False

    def record(self, candidate: int) -> None:
        """Film a candidate, now or as soon as the one before it is done; never waits."""
        if candidate not in self._seen and not self._films(candidate):
            self._seen.add(candidate)
            self._waiting.append(candidate)
        self._go_on()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._go_on()
            if kind is None and self._process is not None:
                self._finish()
        finally:
            self._stop()

    def _finish(self) -> None:
        """Make the films that are left, at normal priority, as no training run is left."""
        self._run.set_phase("films of the generations' winners are made")
        self._ending = True
        # A process cannot raise its own priority, so the film in progress begins again.
        self._stop()
        self._waiting.appendleft(self._candidate)
        self._go_on()
        while self._process is not None:
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                for candidate in (self._candidate, *self._waiting):
                    words = ("--candidate", str(candidate), "--video", "FILE")
                    remedy = command("play", self._run.path, *words)
                    said = f"no film, it took too long; make it with: {remedy}"
                    self._run.event("video", said, candidate)
                return
            self._go_on()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _films(self, candidate: int) -> list[Path]:
        folder = self._run.candidate_folder(candidate)
        return [p for p in (folder / FILM, (folder / FILM).with_suffix(".gif")) if p.is_file()]

    def _go_on(self) -> None:
        """Report a film that is done, and begin the next."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            self._report()
        while self._waiting and self._process is None:
            self._candidate = self._waiting.popleft()
            try:
                self._process = self._start(self._candidate)
            except OSError as error:
                self._run.event("video", f"no film: {error.strerror}", self._candidate)

    def _start(self, candidate: int) -> subprocess.Popen[bytes]:
        folder = self._run.candidate_folder(candidate)
        words = [
            *(sys.executable, "-m", "eureka_agent", "play", str(self._run.path)),
            *("--candidate", str(candidate), "--video", str(folder / FILM)),
            *("--seconds", f"{SECONDS:g}", "--trust"),  # the user of this search trusts its run
        ]
        with open_new(folder / LOG) as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
                start_new_session=True,  # Ctrl-C is for the search
            )
        if not self._ending:
            os.setpriority(os.PRIO_PROCESS, process.pid, LEAST_PRIORITY)
        return process

    def _report(self) -> None:
        """Record the result of a film in the run."""
        log = self._run.candidate_folder(self._candidate) / LOG
        made = self._films(self._candidate)
        if made:
            log.unlink(missing_ok=True)
            self._run.event("video", f"filmed: {made[0].name}", self._candidate)
            return
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        reason = (errors or lines[-1:] or ["its process was ended"])[0]
        self._run.event("video", f"no film: {reason.removeprefix('Error: ')}", self._candidate)
