"""Findings: each with a configuration that has the fault, and one that does not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyhooks._dispatch.events import EVENTS
from proxyhooks.centrifugo.config.backend import Backend, ServedHook
from proxyhooks.centrifugo.config.checks import check
from proxyhooks.centrifugo.config.checks.keys import needs_restart
from proxyhooks.centrifugo.config.findings import FINDINGS, Finding
from proxyhooks.centrifugo.config.generate import ConfigOptions, generate
from proxyhooks.centrifugo.config.merge import merge_objects
from proxyhooks.centrifugo.config.reader import expand_variables, parse_duration, read_config

BASE = "http://127.0.0.1:8070"
ENVIRON = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"}
HOOKS = (("connect", None), ("refresh", None), ("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("rpc", "ping"))


def backend(*hooks: tuple[str, str | None], **more: Any) -> Backend:
    served = tuple(
        ServedHook(event=EVENTS[event], pattern=pattern, source_location="here") for event, pattern in hooks or HOOKS
    )
    given: dict[str, Any] = {"name": "proxyhooks", "url_prefix": "/centrifugo", "secrets": ("s3cret",)}
    return Backend(**(given | {"http_headers": ("Cookie",), "meta": True} | more), served=served)


BACKEND = backend()
GOOD = generate(BACKEND, ConfigOptions(base_url=BASE, allowed_origins=["https://a.example"])).config


def found(config: dict[str, Any], backend: Backend = BACKEND, **more: Any) -> list[Finding]:
    options: dict[str, Any] = {"environ": ENVIRON, "base_url": BASE, "server_timeout": 60}
    return check(config, backend, **(options | more))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good configuration with another value at a path; ``...`` removes it."""
    config: Any = copy.deepcopy(GOOD)
    inner = config
    *parents, last = path.split("/")
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner.setdefault(key, {})
    if value is ...:
        del inner[last]
    elif isinstance(inner, list):
        inner[int(last)] = value
    else:
        inner[last] = value
    result: dict[str, Any] = config
    return result


RPC, SUBSCRIBE, HEADERS = "rpc/proxy", "channel/proxy/subscribe", "rpc/proxy/http/static_headers"
CHAT = "channel/namespaces/0"
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("PH001", changed("channel/proxy/map_remove", {"endpoint": f"{BASE}/centrifugo/map_remove"})),
    ("PH002", changed("channel/without_namespace", {"subscribe_proxy_enabled": True})),
    (
        "PH002",
        merge_objects(
            copy.deepcopy(GOOD), {"channel": {"namespaces": [{"name": "news", "publish_proxy_enabled": True}]}}, ""
        ),
    ),
    ("PH003", changed("channel/namespaces", [])),
    ("PH004", changed(f"{CHAT}/subscribe_proxy_enabled", ...)),
    ("PH004", changed("client/proxy/connect/enabled", False)),
    ("PH004", changed("rpc/without_namespace", {})),
    ("PH005", changed(f"{RPC}/endpoint", f"{BASE}/centrifugo/publish")),
    ("PH005", changed(f"{RPC}/endpoint", f"{BASE}/rpc")),
    ("PH006", changed(f"{RPC}/endpoint", "http://other:8070/centrifugo/rpc")),
    ("PH006", changed(f"{RPC}/endpoint", "htp://127.0.0.1:8070/centrifugo/rpc")),
    ("PH007", changed(f"{RPC}/http", {})),
    ("PH008", changed(f"{HEADERS}/X-Proxyhooks-Secret", "wrong")),
    ("PH009", changed(f"{RPC}/http_headers", ["Cookie", "x-proxyhooks-secret"])),
    ("PH009", changed(f"{RPC}/emulated_headers", ["X-Proxyhooks-Secret"])),
    ("PH010", changed(f"{RPC}/timeout", 3)),
    ("PH010", changed(f"{RPC}/timeout", "3")),
    ("PH011", changed(f"{RPC}/timeout", "2m")),
    ("PH028", changed(f"{RPC}/timeout", "2999ms")),
    ("PH028", changed(f"{RPC}/timeout", ...)),
    ("PH012", changed("proxy_connect_endpoint", "http://x")),
    ("PH012", changed(f"{CHAT}/proxy_subscribe", True)),
    ("PH013", changed("clients", {})),
    ("PH013", changed(f"{CHAT}/subscribe_proxy_enable", True)),
    ("PH013", changed(f"{RPC}/static_headers", {})),
    (
        "PH014",
        changed(
            "client/proxy/refresh/http/status_to_code_transforms",
            [{"status_code": 500, "to_disconnect": {"code": 4000, "reason": "x"}}],
        ),
    ),
    (
        "PH014",
        changed(
            f"{RPC}/http/status_to_code_transforms", [{"status_code": 403, "to_error": {"code": 103, "message": "x"}}]
        ),
    ),
    ("PH015", changed("client/allowed_origins", [])),
    ("PH016", changed(f"{CHAT}/name", "c")),
    ("PH017", changed(f"{HEADERS}/X-Version", 3)),
    ("PH018", changed(f"{CHAT}/publish_proxy_name", "other")),
    ("PH018", changed("channel/proxy/publish", {})),
    ("PH019", changed(f"{RPC}/http_headers", ...)),
    ("PH020", changed(f"{RPC}/endpoint", "http://app.example.com/centrifugo/rpc")),
    ("PH020", changed(f"{RPC}/endpoint", "http://8.8.8.8/centrifugo/rpc")),
    ("PH021", changed("client/proxy/connect/http/static_headers/Idempotency-Key", ...)),
    ("PH022", changed(f"{CHAT}/map", {"publish_proxy_enabled": True})),
    ("PH023", changed("client/token", {"hmac_secret_key": "k"})),
    ("PH024", changed(f"{RPC}/include_connection_meta", ...)),
    ("PH025", changed(f"{HEADERS}/X-Proxyhooks-Secret", "${SECRET}")),
    ("PH025", changed("http_api", {"key": "${CENTRIFUGO_VAR_KEY}"})),
    ("PH026", changed(f"{HEADERS}/X-Proxyhooks-Secret", "${CENTRIFUGO_VAR_OTHER}")),
]


def test_what_was_generated_has_no_findings() -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize(("id_", "config"), FAULTS)
def test_faults_are_found(id_: str, config: dict[str, Any]) -> None:
    findings = [finding for finding in found(config) if finding.id == id_]
    assert findings, found(config)
    for finding in findings:
        assert finding.text
        assert finding.fix
        assert finding.path
        assert "s3cret" not in repr(finding)
        assert "wrong" not in finding.text


def test_every_finding_has_its_fault() -> None:
    assert {id_ for id_, _ in FAULTS} | {"PH027"} == FINDINGS.keys()


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, "x", "http://[::1", [], ["x"], {}, {"x": 1}, [{}], [{"name": 1}], [[]]]
).map(copy.deepcopy)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_there_is_no_traceback(data: st.DataObject) -> None:
    config: Any = copy.deepcopy(GOOD)
    config["proxies"] = [{"name": "shop"}]
    for _ in range(data.draw(st.integers(1, 3))):
        inner = config
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = data.draw(st.sampled_from(keys))
            if isinstance(inner[key], (dict, list)) and inner[key] and data.draw(st.booleans()):
                inner = inner[key]
                continue
            inner[key] = data.draw(ODD)
            break
    for finding in found(config):
        assert finding.level == FINDINGS[finding.id][0]


def test_changes_that_need_a_restart() -> None:
    assert needs_restart(GOOD, GOOD) == []
    assert needs_restart(GOOD, changed(f"{CHAT}/history_size", 10)) == []
    (finding,) = needs_restart(GOOD, changed(f"{RPC}/endpoint", "http://other"))
    assert (finding.id, finding.path) == ("PH027", "rpc.proxy")
    (added,) = needs_restart(changed("channel/proxy/publish", ...), GOOD)
    assert "channel.proxy.publish was added" in added.text


@pytest.mark.parametrize(
    "hooks",
    [
        [("subscribe", None), ("rpc", None)],
        [("map_publish", "board:<x>"), ("map_remove", "board:<x>")],
        [("shared_poll_refresh", "poll:<x>"), ("connect", None)],
        [("subscribe", "news"), ("publish", "$chat:<x>"), ("rpc", "users:<x>")],
    ],
)
@pytest.mark.parametrize("name", [None, "shop"])
def test_whatever_is_generated_has_no_errors(hooks: list[tuple[str, str | None]], name: str | None) -> None:
    served = backend(*hooks)
    made = generate(served, ConfigOptions(base_url=BASE, allowed_origins=["*"], proxy_name=name, namespaces=["more"]))
    assert {finding.id for finding in found(made.config, served)} <= {"PH022"}


def test_an_insecure_application_asks_for_no_secret() -> None:
    open_ = backend(secrets=())
    assert found(generate(open_, ConfigOptions(base_url=BASE, allowed_origins=["*"])).config, open_) == []


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("3s", 3),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("0", 0),
        ("1.5h", 5400),
        (3, None),
        ("3", None),
        ("s", None),
        ("", None),
    ],
)
def test_durations_are_read_as_go_reads_them(duration: object, expected: float | None) -> None:
    assert parse_duration(duration) == expected


def test_variables_in_headers() -> None:
    assert expand_variables("a${CENTRIFUGO_VAR_X}", {"CENTRIFUGO_VAR_X": "b"}) == ("ab", [])
    assert expand_variables("${CENTRIFUGO_VAR_X}", {}) == ("${CENTRIFUGO_VAR_X}", ["CENTRIFUGO_VAR_X"])
    assert expand_variables("${HOME}", {"HOME": "x"}) == ("${HOME}", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"client": {"allowed_origins": ["*"]}}'),
        ("c.toml", '[client]\nallowed_origins = ["*"]\n'),
    ],
)
def test_files_and_the_environment_over_them(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_config(path, {}) == {"client": {"allowed_origins": ["*"]}}
    environ = {
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "https://a https://b",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_ENABLED": "true",
        "CENTRIFUGO_CLIENT_PROXY_CONNECT_HTTP_STATIC_HEADERS": '{"A": "b"}',
        "CENTRIFUGO_OTHER": "x",
    }
    connect = {"enabled": True, "http": {"static_headers": {"A": "b"}}}
    expected = {"client": {"allowed_origins": ["https://a", "https://b"], "proxy": {"connect": connect}}}
    assert read_config(path, environ) == expected


def test_a_variable_that_is_not_set_is_missed_once() -> None:
    findings = [one for one in found(GOOD, environ={}) if one.id == "PH026"]
    assert len(findings) == 1
    assert "CENTRIFUGO_VAR_PROXYHOOKS_SECRET" in findings[0].text


def test_variables_of_single_namespaces_and_proxies(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"channel": {"namespaces": [{"name": "my-chat"}]}, "proxies": [{"name": "shop.one"}]}')
    environ = {
        "CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_PUBLISH_PROXY_ENABLED": "True",
        "CENTRIFUGO_PROXIES_SHOP_ONE_ENDPOINT": "http://x",
        "CENTRIFUGO_RPC_NAMESPACES": '[{"name": "users"}]',
        "CENTRIFUGO_RPC_NAMESPACES_USERS_PROXY_ENABLED": "1",
        "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "",
    }
    assert read_config(path, environ) == {
        "channel": {"namespaces": [{"name": "my-chat", "publish_proxy_enabled": True}]},
        "proxies": [{"name": "shop.one", "endpoint": "http://x"}],
        "rpc": {"namespaces": [{"name": "users", "proxy_enabled": True}]},
    }


def test_a_variable_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"channel": 5}')
    with pytest.raises(ValueError, match="the variable CENTRIFUGO_CHANNEL_NAMESPACES cannot be read: "):
        read_config(path, {"CENTRIFUGO_CHANNEL_NAMESPACES": "{,"})


@pytest.mark.parametrize(("name", "text"), [("c.json", "{,"), ("c.toml", "= 1"), ("c.json", "[]")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name} (cannot be read: .*line 1|must contain an object)"):
        read_config(tmp_path / name, {})
