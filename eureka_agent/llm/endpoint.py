"""Where the model is and how requests get there: address, key, headers, proxy, certificates.

All of it is checked before anything is sent, and no key leaves the client in any text. The HTTP
package would read the environment by itself, for every address alike, and raise whatever it finds
there. Here only the variables that matter for one address are read, and errors name the variable.
"""

import importlib.util
import ipaddress
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.common.text import shortened, terminal_line

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
HEADERS_VARIABLE = "OPENAI_CUSTOM_HEADERS"
OPENAI_HEADERS = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
OPENAI_URL = "https://api.openai.com/v1"
AZURE = "Give Azure's own compatible address, https://RESOURCE.openai.azure.com/openai/v1"
COMPLETIONS_PATH = "/chat/completions"
"""Appended by the openai package to the address of the API."""
FILE_VARIABLE, FOLDER_VARIABLE = "SSL_CERT_FILE", "SSL_CERT_DIR"
BYPASS_VARIABLE = "NO_PROXY"

LINE_LIMIT = 300  # characters
TEXT_LIMIT = 400_000  # bytes of UTF-8
# People give local servers keys such as "x", which protect nothing and occur in every reply.
SHORTEST_SECRET = 8  # characters
HIDDEN = "[key]"
_KEY_SHAPE = re.compile(r"\bsk-[\w*-]{8,}")
_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # names by which OpenSSL finds certificates in a folder


class Redactor:
    """Takes secrets out of all text that leaves the client.

    Args:
        key: the API key in use. Anything else that looks like an OpenAI key is taken out too.
    """

    def __init__(self, key: str) -> None:
        self._key = key if len(key) >= SHORTEST_SECRET else ""

    def line(self, text: str) -> str:
        """The text as one printable line of at most 300 characters, for a person to read."""
        # Twice: cleaning may cut a key in two, and may join the parts of a disguised one.
        return shortened(self._hide(terminal_line(self._hide(text))), LINE_LIMIT)

    def text(self, text: str) -> str:
        """At most 400 kB of the text as valid UTF-8; the rest is cut off."""
        # JSON may carry halves of surrogate pairs, which no file and no database takes.
        encoded = self._hide(text).encode("utf-8", "replace")
        return encoded[:TEXT_LIMIT].decode("utf-8", "ignore")

    def _hide(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, HIDDEN)
        return _KEY_SHAPE.sub(HIDDEN, text)


@dataclass(frozen=True)
class Route:
    """The way to a server.

    Attributes:
        certificates: what to trust; True is what the machine trusts.
        proxy: the address of the proxy, which may hold a password; "" for none.
        variable: the environment variable that names the proxy.
    """

    certificates: ssl.SSLContext | bool
    proxy: str = field(default="", repr=False)
    variable: str = ""

    @property
    def shown_proxy(self) -> str:
        """The proxy's address without name and password."""
        return _without_login(self.proxy)


@dataclass(frozen=True)
class Endpoint:
    """A model server, checked before anything is sent.

    Attributes:
        url: the address of the API.
        source: the option or environment variable that gives the address.
        key: the API key; "" for a server that wants none.
        withheld: names of headers that must not be sent there.
        route: how requests get there.
    """

    url: str
    source: str
    key: str = field(repr=False)
    withheld: frozenset[str]
    route: Route

    @classmethod
    def find(cls, base_url: str, api_key: str | None) -> Self:
        """The server that the options name, else the environment, else OpenAI's.

        Args:
            base_url: the address of the API; may be "".
            api_key: None for the key in OPENAI_API_KEY.

        Raises:
            UsageError: the address, key, a header, the proxy or the certificates cannot be used.
            MissingError: OpenAI wants a key and there is none, or the proxy needs another package.
        """
        named = not base_url and os.environ.get(URL_VARIABLE)
        url = find_url(base_url)
        return cls(
            url=url,
            source=URL_VARIABLE if named else "--base-url",
            key=find_key(api_key, url),
            withheld=withheld_headers(url),
            route=find_route(url),
        )

    @property
    def redactor(self) -> Redactor:
        """Takes this server's key out of texts."""
        return Redactor(self.key)


def find_url(base_url: str) -> str:
    """The address of the API: the one given, else that of OPENAI_BASE_URL, else OpenAI's.

    Raises:
        UsageError: it is not a web address, or it holds a password or a query.
    """
    source = URL_VARIABLE if not base_url and os.environ.get(URL_VARIABLE) else "--base-url"
    url = _api_address(base_url or os.environ.get(URL_VARIABLE, "") or OPENAI_URL)
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
        host = parts.hostname or ""
        ascii_host = host.encode("idna").decode("ascii")
    except ValueError:
        raise _not_an_address(url, source) from None
    if "@" in parts.netloc:
        raise UsageError(
            f"The address of the model's server holds a name or password before {host}.",
            f"Leave it out of {source}, as a run stores its address; a key goes into "
            f"{KEY_VARIABLE}.",
        )
    if "?" in url or "#" in url:  # the openai package would put the path of its requests behind it
        raise UsageError(
            f"The address of the model's server at {host} continues after a ? or #.",
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
    if parts.scheme not in ("http", "https") or not host or odd:
        raise _not_an_address(url, source)
    return url


def is_openai(url: str) -> bool:
    """Whether an address is OpenAI's own."""
    host = urlsplit(url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def find_key(api_key: str | None, url: str) -> str:
    """The key given, else that of OPENAI_API_KEY; "" where there is none and none is needed.

    Raises:
        MissingError: there is none, and OpenAI wants one.
        UsageError: it holds a character that no key holds and no request can carry.
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


def withheld_headers(url: str) -> frozenset[str]:
    """Headers that the openai package would take from the environment, but must not send there.

    Organisation and project are for OpenAI alone. A person's own headers go to the environment's
    own address; another address may be a stranger's.

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
    meant = is_openai(url) or url == _api_address(os.environ.get(URL_VARIABLE, ""))
    for line in os.environ.get(HEADERS_VARIABLE, "").split("\n"):
        name, colon, value = line.partition(":")
        if colon and not meant:
            found.add(name.strip())
        elif colon and not (_HEADER_NAME.fullmatch(name.strip()) and _is_plain(value.strip())):
            raise UsageError(
                f"{HEADERS_VARIABLE} holds a line that is not a header.",
                f"Write lines of the form NAME: VALUE in ASCII, or unset {HEADERS_VARIABLE}.",
            )
    return frozenset(found)


def find_route(url: str) -> Route:
    """The way to the server at an address; addresses of this machine are reached directly.

    Raises:
        UsageError: an environment variable that matters holds a value that cannot be used.
        MissingError: a package is missing for the kind of proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    # Without https nothing is trusted, and no certificates have to be read.
    trusted = _trusted() if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if is_loopback(host) or _is_bypassed(host, parts.netloc):
        return Route(trusted)
    proxies = getproxies()
    named = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not named:
        return Route(trusted)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    holds = (name for name in names if os.environ.get(name, "").strip() == named)
    variable = next(holds, "the system's settings")
    return Route(trusted, _checked_proxy(named, variable, host), variable)


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
    """The setting that reaches a host without the proxy."""
    return f"{BYPASS_VARIABLE}={host}"


def _api_address(text: str) -> str:
    return text.strip().rstrip("/").removesuffix(COMPLETIONS_PATH).rstrip("/")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _not_an_address(url: str, source: str) -> UsageError:
    shown = url.rpartition("@")[2].partition("?")[0]  # a password or a key may stand around it
    example = "http://127.0.0.1:8000/v1"
    if re.fullmatch(r"[\w.-]+(:\d+)?(/[\w./-]*)?", shown, re.ASCII):  # only the scheme is missing
        local = ":" in shown or shown.startswith(("localhost", "127."))
        if local or "." in shown:
            scheme, path = "http" if local else "https", "" if "/" in shown else "/v1"
            example = f"{scheme}://{shown}{path}"
    return UsageError(
        f"{shown!r} is not the address of a model's server.",
        f"Give one such as {example} with {source}.",
    )


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


def _checked_proxy(named: str, variable: str, host: str) -> str:
    """The address of a proxy; an error if it is none, or needs a package that is missing."""
    address = named if "://" in named else f"http://{named}"
    around = f"unset {variable}, or go around it with {bypassing(host)}."
    try:
        parts = urlsplit(address)
        _ = parts.port  # reading it checks it
        sound = bool(parts.hostname) and _is_plain(address)
    except ValueError:
        raise UsageError(
            f"{variable} does not hold the address of a proxy.", f"Correct or {around}"
        ) from None
    if parts.scheme.startswith("socks"):
        if parts.scheme not in ("socks5", "socks5h"):
            raise UsageError(
                f"{variable} names a proxy by {parts.scheme}://, which is not known here.",
                f"If it speaks SOCKS 5, write socks5:// there. Or {around}",
            )
        if importlib.util.find_spec("socksio") is None:
            raise MissingError(
                f"{variable} names a SOCKS proxy, for which the package socksio is missing.",
                f"Install it with: pip install socksio. Or {around}",
            )
    elif parts.scheme not in ("http", "https"):
        sound = False
    if not sound:
        raise UsageError(
            f"{variable} holds {_without_login(address)!r}, which is not the address of a proxy.",
            f"Correct or {around}",
        )
    return address


def _trusted() -> ssl.SSLContext | bool:
    """The certificates that the environment names, which must exist; True where it names none."""
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


def _without_login(address: str) -> str:
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
