"""What a failed request means for who sent it, and what a person can do about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from eureka_agent.common.errors import UsageError
from eureka_agent.llm.access import ENDPOINT
from eureka_agent.llm.censor import Censor
from eureka_agent.llm.errors import ModelDeclined, ModelRefused, ModelUnavailable
from eureka_agent.llm.meanings import CROWDED, NO_SERVICE, RETRIED, Never, never
from eureka_agent.llm.reading import Failed, UnusableBody
from eureka_agent.llm.route import FILE_VARIABLE, Route, bypassing
from eureka_agent.llm.waiting import asked_wait

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 600.0  # whether to wait longer is for a person to say
LONGEST_PLAN_S = 366 * 86400.0  # a wait beyond it is no date that anybody means
LATER = "Resume the run later."
OWN_FAULT = "Resume the run later; if the server is your own, its log says more."
WRONG = UsageError.exit_code


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
            return self._broke_off(said, kinds)
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
        moved = 300 <= status < 400
        meaning = self._redirected(failed) if moved else never(failed, asked_s)
        if meaning:
            what = meaning.what.format(**self._names())
            remedy = meaning.remedy.format(**self._names())
            message = f"The model's server at {self.address} {what}{shown}{quoted(said)}."
            kind = ModelDeclined if meaning.question else ModelRefused
            return kind(message, remedy, meaning.exit_code)
        if asked_s <= LONGEST_WAIT_S:
            happened = RETRIED.get(status, "failed")
            if not status:
                happened = "sent an error in place of an answer"
            what = f"The model's server {happened}{shown}"
            crowded = status in CROWDED and "loading" not in failed.searched
            remedy = LATER if status in RETRIED else OWN_FAULT
            return Transient(what, said, asked_s, remedy, crowded=crowded)
        remedy = LATER
        if asked_s < LONGEST_PLAN_S:
            moment = datetime.fromtimestamp(datetime.now().timestamp() + asked_s)
            remedy = f"Resume the run after {moment:%Y-%m-%d %H:%M}."
        return ModelUnavailable(
            f"The model's server asks to wait long{shown}{quoted(said)}.", remedy
        )

    def _redirected(self, failed: Failed) -> Never:
        here = f"{self.url}{ENDPOINT}"
        try:
            location = urljoin(here, failed.headers.get("location", "").strip())
        except ValueError:
            location = here
        if location == here:
            return Never("sends us on to nowhere", NO_SERVICE.remedy)
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

    def _broke_off(self, said: str, kinds: set[str]) -> Transient | ModelRefused:
        midway = "without sending complete" in said
        lost = midway or "disconnected" in said
        if "RemoteProtocolError" in kinds and not lost:
            return ModelRefused(
                f"What listens at {self.address} does not speak http{quoted(said)}.",
                f"Correct {self.source}: some servers want https:// there.",
                WRONG,
            )
        if "DecodingError" in kinds:
            return Transient("The model's server sent an answer that cannot be unpacked", said)
        return Transient(
            "The model's server broke off in the middle of its answer"
            if midway
            else "The model's server closed the connection without an answer",
            remedy=f"Resume the run later; if it happens each time, check {self.source} (https:// "
            "where it should be http://, or another program's port), and the server's log.",
        )


def quoted(said: str) -> str:
    """What somebody says, to stand at the end of a sentence."""
    said = said.rstrip(". ")
    return f": {said}" if said else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
