"""What the environment says of proxies, certificates and headers is used, or refused by name."""

import os
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.llm import ChatMessage, Client, ModelSettings
from eureka_agent.llm.endpoint import find_route, is_loopback, withheld_headers

REMOTE, OPENAI = "http://192.0.2.1:8000/v1", "https://api.openai.com/v1"
Setenv = pytest.MonkeyPatch


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
def test_what_no_proxy_names_is_reached_directly(
    entry: str, host: str, monkeypatch: Setenv
) -> None:
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
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
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


def test_a_proxy_is_asked_and_named_where_it_fails(ask: Any, monkeypatch: Setenv) -> None:
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
def test_certificates_that_are_none_are_refused_by_the_name_of_their_variable(
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


def test_https_at_a_plain_server_stops_at_once_with_the_right_address(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        outcome = ask(server, base_url=server.url.replace("http:", "https:"))
    assert "does not speak https" in outcome.error.message
    assert f"--base-url {server.url}" in outcome.error.remedy
    assert outcome.notices == []


def test_a_host_that_does_not_exist_stops_at_once(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        outcome = ask(server, base_url="http://no-such-host.invalid/v1")
    assert "no-such-host.invalid" in outcome.error.message
    assert "--base-url" in outcome.error.remedy


NAMES = {"OPENAI_ORG_ID": "openai-organization", "OPENAI_PROJECT_ID": "openai-project"}


@pytest.mark.parametrize("value", ["org-mine", "Forschungsgruppe Grün", "two\nlines", '"org"'])
def test_organisation_and_project_go_to_openai_alone(
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


def test_openai_and_the_environments_own_address_get_the_headers_meant_for_them(
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
