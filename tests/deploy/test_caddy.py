"""deploy/caddy/Caddyfile, checked by Caddy."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.caddy import FILE, needs_caddy, run_caddy, write_caddy
from tests.support.certificates import make_certificates, needs_openssl

pytestmark = [needs_caddy, needs_openssl]


def test_caddy_accepts_the_file(tmp_path: Path) -> None:
    config = write_caddy(tmp_path, 8080, make_certificates(tmp_path).files("/etc/caddy/tls", "hooks"))
    checked = run_caddy("validate", "--adapter", "caddyfile", "--config", str(config), here=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "Valid configuration" in checked.stdout + checked.stderr
    warnings = {json.loads(line)["msg"] for line in checked.stderr.splitlines() if '"level":"warn"' in line}
    # The certificates of the tests name no server for OCSP. The other one is about what mTLS needs.
    strict = "enabling strict SNI-Host enforcement because TLS client auth is configured"
    assert warnings <= {"stapling OCSP", strict}


def test_the_file_is_formatted_as_caddy_does(tmp_path: Path) -> None:
    assert run_caddy("fmt", str(FILE), here=tmp_path).stdout == FILE.read_text()
