"""A judge that dies of its work, or that says what cannot be."""

import os

import numpy as np

from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter, serve


def opened(request: Message, reporter: Reporter) -> Message:
    return Message("opened")


def judge(request: Message, reporter: Reporter) -> Message:
    if request.fields["episodes"] == 1:
        os._exit(9)
    return Message("judged", {}, {"fitness": np.full((1, 2), np.nan)})


serve({"open": opened, "judge": judge})
