"""Runs made here are signed; the user is asked before one from elsewhere continues.

A run names code that runs with the user's rights and a server that gets the user's key. A file in
its folder signs all of that with a key that only this user has. So it may be moved and copied, but
a run that a stranger made or changed is recognised before anything of it is run or sent.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import data_folder
from eureka_agent.store.folder import open_plain, read_plain, write_atomically
from eureka_agent.store.rows import RunRow

SIGNATURE = "signature"
OWN_FITNESS = "fitness.py"
"""A run keeps a copy of the fitness under this name where it is the user's own."""
LARGEST_FITNESS = 1 << 20
KEY_BYTES = 32
# By name an environment comes from where the user installed or listed it.
_BY_NAME = re.compile(r"[\w.-]*\w|gymnasium:[\w./-]+")

Agrees = Callable[[str], bool]
"""Asks the user whether a run from elsewhere may do what these sentences say."""


def by_name(source: str) -> bool:
    """Whether an environment is named so that only what the user installed can be meant."""
    return _BY_NAME.fullmatch(source) is not None


def familiar(source: str) -> bool:
    """Whether an environment is one that the user installed or listed, by name or by its folder."""
    if by_name(source):
        return True
    listed = os.environ.get("EUREKA_ENVS", "").split(os.pathsep)
    roots = [data_folder("envs"), *(Path(part).expanduser() for part in listed if part)]
    return Path(source).resolve().parent in [root.resolve() for root in roots]


def sign(folder: Path, *rows: RunRow) -> None:
    """Sign a run as made here, in each of its states; without a place for the key, do nothing."""
    signatures = [signature for row in rows if (signature := _signature(folder, row))]
    if signatures:
        write_atomically(folder / SIGNATURE, "".join(f"{s}\n" for s in dict.fromkeys(signatures)))


def made_here(folder: Path, row: RunRow) -> bool:
    """Whether this user made the run, and what it would run or contact is unchanged since."""
    try:
        signed = read_plain(folder / SIGNATURE, 1024, folder).decode("ascii", "replace").split()
    except OSError:
        return False
    expected = _signature(folder, row)
    return any(hmac.compare_digest(expected.encode(), s.encode()) for s in signed if expected)


def demands(folder: Path, row: RunRow, *, environment: bool = True) -> list[str]:
    """What a run would use of the user's beyond computing time, each in a sentence.

    Args:
        folder: the run folder.
        row: the run's record.
        environment: whether the environment is the one that the run names.
    """
    found, source, config = [], row.environment_source, row.config
    if environment and source.startswith("gymnasium:") and not by_name(source):
        found.append(f"It imports the Python module in {source}, with your rights.")
    elif environment and not familiar(source) and os.path.lexists(Path(source, "env.py")):
        found.append(f"It runs the code in {source} (env.py, fitness.py), with your rights.")
    if os.path.lexists(folder / OWN_FITNESS):
        found.append(f"It runs the code in {folder / OWN_FITNESS}, with your rights.")
    if config.get("designer") == "openai":
        server = config.get("base_url") or "OpenAI, or wherever OPENAI_BASE_URL points"
        found.append(f"To continue, it sends requests with your OPENAI_API_KEY to {server}.")
    if config.get("sandbox") in ("off", "weak"):
        found.append(f"It keeps reward programs in with the sandbox policy {config['sandbox']}.")
    return found


def require_trust(
    folder: Path, row: RunRow, agrees: Agrees | None = None, *, environment: bool = True
) -> None:
    """Continue with a run that was made here, that demands nothing, or that the user agrees to.

    What the user agreed to once is signed and asked about no more.

    Raises:
        UsageError: the user does not agree, or cannot be asked.
    """
    if made_here(folder, row):
        return
    wanted = " ".join(demands(folder, row, environment=environment))
    if not wanted:
        return
    said = f"Run {folder.resolve().name} was not made here, or was changed by others. {wanted}"
    if agrees is None or not agrees(said):
        raise UsageError(said, "Look at it first; if you want all of this, add --trust.")
    if environment:
        with suppress(OSError):  # it may lie where nothing can be written; then it is asked again
            sign(folder, row)


def _signature(folder: Path, row: RunRow) -> str:
    """What signs a run as it is now; empty where no key can be kept."""
    key = _key()
    if key is None:
        return ""
    named = [row.environment, row.environment_source, row.goal, row.created, row.seed, row.config]
    digest = hmac.new(key, json.dumps(named, sort_keys=True).encode(), hashlib.sha256)
    if os.path.lexists(folder / OWN_FITNESS):
        try:
            fitness = read_plain(folder / OWN_FITNESS, LARGEST_FITNESS, folder)
        except OSError:
            return ""
        digest.update(hashlib.sha256(fitness).digest())
    return digest.hexdigest()


def _key() -> bytes | None:
    """The user's key, made at its first use; None if it can be kept nowhere."""
    state = Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"))
    if state.is_absolute():
        with suppress(OSError):
            return _kept(state / "eureka-agent")
    with suppress(OSError):
        return _kept(Path(tempfile.gettempdir(), f"eureka-agent-{os.geteuid()}"))
    return None


def _kept(folder: Path) -> bytes:
    """The key in a folder.

    Raises:
        OSError: it cannot be read or made, or others could.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(f"others may write to {folder}")
    path = folder / "key"
    if not path.exists():
        # Whole before it has its name, so that two processes that begin at once agree on one.
        draft = folder / secrets.token_hex(8)
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    with open_plain(path) as file:
        key, status = file.read(KEY_BYTES), os.fstat(file.fileno())
    if len(key) < KEY_BYTES or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise OSError(f"{path} is not a key that only this user has")
    return key
