"""The files of deploy/nginx, checked by nginx."""

from __future__ import annotations

from pathlib import Path

from tests.support.certificates import make_certificates, needs_openssl
from tests.support.nginx import backends, check_nginx, hooks_listen, needs_nginx, site_listens, write_nginx
from tests.support.servers import free_port

pytestmark = [needs_nginx, needs_openssl]


def test_nginx_accepts_the_files_without_a_warning(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path)
    files = {
        "upstreams.conf": backends(1, 2),
        "hooks.conf": tls.files("/etc/nginx/tls", "hooks") | hooks_listen(free_port()),
        "site.conf": tls.files("/etc/nginx/tls", "site") | site_listens(free_port(), free_port()),
    }
    config = write_nginx(tmp_path, files)
    checked = check_nginx(config)
    assert checked.returncode == 0, checked.stderr
    assert [line.partition(": ")[2] for line in checked.stderr.splitlines()] == [
        f"the configuration file {config} syntax is ok",
        f"configuration file {config} test is successful",
    ]
