"""Secrets, which no finding shows, wherever they stand."""

from __future__ import annotations

from proxyhooks.centrifugo.config.findings import Finding
from proxyhooks.centrifugo.config.secrecy import HIDDEN, hide_secrets


def hidden(text: str, config: dict[str, object], environ: dict[str, str], *secrets: str) -> str:
    finding = Finding(id="PH031", text=text, fix=text, path=text)
    (shown,) = hide_secrets([finding], config, environ, secrets)
    assert shown.text == shown.fix == shown.path
    return shown.text


def test_secrets_of_the_application_are_hidden_wherever_they_stand() -> None:
    assert hidden("the mode 's3cret' is unknown", {}, {}, "s3cret") == f"the mode '{HIDDEN}' is unknown"


def test_secrets_of_the_configuration_are_hidden() -> None:
    config = {
        "http_api": {"key": "api-key"},
        "client": {"token": {"hmac_secret_key": "hmac"}, "proxy": {"connect": {"http": {"static_headers": {
            "X-Proxyhooks-Secret": "header", "Idempotency-Key": "proxyhooks"}}}}},
        "consumers": [{"postgresql": {"dsn": "dsn-with-password"}}],
        "channel": {"namespaces": [{"name": "chat", "map": {"client_key": "user_id"}}]},
    }  # fmt: skip
    text = "api-key hmac header dsn-with-password user_id proxyhooks chat"
    assert hidden(text, config, {}) == f"{HIDDEN} {HIDDEN} {HIDDEN} {HIDDEN} user_id proxyhooks chat"


def test_secrets_of_centrifugos_environment_are_hidden() -> None:
    environ = {
        "CENTRIFUGO_API_KEY": "v5-key",
        "CENTRIFUGO_VAR_SECRET": "header",
        "CENTRIFUGO_PORT": "8000",
        "KEY": "else",
    }
    assert hidden("v5-key header 8000 else", {}, environ) == f"{HIDDEN} {HIDDEN} 8000 else"


def test_secrets_within_secrets_are_hidden() -> None:
    assert hidden("secret-and-more", {}, {}, "secret", "secret-and-more") == HIDDEN


def test_secrets_are_hidden_as_python_writes_them() -> None:
    assert hidden(repr("it's\na \\ secret"), {}, {}, "it's\na \\ secret").strip("\"'") == HIDDEN


def test_passwords_in_urls_are_hidden() -> None:
    assert hidden("'http://user:pass@host/x' is no URL", {}, {}) == f"'http://{HIDDEN}@host/x' is no URL"


def test_a_text_of_three_characters_is_no_secret() -> None:
    assert hidden("the key", {}, {}, "key") == "the key"


def test_a_reference_to_a_variable_is_no_secret() -> None:
    headers = {"X-Secret": "${CENTRIFUGO_VAR_SECRET}"}
    config: dict[str, object] = {"client": {"proxy": {"connect": {"http": {"static_headers": headers}}}}}
    text = '"X-Secret": "${CENTRIFUGO_VAR_SECRET}"'
    assert hidden(text, config, {}) == text


def test_passwords_of_urls_are_hidden_whatever_their_characters() -> None:
    text = "redis://user:pa/ss@host, http://user:o'k@w@host/path and https://host/path"
    assert hidden(text, {}, {}) == f"redis://{HIDDEN}@host, http://{HIDDEN}@host/path and https://host/path"
