"""Whether the failure of a request is one for later or for never, by its words and its status.

One principle sorts them. *Later* is what time alone changes: a server that is busy, loading,
restarting, or broke off in the middle. *Never* is what the same request would meet again: its key,
model, address or content. A *never* ends the search at once, but for a question of its own fault,
which costs only its candidate. What a server says counts for more than its status: routers pass
failures on under another one, or under none.
"""

import re
from dataclasses import dataclass

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.llm.access import AZURE, KEY_VARIABLE, OPENAI_HEADERS
from eureka_agent.llm.limits import LARGER_WINDOW, PROMPT_TOO_LONG
from eureka_agent.llm.reading import Failed

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
FOR_EVER = {404, 405, 501, 505, 511}
"""Statuses of a server that has no such thing, or of a network that lets nobody through."""
CROWDED = {429, 503, 529}
"""Statuses by which a server may say that we ask too much at once."""
SPOKEN = {0, 400, 403, 404}
"""Statuses that servers use for everything, so that only their words tell what may pass."""
WRAPPED = {500, 502}
"""Failures of their own by which gateways pass on the refusals of others."""


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
TOO_LARGE = Never(
    "refused a question as too large for it",
    "Let it take larger requests, or start a search that shows the model less: --set history=0.",
    question=True,
)
NO_CREDIT = Never(
    "says that the account has no credit left",
    f"Add credit, or set {KEY_VARIABLE} to another key; then resume the run.",
    LACKING,
)
NO_MODEL = Never(
    "does not know the model {model}",
    "Check --model, and that the server has it (Ollama: ollama pull {model}).",
)
NO_CHAT = Never("cannot chat with the model {model}", "Name a chat model with --model.")
NO_STRENGTH = Never(
    "cannot run the model {model}",
    "Free memory where it runs, give it a smaller window, or name a smaller model with --model; "
    "the server's log says more.",
    LACKING,
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
OTHER_ACCOUNT = Never(
    "{key}, as it belongs to another organization or project",
    f"Unset {' and '.join(OPENAI_HEADERS)}, or set them to those of the key.",
    LACKING,
)
NOT_ALLOWED = Never(
    "does not let us use the model {model}",
    f"Set {KEY_VARIABLE} to a key that may, change what the account allows, or name another model "
    "with --model.",
    LACKING,
)
KEPT_OUT = Never(
    "or something before it does not let us in from here",
    "Ask from another network (a firewall, a proxy, a VPN or a country may be barred), or check "
    "{source}.",
    LACKING,
)
SIGN_IN = Never(
    "cannot be reached: the network wants you to sign in first",
    "Sign in with a browser; then resume the run.",
    LACKING,
)
NOT_PLAIN = Never("speaks https only", "Give --base-url https{address}.")
STREAMS_ONLY = Never(
    "answers such a request in a stream only, which is not read here",
    "Ask for shorter answers (--set reply_tokens=4000), switch the model's reasoning off at the "
    "server, or name another model with --model.",
)
VERSIONED = Never("wants the version of its API in the address", f"{AZURE}, with {{source}}.")
REFUSED = Never(
    "refused a request to the model {model}",
    "Change what it names, or name another model with --model.",
)
BY_STATUS = {
    401: NO_KEY,
    402: NO_CREDIT,
    403: NOT_ALLOWED,
    404: NO_SERVICE,
    405: NO_SERVICE,
    407: Never(
        "is behind a proxy that wants a name and a password{proxy}",
        "Put them into the proxy's address, http://NAME:PASSWORD@HOST:PORT, or go around it with "
        "{bypassing}.",
        LACKING,
    ),
    410: NO_MODEL,
    413: TOO_LARGE,
    501: NO_SERVICE,
    511: SIGN_IN,
}
"""What statuses mean that are not retried; any other is `REFUSED`."""
BY_WORDS = (
    # Servers name what the account does not allow in the words of filters and of missing models.
    (
        re.compile(
            r"no endpoints (found|available) (that )?match|must be verified|"
            r"(not|cannot|can't) (be )?(allowed to )?access (to )?(the )?model|key_model_access|"
            r"(does not|doesn't|do not|don't) have (access|permission)|"
            r"(organization|account) (has been|is|was) (disabled|deactivated|suspended|restricted)"
        ),
        NOT_ALLOWED,
    ),
    (
        re.compile(
            r"content[ _-]?(filter|management|policy|exists risk)|moderation|flagged|"
            r"safety (system|filter|settings)|responsible ?ai|prohibited[ _]content|"
            r"data_?inspection|guardrail|prompt was (filtered|blocked)|blockreason|invalid_prompt|"
            r"usage polic|inappropriate content|high risk|敏感内容"
        ),
        FILTERED,
    ),
    (
        re.compile(
            r"insufficient[ _](quota|balance|credit|funds)|billing|credit balance|out of credits?|"
            r"(no|more|enough|available|included) credits|exceeded your (current )?quota|"
            r"payment required|spending limit|account is not active|arrearage|usage limit|"
            r"budget (has been |was |is )?exceeded|budget_exceeded|余额不足|欠费"
        ),
        NO_CREDIT,
    ),
    (
        re.compile(
            r"not a chat model|does(n't| not) support chat|only supported in v1/|"
            r"not supported in the v1/chat|embedding model"
        ),
        NO_CHAT,
    ),
    (
        re.compile(r"only supports? stream|streaming is required|non-streaming|stream mode"),
        STREAMS_ONLY,
    ),
    (
        re.compile(
            r"more (system )?memory|insufficient (system )?resources|"
            r"(failed|unable) to load (the )?model"
        ),
        NO_STRENGTH,
    ),
    (
        re.compile(
            r"model_not_(found|available|supported)|no such model|unknown model|valid model|"
            r"model.{0,80}(not found|not exist|isn't loaded|not loaded|not supported by|"
            r"decommissioned|deprecated|no longer|retired)|^model: \S|no models? (is )?loaded|"
            r"deployment.{0,60}not (exist|found)|no endpoints found for|non-serverless model|"
            r"no available channel|无可用渠道"
        ),
        NO_MODEL,
    ),
    (PROMPT_TOO_LONG, TOO_LONG),
    (re.compile(r"openai-(organization|project)|mismatched_(organization|project)"), OTHER_ACCOUNT),
    (
        re.compile(
            r"api[ _-]?key.{0,30}(not valid|invalid|missing|incorrect|expired)|"
            r"\b(invalid|incorrect|missing|no)\b.{0,12}\b(api[ _-]?key|auth|credentials)\b|"
            r"unauthori[sz]ed|authenticationerror"
        ),
        NO_KEY,
    ),
    (re.compile(r"api-version"), VERSIONED),
    (
        re.compile(
            r"unexpected endpoint|no route (matched|found|for)|cannot post|page not found|"
            r"invalid url|method not found|unknown (path|route|endpoint|url)|^not found\b"
        ),
        NO_SERVICE,
    ),
    (re.compile(r"plain http request|http request to an https"), NOT_PLAIN),
    (
        re.compile(
            r"firewall|virtual network|rbac: access|cloudflare|just a moment|blocked by|"
            r"unsupported_country|(country|region|territory|location).{0,30}not supported"
        ),
        KEPT_OUT,
    ),
)
"""What a server's words mean, whatever the status; the first that they match."""
PASSED_ON = (
    NOT_ALLOWED,
    FILTERED,
    NO_CHAT,
    STREAMS_ONLY,
    NO_STRENGTH,
    NO_MODEL,
    TOO_LONG,
    NO_KEY,
)
"""What gateways pass on as a failure of their own."""
_SOON = re.compile(
    r"rate.?limit|too many requests|overloaded|(is|still|currently) loading|try again later|"
    r"temporarily|has crashed"
)
"""Words of a refusal by which it may pass all the same."""
_WAITING = re.compile(rf"{_SOON.pattern}|unavailable|time[ds]?[ -]?out|not ready|try again")
"""Words of a server's own failure by which it may pass, whatever else they say."""
_RATE = re.compile(r"rate.?limit|per (minute|second|hour|day)|too many requests|slow down")
_STRICT_CREDIT = re.compile(r"insufficient[ _](quota|balance|credit|funds)|billing_")
_PASSES = re.compile(
    r"overload|rate.?limit|too many requests|busy|try again|temporar|timed? ?out|unavailable|"
    r"loading|starting|capacity|internal|upstream|provider|connection|server_error|no slot"
)
"""Words of an error without a status by which it may pass."""


def never(failed: Failed, asked_s: float) -> Never | None:
    """Why a failure will not pass; None if it may.

    Args:
        failed: the failure.
        asked_s: seconds that the server asks to wait.
    """
    status, words = failed.status, failed.searched
    meant = next((meaning for pattern, meaning in BY_WORDS if pattern.search(words)), None)
    if status in SPOKEN:
        passes = bool((_SOON if status else _PASSES).search(words))
    else:
        passes = status in RETRIED or (status in OWN_FAILURES and status not in FOR_EVER)
    if not passes:
        if not meant and status == 403 and words.startswith("a web page"):
            return KEPT_OUT
        return meant or BY_STATUS.get(status) or (REFUSED if words else NO_SERVICE)
    if meant is NO_CREDIT:
        # Gemini, Groq and others speak of plan and billing where a minute's share is used up.
        share = asked_s > 0 or bool(_RATE.search(words))
        strict = bool(_STRICT_CREDIT.search(words))
        return NO_CREDIT if strict or (status in (0, 429) and not share) else None
    wrapped = status in WRAPPED and meant in PASSED_ON and not _WAITING.search(words)
    return meant if wrapped else None
