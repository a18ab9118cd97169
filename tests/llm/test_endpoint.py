"""Address, key, proxy, certificates and headers are used where they belong, or refused by name."""

import os
from pathlib import Path
from typing import Any

import pytest
from loopback import Completion, Loopback

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.llm import ChatMessage, Client, ModelSettings, Reply
from eureka_agent.llm.endpoint import find_route, is_loopback, withheld_headers

REMOTE, OPENAI = "http://192.0.2.1:8000/v1", "https://api.openai.com/v1"

HELLO = {"#0": [ChatMessage("system", "Be kind."), ChatMessage("user", "Hello?")]}

Setenv = pytest.MonkeyPatch


def test_openai_wants_a_key() -> None:
    with pytest.raises(MissingError, match=r"OPENAI_API_KEY.*--base-url"):
        Client(ModelSettings(model="tester"))


def test_the_environment_may_hold_the_key_and_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(lambda received: "Hello.") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-mine\n")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        Client(ModelSettings(model="tester")).complete(HELLO, lambda label, reply: None)
    assert server.received[0].headers["authorization"] == "Bearer key-of-mine"


def test_a_local_server_needs_no_key() -> None:
    replies: list[Reply] = []
    with Loopback(lambda received: Completion("Hello.")) as server:
        client = Client(ModelSettings(model="tester", base_url=server.url))
        client.complete(HELLO, lambda label, reply: replies.append(reply))
    assert replies[0].text == "Hello."


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http:///v1",
        "http://localhost:port/v1",
        "http://[::1/v1",
        "http://local host/v1",
        "model",
        "'http://localhost:8000/v1'",
        "file:///etc/passwd",
        "http://a..b/v1",
    ],
)
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"is not the address.*--base-url"):
        Client(ModelSettings(model="tester", base_url=address), api_key="key-of-mine")


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("localhost:11434", "http://localhost:11434/v1 "),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("http://höst.example/v1", "xn--hst-sna.example"),
        ("http://☃.example/v1", "xn--n3h.example"),
    ],
)
def test_the_refusal_of_an_address_suggests_the_right_one(
    address: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(UsageError) as refused:
        Client(ModelSettings(model="tester"), api_key="key-of-mine")
    assert cure in refused.value.remedy
    assert "OPENAI_BASE_URL" in refused.value.remedy


@pytest.mark.parametrize("tail", ["/", "/chat/completions", "/chat/completions/", "\n"])
def test_an_address_may_end_in_a_slash_or_the_path_of_completions(tail: str) -> None:
    with Loopback(lambda received: "Hello.") as server:
        settings = ModelSettings(model="tester", base_url=server.url + tail)
        Client(settings).complete(HELLO, lambda label, reply: None)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://me:secret@localhost/v1",
        "me:secret@localhost/v1",
        "http://me:secret@localhost:port/v1",
        "http://secret@localhost/v1",
        "http://localhost/v1?token=secret",
        "localhost/v1?token=secret",
        "http://localhost/v1#secret",
    ],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        Client(ModelSettings(model="tester", base_url=address), api_key="key-of-mine")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["sk-two words", "sk-línea", "sk-a\nb"])
def test_an_invalid_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as refused:
        Client(ModelSettings(model="tester", base_url="http://localhost/v1"), api_key=key)
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    ["localhost", "me.localhost", "127.8.9.1", "127.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"],
)
def test_this_machine_is_reached_directly(host: str, monkeypatch: Setenv) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://[broken")
    assert is_loopback(host)
    shown = f"[{host}]" if ":" in host else host
    assert find_route(f"http://{shown}:8000/v1").proxy == ""


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "128.0.0.1", "localhost.example.com"])
def test_other_machines_are_reached_through_the_proxy(host: str, monkeypatch: Setenv) -> None:
    monkeypatch.setenv("HTTP_PROXY", "me:word@proxy.example:3128")
    route = find_route(f"http://{host}:8000/v1")
    assert (route.proxy, route.variable) == ("http://me:word@proxy.example:3128", "HTTP_PROXY")
    assert route.shown_proxy == "http://proxy.example:3128"
    assert "word" not in repr(route)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("*", "example.com"),
        ("example.com", "models.example.com"),
        (".example.com", "models.example.com"),
        ("10.0.0.1", "10.0.0.1"),
        ("localhost, 10.0.0.0/8", "10.1.2.3"),
        ("example.com:8000", "example.com"),
        ("2001:db8::/32", "2001:db8::1"),
    ],
)
def test_hosts_in_no_proxy_are_reached_directly(entry: str, host: str, monkeypatch: Setenv) -> None:
    monkeypatch.setenv("all_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", entry)
    shown = f"[{host}]" if ":" in host else host
    assert find_route(f"http://{shown}:8000/v1").proxy == ""


@pytest.mark.parametrize(
    "value",
    [
        "socks://127.0.0.1:1080",
        "socks4://127.0.0.1:1080",
        "socks5://127.0.0.1:1080",
        "socks5h://me:secret@127.0.0.1:1080",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://",
        "ftp://127.0.0.1",
        "http://pröxy.example\x01",
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
def test_the_refusal_of_an_invalid_proxy_names_its_variable(
    variable: str, value: str, monkeypatch: Setenv
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv(variable, value)
    with pytest.raises(EurekaError) as refused:
        Client(ModelSettings(model="tester", base_url=REMOTE))
    assert variable in refused.value.message
    assert "NO_PROXY=192.0.2.1" in refused.value.remedy
    assert "secret" not in str(refused.value)
    if value.startswith("socks5"):
        assert isinstance(refused.value, MissingError)
        assert "pip install socksio" in refused.value.remedy


def test_a_proxy_is_used_and_named_if_it_fails(ask: Any, monkeypatch: Setenv) -> None:
    with Loopback(lambda received: "Hello.") as server:
        proxy = server.url.removesuffix("/v1")
        monkeypatch.setenv("http_proxy", proxy)
        said = str(ask(server, base_url=REMOTE).error)
        assert f"There is no {REMOTE}/chat/completions here" in said, "the proxy was asked"
        assert ask(server).replies["#0"].text == "Hello."
    error = ask(server, base_url=REMOTE, attempts=1).error
    assert f"No server listens at the proxy {proxy}, which http_proxy names" in error.message
    assert "NO_PROXY=192.0.2.1" in error.remedy


def unreadable(folder: Path) -> str:
    path = folder / "mine.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nno\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["nowhere", "garbage", "of another kind"])
def test_the_refusal_of_invalid_certificates_names_their_variable(
    variable: str, kind: str, tmp_path: Path, monkeypatch: Setenv
) -> None:
    file = variable == "SSL_CERT_FILE"
    garbage = unreadable(tmp_path) if file else str(tmp_path)
    other = str(tmp_path) if file else os.devnull
    value = {"nowhere": "/nowhere/mine.pem", "garbage": garbage, "of another kind": other}[kind]
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=variable) as refused:
        Client(ModelSettings(model="tester", base_url="https://192.0.2.1/v1"))
    assert f"unset {variable}" in refused.value.remedy
    with Loopback(lambda received: "Hello.") as server:  # for which no certificate is read
        Client(ModelSettings(model="tester", base_url=server.url)).complete(
            {"#0": [ChatMessage("user", "Hello?")]}, lambda label, reply: None
        )
    assert len(server.received) == 1


def test_https_at_a_plain_server_fails_at_once_and_suggests_http(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        outcome = ask(server, base_url=server.url.replace("http:", "https:"))
    assert "does not speak https" in outcome.error.message
    assert f"--base-url {server.url}" in outcome.error.remedy
    assert outcome.notices == []


def test_an_unknown_host_fails_at_once(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        outcome = ask(server, base_url="http://no-such-host.invalid/v1")
    assert "no-such-host.invalid" in outcome.error.message
    assert "--base-url" in outcome.error.remedy


NAMES = {"OPENAI_ORG_ID": "openai-organization", "OPENAI_PROJECT_ID": "openai-project"}


@pytest.mark.parametrize("value", ["org-mine", "Forschungsgruppe Grün", "two\nlines", '"org"'])
def test_organisation_and_project_are_sent_to_openai_only(
    value: str, ask: Any, monkeypatch: Setenv
) -> None:
    for variable in NAMES:
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Token: mine\nX-Öther: ü")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-secret")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec-secret")
    with Loopback(lambda received: "Hello.") as server:
        assert ask(server).replies["#0"].text == "Hello."
    sent = server.received[0].headers
    assert sent.keys().isdisjoint({*NAMES.values(), "x-token"})
    assert "secret" not in str(sent)
    if not value.isascii() or not value.isprintable():
        with pytest.raises(UsageError, match="OPENAI_ORG_ID"):
            withheld_headers(OPENAI)


def test_custom_headers_are_sent_to_openai_and_to_the_address_in_the_environment(
    ask: Any, monkeypatch: Setenv
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    assert withheld_headers(OPENAI) == withheld_headers("https://eu.api.openai.com/v1") == set()
    assert withheld_headers("https://api.openai.com.evil.example/v1") != set()
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Token: mine")
    with Loopback(lambda received: "Hello.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        ask(server, base_url="")
    assert server.received[0].headers["x-token"] == "mine"
    assert "openai-organization" not in server.received[0].headers
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Token: mïne")
    with pytest.raises(UsageError, match="OPENAI_CUSTOM_HEADERS"):
        withheld_headers(server.url)
