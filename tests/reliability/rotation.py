"""A secret is replaced while calls are running."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.reliability.client import Client
from tests.reliability.reload import under_load
from tests.reliability.server import gunicorn, until
from tests.support.paths import ROOT
from tests.support.servers import server_environment


async def rotate(here: Path, calls: int, times: int) -> Client:
    """Rotate secrets in the file as documented, so many times.

    Both secrets are in the file, the client changes to the new one, the command shows that the old one is not used any
    more, the old one is removed.
    """
    secrets = here / "secrets"
    names = [f"the-secret-{number}-of-this-test" for number in range(times + 1)]
    write(secrets, names[0])
    with gunicorn(here, FLASK_PROXYHOOKS_SECRETS_FILE=str(secrets), TMPDIR=str(here)) as server:
        await server.ready()

        async def events(client: Client) -> None:
            for old, new in itertools.pairwise(names):
                write(secrets, new, old)
                await more(client)
                client.secret = new
                await more(client)
                first, last = uses(here, secrets)
                assert "secret 0: last used" in first, first
                assert "secret 1: last used" in last, last
                write(secrets, new)
                await more(client)
            # A removed secret is refused.
            late = Client(server.port, secret=names[0])
            assert await late.call("echo", 1) == "403"
            late.pool.close()

        client = await under_load(server.port, events, calls, repeat=False, secret=names[0])
        assert server.stop() == 0
    log = server.log.read_text()
    assert not [name for name in names if name in log]
    return client


async def more(client: Client, calls: int = 100) -> None:
    """Wait until so many calls have ended that began after this wait."""
    enough = client.outcomes.total + client.in_flight + calls
    await until(lambda: client.outcomes.total >= enough, "further calls")


def write(path: Path, *secrets: str) -> None:
    new = path.with_suffix(".new")
    new.write_text("".join(f"{secret}\n" for secret in secrets))
    new.rename(path)


def uses(here: Path, secrets: Path) -> list[str]:
    """The output of ``flask centrifugo secret uses``, a line for each secret."""
    environ = server_environment(HERE=str(here), FLASK_PROXYHOOKS_SECRETS_FILE=str(secrets), TMPDIR=str(here))
    command = [sys.executable, "-m", "flask", "--app", "tests.reliability.app", "centrifugo", "secret", "uses"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=300)
    assert not Counter(done.stdout.split()) & Counter(secrets.read_text().split())
    return done.stdout.splitlines()[1:]
