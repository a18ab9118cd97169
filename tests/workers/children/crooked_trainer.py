"""A trainer that lies: the program's docstring says about what."""

import ast

from eureka_agent.common.errors import UsageError
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve

lie = ""


def open(request: Message, reporter: Reporter) -> Message:
    return done({"layers": None})


def load(request: Message, reporter: Reporter) -> Message:
    global lie
    lie = ast.get_docstring(ast.parse(request.fields["program"])) or ""
    return done({"more": 1} if lie == "more" else {})


def advance(request: Message, reporter: Reporter) -> Message:
    match lie:
        case "refusal":
            raise UsageError("I would rather not.")
        case "progress":
            reporter.heartbeat(done={"steps": "many"})
        case "report":
            return done({"reports": [{"lane": 10**9, "evicted": {}}], "overflow": None})
    return done({"reports": {"lane": 0}, "overflow": None})


serve(open, load, advance)
