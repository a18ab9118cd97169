"""A scripted model server on this machine: tests replace a model here, at the HTTP boundary.

    with Loopback(lambda received: "Hello.") as server:
        client = Client(ModelSettings(model="any", base_url=server.url))

The script is a function from what was received to an answer; `sequence` makes one from a list. It
runs in a thread of its own for each request.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Literal, Self

PATH = "/v1/chat/completions"


@dataclass
class Received:
    """A request: its messages, its whole body, and its headers by their names in lowercase."""

    messages: list[dict[str, Any]]
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True)
class Completion:
    """A model's answer.

    Attributes:
        text: the content; None and a list of parts are sent as they are.
        usage: the token counts; "words" counts words instead, None sends none.
        finish_reason: why the model stopped.
        reasoning: sent in the field `reasoning_content`, where there is any.
        model: the model's name.
        refusal: sent in the field `refusal`, where there is any.
        tool_calls: sent in the field of that name, where there are any.
    """

    text: str | list[Any] | None
    usage: dict[str, Any] | Literal["words"] | None = "words"
    finish_reason: str | None = "stop"
    reasoning: str = ""
    model: str = "loopback-1"
    refusal: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()

    def document(self, received: Received) -> dict[str, Any]:
        """The body to send."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.refusal:
            message["refusal"] = self.refusal
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        document = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        }
        if self.usage == "words":
            asked = sum(len(str(one.get("content")).split()) for one in received.messages)
            said = len(str(self.text).split())
            counts = {"prompt_tokens": asked, "completion_tokens": said}
            return {**document, "usage": {**counts, "total_tokens": asked + said}}
        return document if self.usage is None else {**document, "usage": self.usage}


@dataclass(frozen=True)
class Status:
    """A failure with an HTTP status, in the shape of OpenAI's errors."""

    code: int
    message: str = "It failed."
    headers: dict[str, str] = field(default_factory=dict)
    error_code: str | None = None
    param: str | None = None

    def document(self) -> dict[str, Any]:
        """The body to send."""
        error = {"message": self.message, "type": None, "param": self.param}
        return {"error": {**error, "code": self.error_code}}


@dataclass(frozen=True)
class Raw:
    """A body that is sent as it is."""

    body: bytes
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer."""


@dataclass(frozen=True)
class Late:
    """Another answer, after some seconds, or at once when the server closes."""

    seconds: float
    then: "Answer | str"


Answer = Completion | Status | Raw | Drop | Late
Script = Callable[[Received], Answer | str]


def sequence(answers: Sequence[Answer | str]) -> Script:
    """A script that goes through a list, in the order of arrival, and repeats the last answer."""
    rest = list(answers)
    lock = threading.Lock()

    def answer(received: Received) -> Answer | str:
        with lock:
            return rest.pop(0) if len(rest) > 1 else rest[0]

    return answer


class Loopback:
    """A server that answers `POST /v1/chat/completions` by a script, while its `with` block runs.

    A script that raises is answered by status 418, which no client tries again, and what it raised
    comes out of the block.

    Args:
        answer: the script; a plain string is a completion.

    Attributes:
        received: what was asked, in the order of arrival.
    """

    def __init__(self, answer: Script, server: type["_Server"] | None = None) -> None:
        self.received: list[Received] = []
        self._answer = answer
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._problems: list[Exception] = []
        self._server = (server or _Server)(("127.0.0.1", 0), self._handler())
        # Looks often whether it should stop: this is how long closing takes.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The address of the API, which ends in /v1."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, at: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()  # joins the threads of the requests
        if self._problems and error is None:
            raise self._problems[0]

    def respond(self, received: Received) -> Answer:
        """Note a request and choose the answer, waited for if it is late."""
        with self._lock:
            self.received.append(received)
        try:
            answer = self._answer(received)
        except Exception as problem:
            self._problems.append(problem)
            answer = Status(418, f"The script raised {problem!r}.")
        while isinstance(answer, Late):
            self._closing.wait(answer.seconds)
            answer = answer.then
        return Completion(answer) if isinstance(answer, str) else answer

    def _handler(self) -> type["_Handler"]:
        return type("Handler", (_Handler,), {"loopback": self})


class _Server(ThreadingMixIn, TCPServer):
    """Knows its open connections, so that it can end those on which nothing happens any more."""

    request_queue_size = 128
    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: tests make them do so."""


class _KeepingOpen(_Server):
    """Serves one connection after the other, each until the client closes it."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        TCPServer.process_request(self, request, client_address)


def single_threaded(answer: Script) -> Loopback:
    """A server with one thread, which keeps connections open."""
    return Loopback(answer, _KeepingOpen)


class _Handler(BaseHTTPRequestHandler):
    loopback: Loopback  # set by the server's own subclass
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != PATH:
            self._send(Status(404, f"There is no {self.path} here."), Received([], {}, {}))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(body["messages"], body, headers)
        self._send(self.loopback.respond(received), received)

    def _send(self, answer: Answer, received: Received) -> None:
        if isinstance(answer, Drop):
            return
        status, headers = 200, {}
        if isinstance(answer, Status):
            status, headers = answer.code, answer.headers
            body = json.dumps(answer.document()).encode()
        elif isinstance(answer, Completion):
            body = json.dumps(answer.document(received)).encode()
        else:
            assert isinstance(answer, Raw)
            status, headers, body = answer.code, answer.headers, answer.body
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing to the terminal."""
