"""Read a server's error: whether a retry can help, and which sizes in tokens it names.

One principle sorts failures. A *transient* one is changed by time alone: the server is busy,
loading, restarting, or broke off in the middle. A *permanent* one meets the same request again: its
key, model, address or content. A permanent failure ends the search at once, unless only the
question is at fault, which costs only its candidate. The words of a server count for more than its
status: routers pass failures on under another status, or under none.
"""

import re
from dataclasses import dataclass

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.llm.endpoint import AZURE, KEY_VARIABLE, OPENAI_HEADERS
from eureka_agent.llm.response import FailedResponse

LACKING, WRONG = MissingError.exit_code, UsageError.exit_code

RETRIED = {
    408: "gave up waiting",
    409: "reports a conflict",
    425: "is not ready",
    429: "asks for fewer requests",
    503: "is overloaded",
    529: "is overloaded",
}
"""Statuses that time changes, and what the server does; its own failures (5xx) are retried too."""
FOR_EVER = {404, 405, 501, 505, 511}
"""Statuses of a server that has no such thing, or of a network that lets no request through."""
CROWDED = {429, 503, 529}
"""Statuses that may mean that too many requests are under way at once."""
SPOKEN = {0, 400, 403, 404}
"""Statuses that servers use for everything, so that only the words show whether to retry."""
WRAPPED = {500, 502}
"""Statuses under which gateways pass on the refusals of others."""
LARGER_WINDOW = (
    "Serve the model with a larger window (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: --ctx-size, "
    "vLLM: --max-model-len) and resume the run, or start one that shows the model less: "
    "--set history=0, and --set context=signals where it is source."
)
"""Remedy for a question that does not fit."""


@dataclass(frozen=True)
class PermanentFailure:
    """Why a request will never be accepted.

    Attributes:
        what: the rest of a sentence that begins with the server's name.
        remedy: what to do.
        exit_code: of the command that ends with it.
        question: whether another question may be accepted.
    """

    what: str
    remedy: str
    exit_code: int = WRONG
    question: bool = False


FILTERED = PermanentFailure(
    "declined this question: a content filter refused it",
    "Word the task differently, change the filter, or name another model with --model.",
    LACKING,
    question=True,
)
TOO_LONG = PermanentFailure("refused a question as too long for it", LARGER_WINDOW, question=True)
TOO_LARGE = PermanentFailure(
    "refused a question as too large for it",
    "Let it take larger requests, or start a search that shows the model less: --set history=0.",
    question=True,
)
NO_CREDIT = PermanentFailure(
    "says that the account has no credit left",
    f"Add credit, or set {KEY_VARIABLE} to another key; then resume the run.",
    LACKING,
)
NO_MODEL = PermanentFailure(
    "does not know the model {model}",
    "Check --model, and that the server has it (Ollama: ollama pull {model}).",
)
NO_CHAT = PermanentFailure("cannot chat with the model {model}", "Name a chat model with --model.")
NO_MEMORY = PermanentFailure(
    "cannot run the model {model}",
    "Free memory where it runs, give it a smaller window, or name a smaller model with --model; "
    "the server's log says more.",
    LACKING,
)
NO_SERVICE = PermanentFailure(
    "offers no chat completions at that address",
    "Check {source}, which mostly ends in /v1{suggestion}, and --model.",
)
NO_KEY = PermanentFailure(
    "{key}", f"Set the environment variable {KEY_VARIABLE} to a key that is valid there.", LACKING
)
OTHER_ACCOUNT = PermanentFailure(
    "{key}, as it belongs to another organization or project",
    f"Unset {' and '.join(OPENAI_HEADERS)}, or set them to those of the key.",
    LACKING,
)
NOT_ALLOWED = PermanentFailure(
    "does not let us use the model {model}",
    f"Set {KEY_VARIABLE} to a key that may, change what the account allows, or name another model "
    "with --model.",
    LACKING,
)
KEPT_OUT = PermanentFailure(
    "or something before it does not let us in from here",
    "Ask from another network (a firewall, a proxy, a VPN or a country may be barred), or check "
    "{source}.",
    LACKING,
)
SIGN_IN = PermanentFailure(
    "cannot be reached: the network wants you to sign in first",
    "Sign in with a browser; then resume the run.",
    LACKING,
)
PROXY_LOGIN = PermanentFailure(
    "is behind a proxy that wants a name and a password{proxy}",
    "Put them into the proxy's address, http://NAME:PASSWORD@HOST:PORT, or go around it with "
    "{bypassing}.",
    LACKING,
)
NOT_PLAIN = PermanentFailure("speaks https only", "Give --base-url https{address}.")
STREAMS_ONLY = PermanentFailure(
    "answers such a request in a stream only, which is not read here",
    "Ask for shorter answers (--set reply_tokens=4000), switch the model's reasoning off at the "
    "server, or name another model with --model.",
)
VERSIONED = PermanentFailure(
    "wants the version of its API in the address", f"{AZURE}, with {{source}}."
)
REFUSED = PermanentFailure(
    "refused a request to the model {model}",
    "Change the setting that it names, or name another model with --model.",
)
BY_STATUS = {
    401: NO_KEY,
    402: NO_CREDIT,
    403: NOT_ALLOWED,
    404: NO_SERVICE,
    405: NO_SERVICE,
    407: PROXY_LOGIN,
    410: NO_MODEL,
    413: TOO_LARGE,
    501: NO_SERVICE,
    511: SIGN_IN,
}
"""Meanings of statuses that are not retried; any other is `REFUSED`."""
PROMPT_TOO_LONG = (
    r"\b(?:prompt|input|messages?|conversation)\b[a-z' ]{0,20}(?:too (?:long|large)|longer than)"
)
"""Words, in lowercase, of a server to which the question is too long, whatever the answer."""
BY_WORDS = {
    # Servers name what the account does not allow in the words of filters and of missing models.
    NOT_ALLOWED: r"no endpoints (found|available) (that )?match|must be verified|"
    r"(not|cannot|can't) (be )?(allowed to )?access (to )?(the )?model|key_model_access|"
    r"(does not|doesn't|do not|don't) have (access|permission)|"
    r"(organization|account) (has been|is|was) (disabled|deactivated|suspended|restricted)",
    FILTERED: r"content[ _-]?(filter|management|policy|exists risk)|moderation|flagged|"
    r"safety (system|filter|settings)|responsible ?ai|prohibited[ _]content|"
    r"data_?inspection|guardrail|prompt was (filtered|blocked)|blockreason|invalid_prompt|"
    r"usage polic|inappropriate content|high risk|敏感内容",
    NO_CREDIT: r"insufficient[ _](quota|balance|credit|funds)|billing|credit balance|"
    r"out of credits?|(no|more|enough|available|included) credits|exceeded your (current )?quota|"
    r"payment required|spending limit|account is not active|arrearage|usage limit|"
    r"budget (has been |was |is )?exceeded|budget_exceeded|余额不足|欠费",
    NO_CHAT: r"not a chat model|does(n't| not) support chat|only supported in v1/|"
    r"not supported in the v1/chat|embedding model",
    STREAMS_ONLY: r"only supports? stream|streaming is required|non-streaming|stream mode",
    NO_MEMORY: r"more (system )?memory|insufficient (system )?resources|"
    r"(failed|unable) to load (the )?model",
    NO_MODEL: r"model_not_(found|available|supported)|no such model|unknown model|valid model|"
    r"model.{0,80}(not found|not exist|isn't loaded|not loaded|not supported by|"
    r"decommissioned|deprecated|no longer|retired)|^model: \S|no models? (is )?loaded|"
    r"deployment.{0,60}not (exist|found)|no endpoints found for|non-serverless model|"
    r"no available channel|无可用渠道",
    TOO_LONG: PROMPT_TOO_LONG,
    OTHER_ACCOUNT: r"openai-(organization|project)|mismatched_(organization|project)",
    NO_KEY: r"api[ _-]?key.{0,30}(not valid|invalid|missing|incorrect|expired)|"
    r"\b(invalid|incorrect|missing|no)\b.{0,12}\b(api[ _-]?key|auth|credentials)\b|"
    r"unauthori[sz]ed|authenticationerror",
    VERSIONED: r"api-version",
    NO_SERVICE: r"unexpected endpoint|no route (matched|found|for)|cannot post|page not found|"
    r"invalid url|method not found|unknown (path|route|endpoint|url)|^not found\b",
    NOT_PLAIN: r"plain http request|http request to an https",
    KEPT_OUT: r"firewall|virtual network|rbac: access|cloudflare|just a moment|blocked by|"
    r"unsupported_country|(country|region|territory|location).{0,30}not supported",
}
"""Meanings of a server's words, whatever the status; the first pattern that matches counts."""
PASSED_ON = {
    *(NOT_ALLOWED, FILTERED, NO_CHAT, STREAMS_ONLY, NO_MEMORY, NO_MODEL, TOO_LONG, NO_KEY),
}
"""Refusals that gateways pass on as a failure of their own."""
_SOON = re.compile(
    r"rate.?limit|too many requests|overloaded|(is|still|currently) loading|try again later|"
    r"temporarily|has crashed"
)
"""Words of a refusal that may pass all the same."""
_WAITING = re.compile(rf"{_SOON.pattern}|unavailable|time[ds]?[ -]?out|not ready|try again")
"""Words of a server's own failure that may pass, whatever else it says."""
_RATE = re.compile(r"rate.?limit|per (minute|second|hour|day)|too many requests|slow down")
_STRICT_CREDIT = re.compile(r"insufficient[ _](quota|balance|credit|funds)|billing_")
_PASSES = re.compile(
    r"overload|rate.?limit|too many requests|busy|try again|temporar|timed? ?out|unavailable|"
    r"loading|starting|capacity|internal|upstream|provider|connection|server_error|no slot"
)
"""Words of an error without a status that may pass."""


def permanent_failure(failed: FailedResponse, asked_s: float) -> PermanentFailure | None:
    """Why a failure will not pass; None if it may.

    Args:
        failed: the failure.
        asked_s: seconds that the server asks to wait.
    """
    status, words = failed.status, failed.searched
    meant = next((meaning for meaning, said in BY_WORDS.items() if re.search(said, words)), None)
    if status in SPOKEN:
        passes = bool((_SOON if status else _PASSES).search(words))
    else:
        passes = status in RETRIED or (500 <= status < 600 and status not in FOR_EVER)
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


# In numbers only: "[1,8192]" is a range.
_THOUSANDS = re.compile(r"(?<![\[(]\d)(?<=\d)[,_](?=\d{3}(?!\d))")
_NUMBER = r"(\d+)"
# Each with the question's size and the window, or the window alone. The first that matches counts.
_PAIRS = (
    rf"{_NUMBER} \+ \d+ > {_NUMBER}",
    rf"prompt is too long: {_NUMBER} tokens > {_NUMBER}",
    rf"token count \({_NUMBER}\) exceeds the maximum number of tokens allowed \({_NUMBER}\)",
    rf"prompt contains {_NUMBER} tokens.{{0,60}}?{_NUMBER} maximum context length",
)
_GIVEN = rf"must (?:be <=|have (?:less than|at most)) {_NUMBER}(?: tokens)?\. given: {_NUMBER}"
_WINDOW = (
    rf"n_ctx\W+{_NUMBER}",
    rf"(?:context[ _](?:length|size|window|limit)|max_model_len)\D{{0,40}}?{_NUMBER}",
    rf"{_NUMBER}(?: tokens?)? (?:maximum |max )?context (?:length|window|size)",
)
_TOO_LARGE_REQUEST = rf"limit:? {_NUMBER}, (?:used:? \d+, )?requested:? {_NUMBER}"
_PROMPT = (
    rf"{_NUMBER}(?: tokens)? (?:in|of|from) (?:the |your )?(?:text )?(?:messages|prompt|input)",
    rf"{_NUMBER} `?(?:inputs?|prompt)`? tokens",
    rf"n_prompt_tokens\W+{_NUMBER}",
    rf"(?:prompt|request|input)\W+(?:contains |has |is |of )?{_NUMBER} tokens",
    rf"keep the first {_NUMBER} tokens",
)
_TOTAL = rf"requested (?:about |a total of )?(?:tokens \()?{_NUMBER}(?: tokens|\))"
_ANSWER = re.compile(
    r"max_?(completion|new|output)?_?tokens|num_predict|(completion|output) tokens"
)
_EXCLUSIVE = (
    rf"{_NUMBER} \(exclusive\)",
    rf"(?:less|smaller|lower|fewer) than[\W_]+{_NUMBER}",
    rf"(?<!\d )<\s*{_NUMBER}",
)
_MOST = (
    rf"\[\s*\d+\s*,\s*{_NUMBER}\s*\]",
    rf"(?:between|from|range)\W+\d+\W*(?:and|to|-|\.\.)\W*{_NUMBER}",
    rf"(?:at most|less than or equal to|no more than|up to|<=|≤|(?<=\d) >|\ble\b)\W+{_NUMBER}",
    rf"(?:exceeds?|exceeding|maximum|max|limit)(?: [a-z_`']+){{0,8}}[^\w-]{{1,4}}{_NUMBER}",
    rf"can only afford {_NUMBER}",
)
_TOO_MUCH = re.compile(
    r"too (?:large|big|high|long|many)|exceed|longer than|larger than|greater than|out of range"
)
_WHOLE = re.compile(r"context|max_model_len|total tokens")


@dataclass(frozen=True)
class Sizes:
    """Sizes in tokens that a refusal names; 0 for those that it does not name.

    Attributes:
        window: question and answer together have to fit into it.
        prompt: the size of the question.
        answer: the longest answer that may be asked for.
        too_much: whether a shorter answer may do, with or without a number.
    """

    window: int = 0
    prompt: int = 0
    answer: int = 0
    too_much: bool = False


def read_sizes(refusal: str, asked: int) -> Sizes:
    """Find the sizes in the words of a refusal.

    Args:
        refusal: all that the server says.
        asked: the length of the answer that the request asked for; 0 for none.
    """
    text = _THOUSANDS.sub("", refusal.lower().replace('\\"', '"'))
    if pair := _first(_PAIRS, text):
        prompt, window = map(int, pair.groups())
        return Sizes(window, prompt)
    if pair := re.search(_GIVEN, text):
        window, prompt = map(int, pair.groups())
        return Sizes(window, prompt)
    if pair := re.search(_TOO_LARGE_REQUEST, text):
        window, total = map(int, pair.groups())
        # Less than the limit is a matter of time: others used it up for now.
        return Sizes(window, max(1, total - asked)) if total > window else Sizes()
    if found := _first(_WINDOW, text):
        prompt, total = _first(_PROMPT, text), re.search(_TOTAL, text)
        if prompt:
            return Sizes(int(found[1]), int(prompt[1]))
        return Sizes(int(found[1]), max(1, int(total[1]) - asked) if total else 0)
    answer = _longest_answer(text, asked) if _ANSWER.search(text) else 0
    about = _ANSWER.search(text) or _WHOLE.search(text)
    complains = bool(about and _TOO_MUCH.search(text)) and not re.search(PROMPT_TOO_LONG, text)
    return Sizes(answer=answer, too_much=answer > 0 or complains)


def _longest_answer(text: str, asked: int) -> int:
    """The longest answer that may be asked for: less than what was asked for and refused."""
    for patterns, beyond in ((_EXCLUSIVE, 1), (_MOST, 0)):
        for found in (match for pattern in patterns for match in re.finditer(pattern, text)):
            if 0 < int(found[1]) - beyond < asked:
                return int(found[1]) - beyond
    return 0


def _first(patterns: tuple[str, ...], text: str) -> re.Match[str] | None:
    found = (re.search(pattern, text) for pattern in patterns)
    return next((match for match in found if match), None)
