"""Sizes in tokens that a refusal names, in whatever words the server has for them."""

import re
from dataclasses import dataclass

LEAST_ROOM = 500
"""Tokens of an answer below which no program would fit."""
SPARE = 32
"""Tokens left free in a window: chat templates add some that nobody counts."""
LARGER_WINDOW = (
    "Serve the model with a larger window (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: --ctx-size, "
    "vLLM: --max-model-len) and resume the run, or start one that shows the model less: "
    "--set history=0, and --set context=signals where it is source."
)
"""What to do about a question that does not fit."""

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
PROMPT_TOO_LONG = re.compile(
    r"\b(?:prompt|input|messages?|conversation)\b[a-z' ]{0,20}(?:too (?:long|large)|longer than)"
)
"""Words, in lowercase, of a server to which the question is too long, whatever the answer."""


@dataclass(frozen=True)
class Sizes:
    """What a refusal says of sizes, in tokens; 0 for what it does not say.

    Attributes:
        window: what question and answer have to fit into together.
        prompt: the size of the question.
        answer: the longest answer that may be asked for.
        too_much: whether less of an answer may do, said in numbers or without.
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
    answer = _most(text, asked) if _ANSWER.search(text) else 0
    about = _ANSWER.search(text) or _WHOLE.search(text)
    complains = bool(about and _TOO_MUCH.search(text)) and not PROMPT_TOO_LONG.search(text)
    return Sizes(answer=answer, too_much=answer > 0 or complains)


def _most(text: str, asked: int) -> int:
    """The longest answer that may be asked for: less than what was asked for and refused."""
    for patterns, beyond in ((_EXCLUSIVE, 1), (_MOST, 0)):
        for pattern in patterns:
            for found in re.finditer(pattern, text):
                if 0 < int(found[1]) - beyond < asked:
                    return int(found[1]) - beyond
    return 0


def _first(patterns: tuple[str, ...], text: str) -> re.Match[str] | None:
    found = (re.search(pattern, text) for pattern in patterns)
    return next((match for match in found if match), None)
