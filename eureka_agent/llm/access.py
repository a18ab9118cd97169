"""Where the model is, with what key, and what else goes there: checked before anything is sent."""

import os
import re
from urllib.parse import urlsplit

from eureka_agent.common.errors import MissingError, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
HEADERS_VARIABLE = "OPENAI_CUSTOM_HEADERS"
OPENAI_HEADERS = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
OPENAI_URL = "https://api.openai.com/v1"
AZURE = "Give Azure's own compatible address, https://RESOURCE.openai.azure.com/openai/v1"
ENDPOINT = "/chat/completions"
"""What the openai package puts behind the address of the API."""

_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def find_url(base_url: str) -> str:
    """The address of the API: the one given, else that of OPENAI_BASE_URL, else OpenAI's.

    Raises:
        UsageError: it is no web address, or it holds a password or a query.
    """
    source = url_source(base_url)
    given = (base_url or os.environ.get(URL_VARIABLE, "") or OPENAI_URL).strip()
    url = given.rstrip("/").removesuffix(ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
        host = parts.hostname or ""
        ascii_host = host.encode("idna").decode("ascii")
    except ValueError:
        raise UsageError(*_no_address(url, source)) from None
    if "@" in parts.netloc:
        raise UsageError(
            f"The address of the model's server holds a name or password before {parts.hostname}.",
            f"Leave it out of {source}, as a run stores its address; a key goes into "
            f"{KEY_VARIABLE}.",
        )
    if "?" in url or "#" in url:  # the openai package would put the path of its requests behind it
        raise UsageError(
            f"The address of the model's server at {parts.hostname} goes on after a ? or #.",
            f"{AZURE}, with {source}."
            if "api-version" in url
            else f"Leave that out of {source}; a key goes into {KEY_VARIABLE}.",
        )
    if host != ascii_host:
        raise UsageError(
            f"The address of the model's server, {host}, is not in ASCII.",
            f"Write its name as {ascii_host} in {source}.",
        )
    odd = not url.isprintable() or any(character in url for character in " \"'`<>\\")
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        raise UsageError(*_no_address(url, source))
    return url


def url_source(base_url: str) -> str:
    """What names the address, for people who have to correct it."""
    return URL_VARIABLE if not base_url and os.environ.get(URL_VARIABLE) else "--base-url"


def is_openai(url: str) -> bool:
    """Whether an address is OpenAI's own."""
    host = urlsplit(url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def find_key(api_key: str | None, url: str) -> str:
    """The key given, else that of OPENAI_API_KEY; "" where there is none and none is needed.

    Raises:
        MissingError: there is none, and OpenAI wants one.
        UsageError: it holds what no key holds, and what no request could carry.
    """
    key = (os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key).strip()
    if not key and is_openai(url):
        raise MissingError(
            f"OpenAI wants a key, and the environment variable {KEY_VARIABLE} holds none.",
            "Set it to your key, or name another server with --base-url.",
        )
    if not _is_plain(key) or any(character in key for character in " \"'"):
        raise UsageError(
            f"The key in {KEY_VARIABLE} holds a space, a quote or a character that no key holds.",
            "Copy it again, whole and alone.",
        )
    return key


def held_back(url: str) -> set[str]:
    """Headers that the openai package would take from the environment, and that must not go there.

    Organisation and project are known to OpenAI alone. A person's own headers go where the
    environment's own address is; another address may be that of a stranger.

    Raises:
        UsageError: a header that is to go there cannot be sent.
    """
    found: set[str] = set()
    for variable, name in OPENAI_HEADERS.items():
        value = os.environ.get(variable, "")
        if not value or not is_openai(url):
            found.add(name)
        elif not _is_plain(value):
            raise UsageError(
                f"{variable} holds a character that no request can carry.",
                f"Set it to the plain id, or unset it (unset {variable}).",
            )
    environments = os.environ.get(URL_VARIABLE, "").strip().rstrip("/").removesuffix(ENDPOINT)
    meant = is_openai(url) or url == environments.rstrip("/")
    for line in os.environ.get(HEADERS_VARIABLE, "").split("\n"):
        name, colon, value = line.partition(":")
        if colon and not meant:
            found.add(name.strip())
        elif colon and not (_HEADER_NAME.fullmatch(name.strip()) and _is_plain(value.strip())):
            raise UsageError(
                f"{HEADERS_VARIABLE} holds a line that is no header of a request.",
                f"Write lines of the form NAME: VALUE in ASCII, or unset {HEADERS_VARIABLE}.",
            )
    return found


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _no_address(url: str, source: str) -> tuple[str, str]:
    shown = url.rpartition("@")[2].partition("?")[0]  # a password or a key may stand around it
    bare = re.fullmatch(r"[\w.-]+(:\d+)?(/[\w./-]*)?", shown, re.ASCII)
    missing = bare and ("." in shown or ":" in shown or shown.startswith("localhost"))
    local = ":" in shown or shown.startswith(("localhost", "127."))
    whole = f"http{'' if local else 's'}://{shown}{'' if '/' in shown else '/v1'}"
    example = whole if missing else "http://127.0.0.1:8000/v1"
    return (
        f"{shown!r} is not the address of a model's server.",
        f"Give one such as {example} with {source}.",
    )
