"""A judge that dies of its work."""

import os

from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve


def open(request: Message, reporter: Reporter) -> Message:
    return done()


def judge(request: Message, reporter: Reporter) -> Message:
    os._exit(9)


serve(open, judge)
