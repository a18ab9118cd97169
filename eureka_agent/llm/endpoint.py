"""Where the model is and how requests get there: address, key, headers, proxy, certificates.

All of it is checked before anything is sent, and no key leaves the client in any text.
"""

import importlib.util
import ipaddress
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from eureka_agent.common.errors import MissingError, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
HEADERS_VARIABLE = "OPENAI_CUSTOM_HEADERS"
OPENAI_HEADERS = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
OPENAI_URL = "https://api.openai.com/v1"
AZURE = "Give Azure's own compatible address, https://RESOURCE.openai.azure.com/openai/v1"
COMPLETIONS_PATH = "/chat/completions"
"""What the openai package puts behind the address of the API."""

_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def find_url(base_url: str) -> str:
    """The address of the API: the one given, else that of OPENAI_BASE_URL, else OpenAI's.

    Raises:
        UsageError: it is no web address, or it holds a password or a query.
    """
    source = url_source(base_url)
    given = (base_url or os.environ.get(URL_VARIABLE, "") or OPENAI_URL).strip()
    url = given.rstrip("/").removesuffix(COMPLETIONS_PATH).rstrip("/")
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


def withheld_headers(url: str) -> set[str]:
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
    environments = (
        os.environ.get(URL_VARIABLE, "").strip().rstrip("/").removesuffix(COMPLETIONS_PATH)
    )
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


FILE_VARIABLE = "SSL_CERT_FILE"
FOLDER_VARIABLE = "SSL_CERT_DIR"
BYPASS_VARIABLE = "NO_PROXY"

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # how OpenSSL looks certificates up in a folder


@dataclass(frozen=True)
class Route:
    """The way to a server.

    Attributes:
        certificates: what to trust; True is what the machine trusts.
        proxy: the address of the proxy, which may hold a password; "" for none.
        variable: what names the proxy.
    """

    certificates: ssl.SSLContext | bool
    proxy: str = field(default="", repr=False)
    variable: str = ""

    @property
    def shown_proxy(self) -> str:
        """The proxy's address without name and password."""
        return _shown(self.proxy)


def find_route(url: str) -> Route:
    """The way to the server at an address; addresses of this machine are reached directly.

    Raises:
        UsageError: an environment variable that matters holds what cannot be used.
        MissingError: a package is missing for the kind of proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    # Without https nothing is trusted, and nothing has to be read.
    trusted = _trusted() if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if is_loopback(host) or _is_bypassed(host, parts.netloc):
        return Route(trusted)
    proxies = getproxies()
    named = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not named:
        return Route(trusted)
    variable = _variable(parts.scheme, named)
    return Route(trusted, _checked(named, variable, host), variable)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # such as 127.1
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def bypassing(host: str) -> str:
    """How to go around a proxy."""
    return f"{BYPASS_VARIABLE}={host}"


def _is_bypassed(host: str, netloc: str) -> bool:
    if proxy_bypass(netloc) or proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in (os.environ.get("no_proxy") or os.environ.get(BYPASS_VARIABLE, "")).split(","):
        try:
            if address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name
    return False


def _variable(scheme: str, value: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next(
        (name for name in names if os.environ.get(name, "").strip() == value),
        "the system's settings",
    )


def _checked(named: str, variable: str, host: str) -> str:
    """The address of a proxy, once it is one.

    Raises:
        UsageError: it is none.
        MissingError: it is one that needs another package.
    """
    address = named if "://" in named else f"http://{named}"
    around = f"unset {variable}, or go around it with {bypassing(host)}."
    try:
        parts = urlsplit(address)
        _ = parts.port  # reading it checks it
        sound = bool(parts.hostname) and address.isprintable() and address.isascii()
    except ValueError:
        raise UsageError(
            f"{variable} holds no address of a proxy.", f"Correct or {around}"
        ) from None
    if parts.scheme.startswith("socks") and parts.scheme not in ("socks5", "socks5h"):
        raise UsageError(
            f"{variable} names a proxy by {parts.scheme}://, which is not known here.",
            f"If it speaks SOCKS 5, write socks5:// there. Or {around}",
        )
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise MissingError(
            f"{variable} names a SOCKS proxy, for which the package socksio is missing.",
            f"Install it with: pip install socksio. Or {around}",
        )
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not sound:
        raise UsageError(
            f"{variable} holds {_shown(address)!r}, which is no address of a proxy.",
            f"Correct or {around}",
        )
    return address


def _trusted() -> ssl.SSLContext | bool:
    """What the environment says to trust; True where it says nothing.

    Raises:
        UsageError: it names no certificates.
    """
    file, folder = os.environ.get(FILE_VARIABLE, ""), os.environ.get(FOLDER_VARIABLE, "")
    if not file and not folder:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ValueError) as error:
            why = "holds no certificates" if Path(file).is_file() else "cannot be read"
            if isinstance(error, PermissionError):
                why = "may not be read"
            raise UsageError(
                f"{FILE_VARIABLE} names {file!r}, which {why}.",
                f"Set it to a file of certificates in PEM format, or unset {FILE_VARIABLE}.",
            ) from None
    if folder:
        parts = [Path(part) for part in folder.split(os.pathsep) if part]
        if not any(_holds_certificates(part) for part in parts):
            raise UsageError(
                f"{FOLDER_VARIABLE} names {folder!r}, which holds no certificates that can be "
                "looked up.",
                f"Run `openssl rehash` in that folder, or unset {FOLDER_VARIABLE}.",
            )
        for part in parts:
            context.load_verify_locations(capath=part)
    return context


def _holds_certificates(folder: Path) -> bool:
    try:
        return any(_HASHED.fullmatch(entry.name) for entry in folder.iterdir())
    except OSError:
        return False


def _shown(address: str) -> str:
    """An address without name and password."""
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


LINE_LIMIT = 300  # characters
TEXT_LIMIT = 400_000  # bytes of UTF-8
# People give local servers keys such as "x", which protect nothing and stand in every reply.
SHORTEST_SECRET = 8  # characters
HIDDEN = "[key]"
KEY_SHAPE = re.compile(r"\bsk-[\w*-]{8,}")


class Redactor:
    """Takes secrets out of all text that leaves the client.

    Args:
        key: the API key in use. Whatever else looks like an OpenAI key is taken out too.
    """

    def __init__(self, key: str) -> None:
        self._key = key if len(key) >= SHORTEST_SECRET else ""

    def line(self, text: str) -> str:
        """The text as one printable line of at most 300 characters, for a person to read."""
        printable = "".join(char if char.isprintable() else " " for char in text)
        line = self._hide(" ".join(printable.split()))
        return line if len(line) <= LINE_LIMIT else line[: LINE_LIMIT - 1] + "…"

    def text(self, text: str) -> str:
        """The text, at most 400 kB of valid UTF-8; what is beyond is cut off."""
        # JSON may carry halves of surrogate pairs, which no file and no database takes.
        encoded = self._hide(text).encode("utf-8", "replace")
        return encoded[:TEXT_LIMIT].decode("utf-8", "ignore")

    def _hide(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, HIDDEN)
        return KEY_SHAPE.sub(HIDDEN, text)
