"""Tests share the machine, and keep nothing where a user does.

Compute threads that wait sleep, which is decided before torch loads.
"""

import os
import tempfile

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["described_tasks"]
_STATE = tempfile.TemporaryDirectory(prefix="eureka-agent-tests-", ignore_cleanup_errors=True)
if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker has it from whoever started it
    os.environ["XDG_STATE_HOME"] = _STATE.name
