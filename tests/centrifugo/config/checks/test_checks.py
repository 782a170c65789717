"""Each finding, with a configuration that has the problem."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyhooks.centrifugo.config.backend import Backend
from proxyhooks.centrifugo.config.checks import check
from proxyhooks.centrifugo.config.checks.restart import needs_restart
from proxyhooks.centrifugo.config.findings import FINDINGS, Finding
from proxyhooks.centrifugo.config.reading import read_tree
from proxyhooks.centrifugo.config.writing import ConfigOptions, generate
from tests.support.backends import backend

BASE = "http://127.0.0.1:8070"
ENVIRON = {"CENTRIFUGO_VAR_PROXYHOOKS_SECRET": "s3cret"}
HOOKS = (("connect", None), ("refresh", None), ("subscribe", "chat:<x>"), ("publish", "chat:<x>"), ("rpc", "ping"))


def application(*hooks: tuple[str, str | None], **fields: Any) -> Backend:
    return backend(*(hooks or HOOKS), **({"http_headers": ("Cookie",), "meta": True} | fields))


BACKEND = application()
ORIGINS = ["https://a.example"]
GOOD = generate(BACKEND, ConfigOptions(base_url=BASE, allowed_origins=ORIGINS)).config


def findings_in(config: dict[str, Any], backend: Backend = BACKEND, **options: Any) -> list[Finding]:
    defaults: dict[str, Any] = {"environ": ENVIRON, "base_url": BASE, "server_timeout": 60}
    reading = read_tree(config, options.get("environ", ENVIRON))
    return [*reading.findings, *check(reading.config, backend, **(defaults | options))]


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
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("PH001", changed("channel/proxy/map_remove", {"endpoint": f"{BASE}/centrifugo/map_remove"})),
    ("PH002", changed("channel/without_namespace", {"subscribe_proxy_enabled": True})),
    ("PH002", changed(f"{CHAT}/name", "news")),
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
    ("PH011", changed(f"{RPC}/timeout", "2m")),
    ("PH028", changed(f"{RPC}/timeout", "2999ms")),
    ("PH028", changed(f"{RPC}/timeout", ...)),
    ("PH012", changed("proxy_connect_endpoint", "http://x")),
    ("PH012", changed(f"{CHAT}/proxy_subscribe", True)),
    ("PH013", changed("clients", {"insecure": True})),
    ("PH013", changed(f"{CHAT}/subscribe_proxy_enable", True)),
    ("PH013", changed(f"{RPC}/static_headers", {"A": "b"})),
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
    ("PH022", changed(f"{CHAT}/subscription_type", "map")),
    ("PH023", changed("client/token", {"hmac_secret_key": "k"})),
    ("PH024", changed(f"{RPC}/include_connection_meta", ...)),
    ("PH025", changed(f"{HEADERS}/X-Proxyhooks-Secret", "${SECRET}")),
    ("PH025", changed("http_api", {"key": "${CENTRIFUGO_VAR_KEY}"})),
    ("PH026", changed(f"{HEADERS}/X-Proxyhooks-Secret", "${CENTRIFUGO_VAR_OTHER}")),
    ("PH026", changed(f"{HEADERS}/X-Version", "${CENTRIFUGO_VAR_OTHER}")),
    ("PH029", changed(f"{RPC}/timeout", "3")),
    ("PH029", changed("admin", True)),
    ("PH030", changed("HTTP_API", {"key": "k"}) | {"http_api": {"key": "l"}}),
    ("PH031", changed("engine", {"type": "nats"})),
    ("PH031", changed(f"{CHAT}/history_size", 10)),
    ("PH033", changed("channel/private_prefix", "chat")),
    ("PH035", changed("client/allowed_origins", ['["https://a.example"]'])),
    ("PH036", changed("client/allowed_origins", ["https://a.example", "*"])),
    ("PH037", changed("client/connection_rate_limit", 500)),
    ("PH034", changed(f"{CHAT}/allow_user_limited_channels", True)),
]


def test_a_generated_configuration_has_no_findings() -> None:
    assert findings_in(GOOD) == []


@pytest.mark.parametrize(("id_", "config"), CONFIGS)
def test_a_problem_has_its_finding(id_: str, config: dict[str, Any]) -> None:
    findings = [finding for finding in findings_in(config) if finding.id == id_]
    assert findings, findings_in(config)
    for finding in findings:
        assert finding.text
        assert finding.fix
        assert finding.path
        assert "s3cret" not in repr(finding)
        assert "wrong" not in finding.text


def test_every_finding_has_its_case() -> None:
    assert {id_ for id_, _ in CONFIGS} | {"PH027", "PH032"} == FINDINGS.keys()


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, "x", "http://[::1", [], ["x"], {}, {"x": 1}, [{}], [{"name": 1}], [[]]]
).map(copy.deepcopy)


@settings(max_examples=300)
@given(data=st.data())
def test_odd_values_never_raise(data: st.DataObject) -> None:
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
    for finding in findings_in(config):
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
def test_generated_configurations_have_no_errors(hooks: list[tuple[str, str | None]], name: str | None) -> None:
    app = application(*hooks)
    generated = generate(
        app, ConfigOptions(base_url=BASE, allowed_origins=ORIGINS, proxy_name=name, namespaces=["more"])
    )
    environ = ENVIRON | {"CENTRIFUGO_SHARED_POLL_HMAC_SECRET_KEY": "k3y"}  # as a note of the generator says
    assert {finding.id for finding in findings_in(generated.config, app, environ=environ)} <= {"PH022"}


def test_an_insecure_application_needs_no_secret() -> None:
    insecure = application(secrets=())
    assert findings_in(generate(insecure, ConfigOptions(base_url=BASE, allowed_origins=ORIGINS)).config, insecure) == []


def test_an_unset_variable_is_reported_once() -> None:
    findings = [finding for finding in findings_in(GOOD, environ={}) if finding.id == "PH026"]
    assert len(findings) == 1
    assert "CENTRIFUGO_VAR_PROXYHOOKS_SECRET" in findings[0].text


def test_an_unset_variable_hides_no_other_finding() -> None:
    config = changed(f"{RPC}/emulated_headers", ["X-Proxyhooks-Secret"])
    assert {finding.id for finding in findings_in(config, environ={})} >= {"PH009", "PH026"}
