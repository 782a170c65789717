"""The files of deploy/nginx, in a real nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import authority, certificate, needs_openssl
from tests.support.nginx import backends, check_nginx, hooks_listen, needs_nginx, site_listens, write_nginx
from tests.support.servers import free_port

pytestmark = [needs_nginx, needs_openssl]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The certificates that the files name, and those that replace them."""
    ca = authority(tmp_path_factory.mktemp("tls"), "ca")
    server = certificate(ca, "server", use="serverAuth")
    replaced = {"centrifugo-ca.pem": ca.pem}
    replaced |= {f"{site}.{end}": path for site in ("site", "hooks") for end, path in vars(server).items()}
    return {f"/etc/nginx/tls/{name}": str(path) for name, path in replaced.items()}


def only(tls: dict[str, str], name: str) -> dict[str, str]:
    return {path: replacement for path, replacement in tls.items() if name in path}


def test_nginx_accepts_the_files_without_a_warning(tls: dict[str, str], tmp_path: Path) -> None:
    files = {
        "upstreams.conf": backends(1, 2),
        "hooks.conf": only(tls, "hooks") | only(tls, "ca.pem") | hooks_listen(free_port()),
        "site.conf": only(tls, "site") | site_listens(free_port(), free_port()),
    }
    config = write_nginx(tmp_path, files)
    checked = check_nginx(config)
    assert checked.returncode == 0, checked.stderr
    assert [line.partition(": ")[2] for line in checked.stderr.splitlines()] == [
        f"the configuration file {config} syntax is ok",
        f"configuration file {config} test is successful",
    ]
