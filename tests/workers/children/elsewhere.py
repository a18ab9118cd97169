"""The self-test in other circumstances: as an ordinary user, or in a container."""

import errno
import os

from eureka_agent.workers import sandbox
from eureka_agent.workers.isolation import seccomp
from eureka_agent.workers.isolation.seccomp import Refusal
from eureka_agent.workers.isolation.syscalls import GROUPS, NUMBERS
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter, serve

NOBODY = 65534
LANDLOCK = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}


def ordinary(request: Message, reporter: Reporter) -> Message:
    os.chown(".", NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    return sandbox.try_stages(request, reporter)


def container(request: Message, reporter: Reporter) -> Message:
    """Under what a container's default filter refuses; an older one does not know Landlock."""
    refused = [Refusal(call, errno.EPERM) for call in GROUPS["system"]]
    if request.fields["old"]:
        NUMBERS[seccomp.machine()].update(LANDLOCK)
        refused += [Refusal(call, request.fields["error"]) for call in LANDLOCK]
    seccomp.install(seccomp.assemble(refused, seccomp.machine()))
    return sandbox.try_stages(request, reporter)


serve(ordinary, container)
