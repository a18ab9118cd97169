"""A worker that lies: the program's docstring says about what."""

import ast

from eureka_agent.common.errors import UsageError
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter, serve

lie = ""


def agree(request: Message, reporter: Reporter) -> Message:
    return Message({"open": "opened", "stop": "stopped"}[request.kind])


def load(request: Message, reporter: Reporter) -> Message:
    global lie
    lie = ast.get_docstring(ast.parse(request.fields["program"])) or ""
    return Message("loaded" if lie != "kind" else "unloaded")


def advance(request: Message, reporter: Reporter) -> Message:
    match lie:
        case "refusal":
            raise UsageError("I would rather not.")
        case "progress":
            reporter.heartbeat(done={"steps": "many"})
        case "report":
            return Message("advanced", {"reports": [{"lane": 10**9, "evicted": {}}]})
    return Message("advanced", {"reports": {"lane": 0}})


serve({"open": agree, "load": load, "advance": advance, "stop": agree})
