"""What a failed request means for who sent it, and what a person can do about it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from eureka_agent.common.errors import UsageError
from eureka_agent.llm.endpoint import COMPLETIONS_PATH, FILE_VARIABLE, Redactor, Route, bypassing
from eureka_agent.llm.error_patterns import (
    CROWDED,
    NO_SERVICE,
    RETRIED,
    PermanentFailure,
    permanent_failure,
)
from eureka_agent.llm.messages import ModelDeclined, ModelRefused, ModelUnavailable
from eureka_agent.llm.response import FailedResponse, UnusableBody

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 600.0  # whether to wait longer is for a person to say
LONGEST_PLAN_S = 366 * 86400.0  # a wait beyond it is no date that anybody means
LATER = "Resume the run later."
OWN_FAULT = "Resume the run later; if the server is your own, its log says more."
WRONG = UsageError.exit_code


class TransientFailure(Exception):
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
    censor: Redactor
    route: Route

    @property
    def address(self) -> str:
        """The address as people see it."""
        return self.censor.line(self.url)

    def unreachable(
        self, error: "openai.APIConnectionError"
    ) -> TransientFailure | ModelRefused | ModelUnavailable:
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
        return TransientFailure(f"There is no connection to {self._next_stop}", said, remedy=remedy)

    def late(self, error: Exception, seconds: float) -> TransientFailure:
        """What it means that no answer, or not even a connection, was there in time."""
        if any(type(cause).__name__ == "ConnectTimeout" for cause in _causes(error)):
            remedy = f"Check the network and {self._named}; then resume the run."
            what = f"There is no connection to {self._next_stop} in time"
            return TransientFailure(what, remedy=remedy, crowded=True)
        return TransientFailure(
            f"The model's server gave no answer in {seconds:g} s",
            remedy="Resume the run later. If its answers take longer than that, start one with "
            "--set reply_timeout=SECONDS, or with fewer at once: --set concurrency=1.",
            silent=True,
        )

    def unusable(self, body: UnusableBody) -> TransientFailure | ModelRefused:
        """What a body means that holds no reply and no error."""
        if body.passes:
            return TransientFailure(f"The model's server {body}")
        remedy = body.remedy or NO_SERVICE.remedy.format(**self._names())
        return ModelRefused(f"The model's server at {self.address} {body}.", remedy, WRONG)

    def judge(self, failed: FailedResponse) -> TransientFailure | ModelRefused | ModelUnavailable:
        """What an answer means that is a failure."""
        status, said = failed.status, self.censor.line(failed.said)
        shown = f" ({status})" if status else ""
        asked_s = asked_wait(failed.headers, failed.body)
        moved = 300 <= status < 400
        meaning = self._redirected(failed) if moved else permanent_failure(failed, asked_s)
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
            return TransientFailure(what, said, asked_s, remedy, crowded=crowded)
        remedy = LATER
        if asked_s < LONGEST_PLAN_S:
            moment = datetime.fromtimestamp(datetime.now().timestamp() + asked_s)
            remedy = f"Resume the run after {moment:%Y-%m-%d %H:%M}."
        return ModelUnavailable(
            f"The model's server asks to wait long{shown}{quoted(said)}.", remedy
        )

    def _redirected(self, failed: FailedResponse) -> PermanentFailure:
        here = f"{self.url}{COMPLETIONS_PATH}"
        try:
            location = urljoin(here, failed.headers.get("location", "").strip())
        except ValueError:
            location = here
        if location == here:
            return PermanentFailure("sends us on to nowhere", NO_SERVICE.remedy)
        target = self.censor.line(location.partition("?")[0]).replace("{", "{{").replace("}", "}}")
        remedy = f"Check {self.source}: {target} may be a page to sign in."
        if target.rstrip("/").endswith(COMPLETIONS_PATH):
            remedy = f"Give --base-url {target.rstrip('/').removesuffix(COMPLETIONS_PATH)}, if you trust it."
        return PermanentFailure(f"sends us on to {target}, where no key is sent unasked", remedy)

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

    def _nobody(self) -> TransientFailure:
        remedy = f"Start the server there, or correct {self.source}; then resume the run."
        if self.route.proxy:
            remedy = self._correct()
        return TransientFailure(f"Nobody listens at {self._next_stop}", remedy=remedy)

    def _proxy_failed(self, said: str) -> TransientFailure | ModelRefused:
        what = f"The proxy that {self.route.variable} names does not let us through"
        if re.search(r"\b50[234]\b", said):
            return TransientFailure(what, said, remedy=self._correct())
        return ModelRefused(f"{what}{quoted(said)}.", self._correct())

    def _broke_off(self, said: str, kinds: set[str]) -> TransientFailure | ModelRefused:
        midway = "without sending complete" in said
        lost = midway or "disconnected" in said
        if "RemoteProtocolError" in kinds and not lost:
            return ModelRefused(
                f"What listens at {self.address} does not speak http{quoted(said)}.",
                f"Correct {self.source}: some servers want https:// there.",
                WRONG,
            )
        if "DecodingError" in kinds:
            return TransientFailure(
                "The model's server sent an answer that cannot be unpacked", said
            )
        return TransientFailure(
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


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"(ms|s|m|h|d)(?:ec(?:ond)?s?|in(?:ute)?s?|rs?|ours?|ays?)?(?![a-z])"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}", re.IGNORECASE)
_DURATION = rf"((?:\d+(?:\.\d+)?\s*{_UNIT.replace('(ms', '(?:ms')}[\s,]*)+)"
_SENTENCE = re.compile(
    rf"(?:try again|retry|retrying|wait|available|reset)[a-z ]*(?: in| after| for)? {_DURATION}",
    re.IGNORECASE,
)
_FIELD = re.compile(r"retry[-_]?(?:after|delay|in)(?:[-_]?(ms|seconds|s))?", re.IGNORECASE)
LAYERS = 8  # of a body that are looked through


def asked_wait(headers: Mapping[str, str], body: object = None) -> float:
    """Seconds that the server asks to wait, at least 0.

    Args:
        headers: `retry-after-ms` in milliseconds, or `retry-after` in seconds or as an HTTP date.
        body: what it said, as plain data: looked at where the headers say nothing.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is None:
        seconds = _until(asked)
    if seconds is None:
        seconds = next(_fields(body), None)
    if seconds is None:
        sentence = _SENTENCE.search(json.dumps(body, ensure_ascii=False))
        seconds = _duration(sentence[1]) if sentence else None
    return seconds or 0.0


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _fields(body: object, depth: int = 0) -> Iterator[float]:
    """What fields say that are made for it, such as `retry_after: 20` or `retryDelay: "34s"`."""
    if depth > LAYERS:
        return
    if isinstance(body, list):
        for entry in body:
            yield from _fields(entry, depth + 1)
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        field = _FIELD.fullmatch(name)
        if not field:
            yield from _fields(value, depth + 1)
            continue
        if isinstance(value, dict):
            value = value.get("seconds")
        seconds = _duration(value) if isinstance(value, str) else None
        if seconds is None and not isinstance(value, bool | dict | list):
            seconds = _number(str(value))
        if seconds is not None:
            yield seconds / 1000 if field[1] == "ms" else seconds


def _duration(text: str) -> float | None:
    """Seconds of a duration such as "7m12.5s" or "20 seconds"."""
    parts = _PART.findall(text)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts) if parts else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return 0.0 if math.isnan(number) else max(0.0, number)
