"""Explain a failed request: whether a retry may help, and what a person can do about it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from eureka_agent.llm.endpoint import COMPLETIONS_PATH, FILE_VARIABLE, Endpoint, bypassing
from eureka_agent.llm.error_patterns import (
    CROWDED,
    NO_SERVICE,
    RETRIED,
    WRONG,
    PermanentFailure,
    permanent_failure,
)
from eureka_agent.llm.messages import ModelDeclined, ModelRefused, ModelUnavailable
from eureka_agent.llm.response import FailedResponse, UnusableBody

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 600.0  # a person decides whether to wait longer
LONGEST_PLAN_S = 366 * 86400.0  # no server means a longer wait
LATER = "Resume the run later."
OWN_FAULT = "Resume the run later; if the server is your own, its log says more."


@dataclass(eq=False)
class TransientFailure(Exception):
    """Raised when a request failed in a way that may pass.

    Attributes:
        what: what happened, as the start of a sentence.
        detail: more about it in the words of the server or the network; may be "".
        asked_s: seconds that the server asks to wait.
        remedy: what to do if it does not pass.
        crowded: whether too many requests under way may be the cause.
        silent: whether no answer came in time.
        counts: whether it counts against the attempts after which a request is given up.
    """

    what: str
    detail: str = ""
    asked_s: float = 0.0
    remedy: str = LATER
    crowded: bool = False
    silent: bool = False
    counts: bool = True

    def __str__(self) -> str:
        return f"{self.what}{quoted(self.detail)}"


@dataclass(frozen=True)
class FailureExplainer:
    """Explains the failures of one server and model.

    Attributes:
        endpoint: the server.
        model: the model's name.
    """

    endpoint: Endpoint
    model: str

    def unreachable(self, error: "openai.APIConnectionError") -> TransientFailure | ModelRefused:
        """Explain a connection that failed before an answer was there."""
        causes = list(_causes(error))
        said = self._line(str(causes[1])) if len(causes) > 1 else ""
        # Known by their names: the package that they come from changes between versions of openai.
        kinds = {type(cause).__name__ for cause in causes}
        source, address = self.endpoint.source, self._address
        if "ProxyError" in kinds:
            what = f"The proxy that {self.endpoint.route.variable} names does not let us through"
            if re.search(r"\b50[234]\b", said):
                return TransientFailure(what, said, remedy=self._correct())
            return ModelRefused(f"{what}{quoted(said)}.", self._correct())
        if "ConnectError" not in kinds:
            return self._broke_off(said, kinds)
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return ModelRefused(
                f"The certificate of {address} is not trusted{quoted(said)}.",
                f"Set {FILE_VARIABLE} to a file with the certificate of its authority (no other "
                f"variable is read for it), or correct {source}.",
            )
        if "SSLError" in kinds or "[SSL" in said:
            return ModelRefused(
                f"{address} does not speak https{quoted(said)}.",
                f"If it is a plain server, give --base-url http{address[5:]}.",
                WRONG,
            )
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            remedy = f"Start the server there, or correct {source}; then resume the run."
            if self.endpoint.route.proxy:
                remedy = self._correct()
            return TransientFailure(f"No server listens at {self._next_stop}", remedy=remedy)
        if re.search(r"not known|nodename nor servname|No address associated", said):
            what = f"There is no host of that name: {self._next_stop}{quoted(said)}."
            return ModelRefused(what, self._correct(), WRONG)
        what = f"There is no connection to {self._next_stop}"
        return TransientFailure(what, said, remedy=self._check_network())

    def late(self, error: Exception, seconds: float) -> TransientFailure:
        """Explain that no answer, or not even a connection, was there in time."""
        if any(type(cause).__name__ == "ConnectTimeout" for cause in _causes(error)):
            what = f"There is no connection to {self._next_stop} in time"
            return TransientFailure(what, remedy=self._check_network(), crowded=True)
        return TransientFailure(
            f"The model's server gave no answer in {seconds:g} s",
            remedy="Resume the run later. If its answers take longer than that, start one with "
            "--set reply_timeout=SECONDS, or with fewer at once: --set concurrency=1.",
            silent=True,
        )

    def unusable(self, body: UnusableBody) -> TransientFailure | ModelRefused:
        """Explain a body that holds no reply and no error."""
        if body.passes:
            return TransientFailure(f"The model's server {body.happened}")
        remedy = body.remedy or NO_SERVICE.remedy.format(**self._names())
        return ModelRefused(
            f"The model's server at {self._address} {body.happened}.", remedy, WRONG
        )

    def response(
        self, failed: FailedResponse
    ) -> TransientFailure | ModelRefused | ModelUnavailable:
        """Explain an answer that is a failure."""
        status, said = failed.status, self._line(failed.said)
        shown = f" ({status})" if status else ""
        asked_s = requested_wait(failed.headers, failed.body)
        moved = 300 <= status < 400
        permanent = self._redirected(failed) if moved else permanent_failure(failed, asked_s)
        if permanent:
            names = self._names()
            what, remedy = permanent.what.format(**names), permanent.remedy.format(**names)
            message = f"The model's server at {self._address} {what}{shown}{quoted(said)}."
            kind = ModelDeclined if permanent.question else ModelRefused
            return kind(message, remedy, permanent.exit_code)
        if asked_s > LONGEST_WAIT_S:
            remedy = LATER
            if asked_s < LONGEST_PLAN_S:
                moment = datetime.fromtimestamp(datetime.now().timestamp() + asked_s)
                remedy = f"Resume the run after {moment:%Y-%m-%d %H:%M}."
            what = f"The model's server asks to wait long{shown}{quoted(said)}."
            return ModelUnavailable(what, remedy)
        happened = "sent an error in place of an answer"
        if status:
            happened = f"{RETRIED.get(status, 'failed')}{shown}"
        return TransientFailure(
            f"The model's server {happened}",
            said,
            asked_s,
            LATER if status in RETRIED else OWN_FAULT,
            crowded=status in CROWDED and "loading" not in failed.searched,
        )

    def _broke_off(self, said: str, kinds: set[str]) -> TransientFailure | ModelRefused:
        midway = "without sending complete" in said
        source = self.endpoint.source
        if "RemoteProtocolError" in kinds and not midway and "disconnected" not in said:
            return ModelRefused(
                f"The server at {self._address} does not speak http{quoted(said)}.",
                f"Correct {source}: some servers want https:// there.",
                WRONG,
            )
        if "DecodingError" in kinds:
            what = "The model's server sent an answer that cannot be unpacked"
            return TransientFailure(what, said)
        happened = "broke off in the middle of its answer"
        if not midway:
            happened = "closed the connection without an answer"
        return TransientFailure(
            f"The model's server {happened}",
            remedy=f"Resume the run later; if it happens each time, check {source} (https:// "
            "where it should be http://, or another program's port), and the server's log.",
        )

    def _redirected(self, failed: FailedResponse) -> PermanentFailure:
        here = f"{self.endpoint.url}{COMPLETIONS_PATH}"
        try:
            location = urljoin(here, failed.headers.get("location", "").strip())
        except ValueError:
            location = here
        if location == here:
            return PermanentFailure("redirects us to nowhere", NO_SERVICE.remedy)
        target = self._line(location.partition("?")[0]).replace("{", "{{").replace("}", "}}")
        remedy = f"Check {self.endpoint.source}: {target} may be a page to sign in."
        api = target.rstrip("/").removesuffix(COMPLETIONS_PATH)
        if api != target.rstrip("/"):
            remedy = f"Give --base-url {api}, if you trust it."
        return PermanentFailure(f"redirects us to {target}, where no key is sent unasked", remedy)

    def _line(self, text: str) -> str:
        return self.endpoint.redactor.line(text)

    @property
    def _address(self) -> str:
        return self._line(self.endpoint.url)

    @property
    def _next_stop(self) -> str:
        """The host that is connected to first: the proxy, where there is one."""
        route = self.endpoint.route
        if not route.proxy:
            return self._address
        return f"the proxy {self._line(route.shown_proxy)}, which {route.variable} names"

    def _names(self) -> dict[str, str]:
        """Values for the placeholders of `PermanentFailure`."""
        parts, variable = urlsplit(self.endpoint.url), self.endpoint.route.variable
        return {
            "model": self._line(self.model),
            "key": "refused the key" if self.endpoint.key else "wants a key",
            "address": self._address.removeprefix("http"),
            "source": self.endpoint.source,
            "suggestion": "" if parts.path else f": {self._address}/v1",
            "proxy": f", named by {variable}" if variable else "",
            "bypassing": bypassing(parts.hostname or ""),
        }

    def _check_network(self) -> str:
        named = self.endpoint.route.variable or self.endpoint.source
        return f"Check the network and {named}; then resume the run."

    def _correct(self) -> str:
        if not self.endpoint.route.proxy:
            return f"Correct {self.endpoint.source}; then resume the run."
        around = self._names()["bypassing"]
        return f"Correct or unset {self.endpoint.route.variable}, or go around it with {around}."


def quoted(said: str) -> str:
    """Somebody's words, as the end of a sentence."""
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
_MOST_LAYERS = 8  # of a body that are looked through


def requested_wait(headers: Mapping[str, str], body: object = None) -> float:
    """Seconds that the server asks to wait, at least 0.

    Args:
        headers: `retry-after-ms` in milliseconds, or `retry-after` in seconds or as an HTTP date.
        body: the answer as plain data, which counts where the headers are silent.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is None:
        seconds = _until(asked)
    if seconds is None:
        seconds = next(_wait_fields(body), None)
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


def _wait_fields(body: object, depth: int = 0) -> Iterator[float]:
    """Seconds in fields made for it, such as `retry_after: 20` or `retryDelay: "34s"`."""
    if depth > _MOST_LAYERS:
        return
    if isinstance(body, list):
        for entry in body:
            yield from _wait_fields(entry, depth + 1)
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        field = _FIELD.fullmatch(name)
        if not field:
            yield from _wait_fields(value, depth + 1)
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
