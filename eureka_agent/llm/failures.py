"""What a failed request means: try again later, or never, and what a person can do.

One principle sorts them. *Later* is what time alone changes: a server that is busy, loading,
restarting, or broke off in the middle. *Never* is what the same request would meet again: its key,
model, address or content. A *never* ends the search at once, but for a question of its own fault,
which costs only its candidate. What a server says counts for more than its status: routers pass
failures on under another one, or under none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from eureka_agent.errors import MissingError, UsageError
from eureka_agent.llm.access import ENDPOINT, KEY_VARIABLE
from eureka_agent.llm.censor import Censor
from eureka_agent.llm.errors import ModelDeclined, ModelRefused, ModelUnavailable
from eureka_agent.llm.limits import LARGER_WINDOW, PROMPT_TOO_LONG
from eureka_agent.llm.reading import Failed, UnusableBody
from eureka_agent.llm.route import FILE_VARIABLE, Route, bypassing
from eureka_agent.llm.waiting import asked_wait

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 600.0  # whether to wait longer is for a person to say
LAST_MOMENT = 250e9  # seconds since 1970; no calendar goes on much further
LATER = "Resume the run later."
LACKING, WRONG = MissingError.exit_code, UsageError.exit_code

RETRIED = {
    408: "gave up waiting",
    409: "reports a conflict",
    425: "is not ready",
    429: "asks for fewer requests",
    503: "is overloaded",
    529: "is overloaded",
}
"""Statuses that time changes, with what the server does; other failures of its own are too."""
OWN_FAILURES = range(500, 600)
NOT_OFFERED = {404, 405, 501, 505}
"""Statuses of a server that has no such thing, for ever."""
CROWDED = {429, 503, 529}
"""Statuses by which a server may say that we ask too much at once."""


@dataclass(frozen=True)
class Never:
    """Why a request will never be accepted.

    Attributes:
        what: the server does, after its name.
        remedy: what to do.
        exit_code: of the command that ends with it.
        question: whether another question may be accepted.
    """

    what: str
    remedy: str
    exit_code: int = WRONG
    question: bool = False


FILTERED = Never(
    "declined this question: a filter of contents refused it",
    "Word the task differently, change the filter, or name another model with --model.",
    LACKING,
    question=True,
)
TOO_LONG = Never("refused a question as too long for it", LARGER_WINDOW, question=True)
NO_CREDIT = Never(
    "says that the account has no credit left",
    f"Add credit, or set {KEY_VARIABLE} to another key; then resume the run.",
    LACKING,
)
NO_MODEL = Never(
    "does not know the model {model}",
    "Check --model, and that the server has it (Ollama: ollama pull {model}).",
)
NO_SERVICE = Never(
    "offers no chat completions at that address",
    "Check {source}, which mostly ends in /v1{suggestion}, and --model.",
)
NO_KEY = Never(
    "{key}",
    f"Set the environment variable {KEY_VARIABLE} to a key that is valid there.",
    LACKING,
)
NOT_PLAIN = Never("speaks https only", "Give --base-url https{address}.")
REFUSED = Never(
    "refused a request to the model {model}",
    "Change what it names, or name another model with --model.",
)
BY_STATUS = {
    401: NO_KEY,
    402: NO_CREDIT,
    403: Never(
        "does not let us use the model {model}",
        f"Set {KEY_VARIABLE} to a key that may, or name another model with --model.",
        LACKING,
    ),
    404: NO_SERVICE,
    405: NO_SERVICE,
    407: Never(
        "is behind a proxy that wants a name and a password{proxy}",
        "Put them into the proxy's address, http://NAME:PASSWORD@HOST:PORT, or go around it with "
        "{bypassing}.",
        LACKING,
    ),
    410: NO_MODEL,
    413: Never(
        "refused a question as too large for it",
        "Let it take larger requests, or start a search that shows the model less: "
        "--set history=0.",
        question=True,
    ),
    501: NO_SERVICE,
}
"""What statuses mean that are not retried; any other is `REFUSED`."""
BY_WORDS = (
    (
        re.compile(
            r"content[ _-]?(filter|management|policy|exists risk)|moderation|flagged|"
            r"safety (system|filter|settings)|responsible ?ai|prohibited[ _]content|"
            r"data_?inspection|guardrail|prompt was (filtered|blocked)|blockreason|invalid_prompt|"
            r"usage polic"
        ),
        FILTERED,
    ),
    (
        re.compile(
            r"insufficient[ _](quota|balance|credit|funds)|billing|credit balance|out of credits?|"
            r"(no|more|enough|available) credits|exceeded your (current )?quota|payment required|"
            r"spending limit|account is not active|arrearage|usage limit"
        ),
        NO_CREDIT,
    ),
    (
        re.compile(
            r"model_not_found|no such model|unknown model|invalid model|"
            r"model.{0,80}(not found|not exist|isn't loaded|not loaded|is not a valid)|"
            r"no models? (is )?loaded"
        ),
        NO_MODEL,
    ),
    (PROMPT_TOO_LONG, TOO_LONG),
    (
        re.compile(
            r"api[ _-]?key.{0,30}(not valid|invalid|missing|incorrect|expired)|"
            r"\b(invalid|incorrect|missing|no)\b.{0,12}\b(api[ _-]?key|auth|credentials)\b|"
            r"unauthori[sz]ed"
        ),
        NO_KEY,
    ),
    (
        re.compile(
            r"unexpected endpoint|no route|cannot post|page not found|invalid url|"
            r"unknown (path|route|endpoint|url)"
        ),
        NO_SERVICE,
    ),
    (re.compile(r"plain http request|http request to an https"), NOT_PLAIN),
)
"""What a server's words mean, whatever the status; the first that they match."""
_SOON = re.compile(
    r"rate.?limit|too many requests|overloaded|(is|still|currently) loading|try again later|"
    r"temporarily"
)
"""Words of a refusal by which it may pass all the same."""
_RATE = re.compile(r"rate.?limit|per (minute|second|hour|day)|too many requests|slow down")
_STRICT_CREDIT = re.compile(r"insufficient[ _](quota|balance|credit|funds)|billing_")
_PASSES = re.compile(
    r"overload|rate.?limit|too many requests|busy|try again|temporar|timed? ?out|unavailable|"
    r"loading|starting|capacity|internal|upstream|provider|connection|server_error|no slot"
)
"""Words of an error without a status by which it may pass."""


class Transient(Exception):
    """Raised when a request failed in a way that may pass.

    Args:
        what: what happened, as the start of a sentence.
        detail: more about it in the words of the server or the network; may be "".
        asked_s: seconds that the server asks to wait.
        remedy: what to do if it does not pass.
        crowded: whether it may be because several requests were under way.
        silent: whether no answer came in time.

    Attributes:
        counts: whether it is one of the failures after which a request is given up.
    """

    def __init__(
        self,
        what: str,
        detail: str = "",
        asked_s: float = 0.0,
        remedy: str = LATER,
        *,
        crowded: bool = False,
        silent: bool = False,
    ) -> None:
        super().__init__(f"{what}{quoted(detail)}")
        self.what = what
        self.asked_s = asked_s
        self.remedy = remedy
        self.crowded = crowded
        self.silent = silent
        self.counts = True


@dataclass(frozen=True)
class Server:
    """The server and the model that are asked; makes sense of what fails there.

    Attributes:
        url: the address of the API.
        source: what names the address: an option or an environment variable.
        model: the model's name.
        has_key: whether a key is sent.
        censor: takes secrets out of what the server says.
        route: how requests get there.
    """

    url: str
    source: str
    model: str
    has_key: bool
    censor: Censor
    route: Route

    @property
    def address(self) -> str:
        """The address as people see it."""
        return self.censor.line(self.url)

    def unreachable(
        self, error: "openai.APIConnectionError"
    ) -> Transient | ModelRefused | ModelUnavailable:
        """What a connection means that failed before an answer was there."""
        causes = list(_causes(error))
        said = self.censor.line(str(causes[1])) if len(causes) > 1 else ""
        # Known by their names: the package that they come from changes between versions of openai.
        kinds = {type(cause).__name__ for cause in causes}
        if "ProxyError" in kinds:
            return self._proxy_failed(said)
        if "ConnectError" not in kinds:
            return self._broke_off(said)
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return ModelRefused(
                f"The certificate of {self.address} is not trusted{quoted(said)}.",
                f"Set {FILE_VARIABLE} to a file with the certificate of its authority (no other "
                f"variable is read for it), or correct {self.source}.",
            )
        if "SSLError" in kinds or "[SSL" in said:
            return ModelRefused(
                f"{self.address} does not speak https{quoted(said)}.",
                f"If it is a plain server, give --base-url http{self.address[5:]}.",
                WRONG,
            )
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return self._nobody()
        if re.search(r"not known|nodename nor servname|No address associated", said):
            what = f"There is no host of that name: {self._next_stop}{quoted(said)}."
            return ModelRefused(what, self._correct(), WRONG)
        remedy = f"Check the network and {self._named}; then resume the run."
        return Transient(f"There is no connection to {self._next_stop}", said, remedy=remedy)

    def late(self, error: Exception, seconds: float) -> Transient:
        """What it means that no answer, or not even a connection, was there in time."""
        if any(type(cause).__name__ == "ConnectTimeout" for cause in _causes(error)):
            remedy = f"Check the network and {self._named}; then resume the run."
            what = f"There is no connection to {self._next_stop} in time"
            return Transient(what, remedy=remedy, crowded=True)
        return Transient(
            f"The model's server gave no answer in {seconds:g} s",
            remedy="Resume the run later. If its answers take longer than that, start one with "
            "--set reply_timeout=SECONDS, or with fewer at once: --set concurrency=1.",
            silent=True,
        )

    def unusable(self, body: UnusableBody) -> Transient | ModelRefused:
        """What a body means that holds no reply and no error."""
        if body.passes:
            return Transient(f"The model's server {body}")
        remedy = body.remedy or NO_SERVICE.remedy.format(**self._names())
        return ModelRefused(f"The model's server at {self.address} {body}.", remedy, WRONG)

    def judge(self, failed: Failed) -> Transient | ModelRefused | ModelUnavailable:
        """What an answer means that is a failure."""
        status, said = failed.status, self.censor.line(failed.said)
        shown = f" ({status})" if status else ""
        asked_s = asked_wait(failed.headers, failed.body)
        never = self._never(failed, asked_s)
        if never:
            what = never.what.format(**self._names())
            remedy = never.remedy.format(**self._names())
            message = f"The model's server at {self.address} {what}{shown}{quoted(said)}."
            kind = ModelDeclined if never.question else ModelRefused
            return kind(message, remedy, never.exit_code)
        if asked_s <= LONGEST_WAIT_S:
            happened = RETRIED.get(status, "failed")
            if not status:
                happened = "sent an error in place of an answer"
            what = f"The model's server {happened}{shown}"
            crowded = status in CROWDED and "loading" not in failed.searched
            return Transient(what, said, asked_s, crowded=crowded)
        resume = datetime.fromtimestamp(min(datetime.now().timestamp() + asked_s, LAST_MOMENT))
        return ModelUnavailable(
            f"The model's server asks to wait long{shown}{quoted(said)}.",
            f"Resume the run after {resume:%Y-%m-%d %H:%M}.",
        )

    def _never(self, failed: Failed, asked_s: float) -> Never | None:
        """Why a failure will not pass; None if it may."""
        status, words = failed.status, failed.searched
        if 300 <= status < 400:
            return self._redirected(failed)
        meant = next((never for pattern, never in BY_WORDS if pattern.search(words)), None)
        passes = status in RETRIED or (status in OWN_FAILURES and status not in NOT_OFFERED)
        if status in (0, 400, 403, 404):
            passes = bool((_SOON if status else _PASSES).search(words))
        if not passes:
            return meant or BY_STATUS.get(status, REFUSED)
        # What passes by its status ends only for want of credit: Gemini, Groq and others speak of
        # plan and billing where a minute's share is used up.
        share = asked_s > 0 or bool(_RATE.search(words))
        unpaid = status in (0, 429) and meant is NO_CREDIT
        return NO_CREDIT if unpaid and (_STRICT_CREDIT.search(words) or not share) else None

    def _redirected(self, failed: Failed) -> Never:
        location = urljoin(f"{self.url}{ENDPOINT}", failed.headers.get("location", ""))
        target = self.censor.line(location.partition("?")[0]).replace("{", "{{").replace("}", "}}")
        remedy = f"Check {self.source}: {target} may be a page to sign in."
        if target.rstrip("/").endswith(ENDPOINT):
            remedy = (
                f"Give --base-url {target.rstrip('/').removesuffix(ENDPOINT)}, if you trust it."
            )
        return Never(f"sends us on to {target}, where no key is sent unasked", remedy)

    def _names(self) -> dict[str, str]:
        host = self.url.partition("://")[2].partition("/")[0]
        path = self.url.partition("://")[2].partition("/")[2]
        via = self.route.variable
        return {
            "model": self.censor.line(self.model),
            "key": "refused the key" if self.has_key else "wants a key",
            "address": self.address.removeprefix("http"),
            "source": self.source,
            "suggestion": "" if path else f": {self.address}/v1",
            "proxy": f", named by {via}" if via else "",
            "bypassing": bypassing(host.rpartition(":")[0] or host),
        }

    @property
    def _named(self) -> str:
        """What names the host that is connected to first."""
        return self.route.variable or self.source

    @property
    def _next_stop(self) -> str:
        """The host that is connected to first: the proxy, where there is one."""
        if not self.route.proxy:
            return self.address
        proxy = self.censor.line(self.route.shown_proxy)
        return f"the proxy {proxy}, which {self.route.variable} names"

    def _correct(self) -> str:
        if not self.route.proxy:
            return f"Correct {self.source}; then resume the run."
        around = self._names()["bypassing"]
        return f"Correct or unset {self.route.variable}, or go around it with {around}."

    def _nobody(self) -> Transient:
        remedy = f"Start the server there, or correct {self.source}; then resume the run."
        if self.route.proxy:
            remedy = self._correct()
        return Transient(f"Nobody listens at {self._next_stop}", remedy=remedy)

    def _proxy_failed(self, said: str) -> Transient | ModelRefused:
        what = f"The proxy that {self.route.variable} names does not let us through"
        if re.search(r"\b50[234]\b", said):
            return Transient(what, said, remedy=self._correct())
        return ModelRefused(f"{what}{quoted(said)}.", self._correct())

    def _broke_off(self, said: str) -> Transient | ModelRefused:
        if re.search(r"illegal (status|header) line|illegal request|Unsupported HTTP", said, re.I):
            return ModelRefused(
                f"What listens at {self.address} does not speak http{quoted(said)}.",
                f"Correct {self.source}: some servers want https:// there.",
                WRONG,
            )
        return Transient("The model's server closed the connection without an answer")


def quoted(said: str) -> str:
    """What somebody says, to stand at the end of a sentence."""
    said = said.rstrip(". ")
    return f": {said}" if said else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
