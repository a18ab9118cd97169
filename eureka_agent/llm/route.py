"""How requests reach the server: which proxy they take, and which certificates they trust.

The HTTP package would read the environment by itself, for every address alike, and raise whatever
it finds there. Here only what matters for one address is read, and what is wrong is named.
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
