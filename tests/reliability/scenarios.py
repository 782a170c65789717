"""The promises about reliability: a scenario for each, which asserts what clients see.

The short forms run with all tests, the long forms with ``tests/run reliability``. Only the long forms assert times, as
ratios or with a wide margin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

from tests.reliability import (
    client_floods,
    cluster_kills,
    endurance,
    hostile,
    mass_reconnect,
    overload,
    reload,
    rollout,
    rotation,
    through_centrifugo,
)
from tests.reliability import metrics as exact_metrics
from tests.reliability.attacks.all_attacks import ATTACKS
from tests.reliability.client import Client

Scenario = Callable[[Path, bool], Coroutine[Any, Any, str]]
CALLS, TIMES = 100_000, 20
SCENARIOS: Final[dict[str, Scenario]] = {}
"""By name. A scenario takes a directory and whether to run the long form, and returns a line for the report."""
THROUGH_CENTRIFUGO: Final = set[str]()
"""The names of the scenarios that need a Centrifugo."""
WITH_PROGRAMS: Final = ("centrifugo_cluster_with_killed_parts", "centrifugo_and_a_mass_reconnect")
"""The scenarios that need nginx and Redis, too."""


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    if "centrifugo" in function.__name__:
        THROUGH_CENTRIFUGO.add(function.__name__)
    return function


def _none_lost(client: Client) -> str:
    assert client.outcomes.failed == 0, client.outcomes
    return f"{client.outcomes}; {client.pool.opened} connections, {client.pool.repeated} repeats"


@scenario
async def reloads(here: Path, long: bool) -> str:
    """HUP, with an application that takes more than a second to start."""
    if not long:
        return _none_lost(await reload.repeatedly(reload.reload, here, 1000, 2, start=1.2))
    return _none_lost(await reload.repeatedly(reload.reload, here, CALLS, TIMES, start=1.5))


@scenario
async def many_workers(here: Path, long: bool) -> str:
    """HUP with 48 workers."""
    calls, workers = (10_000, 48) if long else (300, 12)
    # Their start keeps a small machine busy for longer than callers usually wait. Late is not lost.
    with mock.patch.dict(os.environ, CALLERS_TIMEOUT="10"):
        return _none_lost(await reload.repeatedly(reload.reload, here, calls, 1, start=0, workers=workers))


@scenario
async def reloads_with_repeats(here: Path, long: bool) -> str:
    """HUP, with a client that sends Idempotency-Key."""
    if not long:
        return _none_lost(await reload.repeatedly(reload.reload, here, 500, 1, start=0, repeat=True))
    return _none_lost(await reload.repeatedly(reload.reload, here, CALLS, TIMES, start=1.5, repeat=True))


@scenario
async def reloads_with_functions_after_the_reply(here: Path, long: bool) -> str:
    """HUP and a stop, with hooks that use after_reply: each function runs once."""
    calls, times = (10_000, 5) if long else (500, 1)
    client = await reload.repeatedly(reload.reload, here, calls, times, start=0, method="note")
    notes = sum(len(file.read_text()) for file in here.glob("notes.*"))
    assert notes == client.outcomes.total, f"{notes} functions ran"
    return f"{_none_lost(client)}; {notes} functions after the reply"


@scenario
async def failed_reload(here: Path, long: bool) -> str:
    """HUP with an application that cannot be loaded, and again after its repair."""
    return _none_lost(await reload.failed_reload(here, 10_000 if long else 500))


@scenario
async def stops(here: Path, long: bool) -> str:
    """SIGTERM for single workers."""
    if not long:
        return _none_lost(await reload.repeatedly(reload.stop_one, here, 1000, 2, start=1.2))
    return _none_lost(await reload.repeatedly(reload.stop_one, here, CALLS, TIMES, start=1.5))


@scenario
async def recycles(here: Path, long: bool) -> str:
    """max_requests, reached by two workers at about the same time."""
    if not long:
        return _none_lost(await reload.recycles(here, 1000, 2, start=1.2))
    return _none_lost(await reload.recycles(here, CALLS, TIMES, start=1.5))


@scenario
async def recycles_of_one_worker(here: Path, long: bool) -> str:
    """max_requests, with one worker."""
    if not long:
        return _none_lost(await reload.recycles(here, 1000, 1, start=1.2, workers=1))
    return _none_lost(await reload.recycles(here, CALLS, TIMES, start=1.5, workers=1))


@scenario
async def upgrade(here: Path, long: bool) -> str:
    """USR2, and TERM for the old master."""
    return _none_lost(await reload.upgrade(here, CALLS if long else 1000, start=1.5 if long else 0.5))


@scenario
async def killed_workers(here: Path, long: bool) -> str:
    """SIGKILL loses only calls that were under way."""
    client, under_way = await reload.kills(here, 10_000 if long else 500, TIMES if long else 2)
    assert set(client.outcomes.counts) <= {"ok", "ended, used", "ended, fresh", "ended, begun"}, client.outcomes
    assert client.outcomes.failed <= under_way, (client.outcomes, under_way)
    return f"{client.outcomes}; {under_way} calls were under way, in both workers"


@scenario
async def killed_workers_with_repeats(here: Path, long: bool) -> str:
    """With Idempotency-Key only calls on new connections, and calls whose replies had begun, are lost."""
    client, _ = await reload.kills(here, 10_000 if long else 500, TIMES if long else 2, repeat=True)
    assert set(client.outcomes.counts) <= {"ok", "ended, fresh", "ended, begun"}, client.outcomes
    return f"{client.outcomes}; {client.pool.repeated} repeats"


@scenario
async def rolling_deploy(here: Path, long: bool) -> str:
    """SIGTERM to three backends behind a TCP balancer, in turn."""
    return _none_lost(await rollout.deploy(here, CALLS if long else 1000))


@scenario
async def killed_backend(here: Path, long: bool) -> str:
    """SIGKILL to master and workers of one of three backends, with Idempotency-Key."""
    client = await rollout.kill_one(here, 10_000 if long else 500, repeat=True)
    assert set(client.outcomes.counts) <= {"ok", "ended, fresh", "ended, begun"}, client.outcomes
    return f"{client.outcomes}; {client.pool.repeated} repeats"


@scenario
async def scale_out(here: Path, long: bool) -> str:
    """Three backends become six, and the new backends get a share of the calls."""
    client, shares = await rollout.scale_out(here, 500, max_age=30 if long else 2)
    _none_lost(client)
    assert sum(shares[str(new)] for new in range(3, 6)) > 0.3, shares
    return f"{client.outcomes}; shares {', '.join(f'{share:.0%}' for share in shares.values())}"


@scenario
async def reloads_under_attack(here: Path, long: bool) -> str:
    """HUP, and at last SIGTERM, while peers send nothing, send slowly, read slowly, or do not read."""
    return _none_lost(await hostile.reload_under_attack(here, 5 if long else 1))


@scenario
async def flood(here: Path, long: bool) -> str:
    """Ten times as many calls as the threads can answer."""
    if long:
        flooded = await overload.flood(here, 60)
    else:
        # Longer times, so that it matters little when a busy machine lets a process wait.
        with mock.patch.dict(os.environ, CALLERS_TIMEOUT="5"):
            flooded = await overload.flood(here, 4, work=0.4)
    counts = flooded.outcomes.counts
    assert set(counts) <= {"ok", "503", "timeout"}, counts
    assert counts["503"]
    # Few hooks run for callers that have stopped waiting.
    assert flooded.hooks_begun - counts["ok"] <= flooded.hooks_begun * 0.02, flooded
    assert not long or flooded.recovery < 2, flooded
    answered = f"{counts['ok'] / flooded.capacity:.0%} of what the threads can do, {flooded.hooks_begun} hooks begun"
    return f"{flooded.outcomes}; answered {answered}; normal again after {flooded.recovery:.2f} s"


@scenario
async def endures(here: Path, long: bool) -> str:
    """An hour of calls of all kinds with a reload every ten minutes: no process grows."""
    if not long:
        result = await endurance.endure(here, seconds=8, reload_every=3, sample_every=1)
    else:
        result = await endurance.endure(here, seconds=3600, reload_every=600, sample_every=20)
    assert result.outcomes.failed == 0, f"{result.outcomes}; {result.growth()}"
    assert result.reloads
    assert result.strangers > 10
    return f"{result.outcomes}; {result.strangers} of strangers, {result.reloads} reloads; {result.growth()}"


@scenario
async def rotation_of_the_secret(here: Path, long: bool) -> str:
    """No call is refused, and the command shows when the old secret is not used any more."""
    return _none_lost(await rotation.rotate(here, CALLS // 4 if long else 500, TIMES if long else 1))


@scenario
async def metrics(here: Path, long: bool) -> str:
    """Counts are exact through reloads, stops, recycles and an upgrade, and nearly so through SIGKILL."""
    return await exact_metrics.exact_counts(here, 20_000 if long else 500, 5 if long else 1)


@scenario
async def centrifugo_reloads(here: Path, long: bool) -> str:
    """HUPs and SIGTERMs of workers, with and without Idempotency-Key."""
    results = []
    for repeat in (False, True):
        calls, times = (CALLS // 2, TIMES // 2) if long else (500, 1)
        seen = await through_centrifugo.reloads(here, calls, times, start=1.5 if long else 0.5, repeat=repeat)
        assert not seen.failed, seen
        results.append(f"{'with' if repeat else 'without'} the header {seen.counts.total()} calls, 0 failed")
    return ", ".join(results)


@scenario
async def centrifugo_and_killed_workers(here: Path, long: bool) -> str:
    """SIGKILL to workers: clients see temporary errors only, with and without Idempotency-Key."""
    results = []
    for repeat in (False, True):
        calls, times = (20_000, TIMES) if long else (300, 1)
        seen = await through_centrifugo.kills(here, calls, times, repeat=repeat)
        assert set(seen.counts) <= {"ok", "100"}, seen
        results.append(
            f"{'with' if repeat else 'without'} the header {seen.counts.total()} calls, {seen.failed} failed"
        )
    return ", ".join(results)


@scenario
async def centrifugo_restarted(here: Path, long: bool) -> str:
    """Centrifugo is killed and started; all clients reconnect at once."""
    seen = await through_centrifugo.restart(here, 2000 if long else 50)
    assert (seen.connected, seen.wrong) == (seen.clients, 0), seen
    calls = seen.clients + seen.refused.total()
    rate = f"{calls / seen.cpu:.0f} a second and core" if seen.cpu else "too few to tell the rate"
    tries = f"{calls} tries, refused {dict(seen.refused)}"
    return f"{seen.clients} clients were back after {seen.seconds:.1f} s; {tries}; {rate}"


@scenario
async def centrifugo_and_503(here: Path, long: bool) -> str:
    """503 for a minute: clients get temporary errors, stay connected, and are served again."""
    seen = await through_centrifugo.unavailable(here, 60 if long else 4)
    return f"{seen.counts['100']} times error 100, temporary"


@scenario
async def centrifugo_with_a_wrong_secret(here: Path, long: bool) -> str:
    """No client can connect."""
    return f"the log: {await through_centrifugo.wrong_secret(here)}"


@scenario
async def centrifugo_with_flooding_clients(here: Path, long: bool) -> str:
    """Clients send what is refused as fast as they can: others are served, and the log stays short."""
    return await client_floods.check(here, long)


@scenario
async def centrifugo_cluster_with_killed_parts(here: Path, long: bool) -> str:
    """SIGKILL to a backend, a node, nginx and Redis: clients come back, and get each message once and in order."""
    if not long:
        seen = await cluster_kills.kills(here, ("backend", "node"), wait=10)
        assert (seen.lost, seen.twice, seen.out_of_order, seen.unrecovered) == (0, 0, 0, 0), seen
        # Each subscription that recovers asks its hook again.
        assert seen.recovered, seen
        assert seen.subscribe_calls >= cluster_kills.SUBSCRIBERS + seen.recovered, seen
        return str(seen)
    with mock.patch.dict(os.environ, CALLERS_TIMEOUT="3"):
        kept = {keep: await cluster_kills.rounds(here / f"{keep}", 5, keep=keep) for keep in (False, True)}
    report = "\n".join(f"Redis {'with' if keep else 'without'} a file: {one}" for keep, one in kept.items())
    # Without its file, Redis has lost what was published just before it was killed.
    assert not kept[True].lost, report
    assert not any(phase.lost for phase in kept[False].phases if phase.name != "redis"), report
    return report


@scenario
async def centrifugo_and_a_mass_reconnect(here: Path, long: bool) -> str:
    """All clients come back through nginx, which limits their rate, in the time that the plan says."""
    if not long:
        return (await mass_reconnect.reconnect(here, 100, 1, limited=True)).row()
    with mock.patch.dict(os.environ, CALLERS_TIMEOUT="3"):
        seen = await mass_reconnect.reconnect(here, 2000, 2, limited=True)
    assert 0.5 < seen.seconds / seen.plan.reconnect_seconds < 2, seen
    return seen.row()


for attack in ATTACKS:
    SCENARIOS[f"attack_{attack}"] = partial(hostile.check, attack)
