"""What a failed request means: try again later, or give up, and what a person can do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from eureka_agent.errors import MissingError, UsageError
from eureka_agent.llm.access import KEY_VARIABLE
from eureka_agent.llm.censor import Censor
from eureka_agent.llm.errors import ModelRefused, ModelUnavailable
from eureka_agent.llm.reading import words

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 600.0  # whether to wait longer is for a person to say
LAST_MOMENT = 250e9  # seconds since 1970; no calendar goes on much further
RETRIED = {
    408: "gave up waiting",
    409: "reports a conflict",
    429: "asks for fewer requests",
    503: "is overloaded",
    529: "is overloaded",
}
NO_CREDIT = "insufficient_quota"
LATER = "Resume the run later."


class Transient(Exception):
    """Raised when a request failed in a way that may pass.

    Args:
        what: what happened, as the start of a sentence.
        detail: more about it in the words of the server or the network; may be "".
        asked_s: seconds that the server asks to wait.
        remedy: what to do if it does not pass.
    """

    def __init__(
        self, what: str, detail: str = "", asked_s: float = 0.0, remedy: str = LATER
    ) -> None:
        super().__init__(f"{what}{_quoted(detail)}")
        self.what = what
        self.asked_s = asked_s
        self.remedy = remedy


@dataclass(frozen=True)
class Server:
    """The server and the model that are asked; makes sense of what fails there.

    Attributes:
        url: the address of the API.
        model: the model's name.
        has_key: whether a key is sent.
        censor: takes secrets out of what the server says.
    """

    url: str
    model: str
    has_key: bool
    censor: Censor

    @property
    def address(self) -> str:
        """The address as people see it."""
        return self.censor.line(self.url)

    def unreachable(self, error: "openai.APIConnectionError") -> Transient:
        """What a connection means that failed before an answer was there."""
        causes = list(_causes(error))
        # Known by its name: the package that it comes from changes between versions of openai.
        connecting = [cause for cause in causes if type(cause).__name__ == "ConnectError"]
        if not connecting:
            return Transient("The model's server closed the connection without an answer")
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            remedy = "Start the server there, or correct --base-url; then resume the run."
            return Transient(f"Nobody listens at {self.address}", remedy=remedy)
        what = f"There is no connection to {self.address}"
        remedy = "Check the network and --base-url; then resume the run."
        return Transient(what, self.censor.line(str(connecting[0])), remedy=remedy)

    def judge(self, error: "openai.APIStatusError") -> Transient | ModelRefused | ModelUnavailable:
        """What an answer means whose status is a failure."""
        status, said = error.status_code, self.censor.line(words(error.body))
        no_credit = status == 402 or NO_CREDIT in (error.code, error.type)
        if no_credit or not (status in RETRIED or status >= 500):
            return self._refused(status, said, no_credit)
        asked_s = asked_wait(error.response.headers)
        if asked_s <= LONGEST_WAIT_S:
            happened = RETRIED.get(status, "failed")
            return Transient(f"The model's server {happened} ({status})", said, asked_s)
        resume = datetime.fromtimestamp(min(datetime.now().timestamp() + asked_s, LAST_MOMENT))
        return ModelUnavailable(
            f"The model's server asks to wait long ({status}){_quoted(said)}.",
            f"Resume the run after {resume:%Y-%m-%d %H:%M}.",
        )

    def _refused(self, status: int, said: str, no_credit: bool) -> ModelRefused:
        what, remedy, exit_code = self._reason(status, no_credit)
        at = f"The model's server at {self.address}"
        return ModelRefused(f"{at} {what} ({status}){_quoted(said)}.", remedy, exit_code)

    def _reason(self, status: int, no_credit: bool) -> tuple[str, str, int]:
        """What the server did, what to do about it, and the exit code."""
        lacking, wrong = MissingError.exit_code, UsageError.exit_code
        model = self.censor.line(self.model)
        if no_credit:
            what = "says that the account has no credit left"
            remedy = f"Add credit, or set {KEY_VARIABLE} to another key; then resume the run."
            return what, remedy, lacking
        if status == 401:
            what = "refused the key" if self.has_key else "wants a key"
            remedy = f"Set the environment variable {KEY_VARIABLE} to a key that is valid there."
            return what, remedy, lacking
        if status == 403:
            what = f"does not let us use the model {model}"
            remedy = f"Set {KEY_VARIABLE} to a key that may, or name another model with --model."
            return what, remedy, lacking
        if status in (404, 405):
            what = f"does not know the model {model}, or is not such a server"
            return what, "Check --model, and --base-url, which mostly ends in /v1.", wrong
        what = f"refused a request to the model {model}"
        return what, "Change what it names, or name another model with --model.", wrong


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait, at least 0.

    Args:
        headers: `retry-after-ms` in milliseconds, or `retry-after` in seconds or as an HTTP date.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        return max(0.0, float(text))  # nan, which nothing exceeds, becomes 0
    except ValueError:
        return None


def _quoted(said: str) -> str:
    """What somebody says, to stand at the end of a sentence."""
    said = said.rstrip(". ")
    return f": {said}" if said else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
