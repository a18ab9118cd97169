"""Where the model is and with what key: checked before anything is sent or stored."""

import os
from urllib.parse import urlsplit

from eureka_agent.errors import MissingError, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
OPENAI_URL = "https://api.openai.com/v1"


def find_url(base_url: str) -> str:
    """The address of the API: the one given, else that of OPENAI_BASE_URL, else OpenAI's.

    Raises:
        UsageError: it is no web address, or it holds a password or a query.
    """
    url = (base_url or os.environ.get(URL_VARIABLE, "") or OPENAI_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        raise UsageError(*_no_address(url)) from None
    if "@" in parts.netloc:
        raise UsageError(
            f"The address of the model's server holds a name or password before {parts.hostname}.",
            f"Leave it out, as a run stores its address; a key goes into {KEY_VARIABLE}.",
        )
    if "?" in url or "#" in url:  # the openai package would put the path of its requests behind it
        raise UsageError(
            f"The address of the model's server at {parts.hostname} goes on after a ? or #.",
            f"Leave that out of --base-url; a key goes into {KEY_VARIABLE}.",
        )
    spaced = not url.isprintable() or " " in url
    if parts.scheme not in ("http", "https") or not parts.hostname or spaced:
        raise UsageError(*_no_address(url))
    return url


def find_key(api_key: str | None, url: str) -> str:
    """The key given, else that of OPENAI_API_KEY; "" where there is none and none is needed.

    Raises:
        MissingError: there is none, and OpenAI wants one.
        UsageError: it holds what no key holds, and what no request could carry.
    """
    key = (os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key).strip()
    if not key and url == OPENAI_URL:
        raise MissingError(
            f"OpenAI wants a key, and the environment variable {KEY_VARIABLE} holds none.",
            "Set it to your key, or name another server with --base-url.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"The key in {KEY_VARIABLE} holds a space or a character that no key holds.",
            "Copy it again, whole and alone.",
        )
    return key


def _no_address(url: str) -> tuple[str, str]:
    shown = url.rpartition("@")[2].partition("?")[0]  # a password or a key may stand around it
    return (
        f"{shown!r} is not the address of a model's server.",
        "Give one such as http://127.0.0.1:8000/v1 with --base-url.",
    )
