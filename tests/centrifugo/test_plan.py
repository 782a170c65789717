"""The model of ``flask centrifugo plan``, by itself and against a simulation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxyhooks.centrifugo.plan import (
    MAX_NORMAL_UTILIZATION,
    MAX_RECONNECT_UTILIZATION,
    Load,
    make_plan,
    rate_for,
    reconnect_seconds,
)
from tests.centrifugo.reconnect_simulation import Simulation


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({}, {}),
        ({"session": 100.0}, {"connect": 12}),
        ({"session": 100.0, "subscriptions": 5}, {"connect": 12, "subscribe": 60}),
        ({"expire": 600.0}, {"refresh": 2}),
        ({"subscriptions": 5, "subscription_expire": 600.0}, {"sub_refresh": 10}),
        ({"publish_every": 60.0, "rpc_every": 1.0}, {"publish": 20, "rpc": 1200}),
        ({"session": 100.0, "expire": 600.0, "rpc_every": 1.0, "events": ["refresh"]}, {"refresh": 2}),
    ],
)
def test_the_normal_calls_are_those_of_hooks_that_exist(fields: dict[str, Any], calls: dict[str, float]) -> None:
    assert Load(clients=1200, **fields).normal_calls() == calls


def test_a_reconnect_calls_connect_and_each_subscription_at_the_rate_of_the_limit() -> None:
    load = Load(clients=10_000, subscriptions=5, session=1000.0, expire=100.0)
    plan = make_plan(load, cores=10, calls_per_core=500, nodes=2)
    assert plan.reconnect_calls == {
        "connect": plan.connections_per_second,
        "subscribe": 5 * plan.connections_per_second,
        "refresh": 100,
    }
    assert 0.79 < plan.reconnect_utilization <= MAX_RECONNECT_UTILIZATION
    assert plan.normal_utilization == pytest.approx((60 + 100) / 5000)


@given(
    clients=st.integers(1, 10**7),
    subscriptions=st.integers(0, 50),
    nodes=st.integers(1, 50),
    back_within=st.floats(2, 1e5),
    session=st.floats(10, 1e5),
    calls_per_core=st.floats(0.5, 1e4),
)
def test_the_cores_of_a_plan_let_all_clients_back_in_time(
    clients: int, subscriptions: int, nodes: int, back_within: float, session: float, calls_per_core: float
) -> None:
    load = Load(clients=clients, subscriptions=subscriptions, session=session)
    plan = make_plan(load, calls_per_core=calls_per_core, back_within=back_within, nodes=nodes)
    assert plan.normal_utilization <= MAX_NORMAL_UTILIZATION + 1e-9
    assert plan.reconnect_utilization <= MAX_RECONNECT_UTILIZATION + 1e-9
    assert plan.reconnect_seconds <= max(back_within, reconnect_seconds(clients, clients)) + 1e-6
    again = make_plan(load, calls_per_core=calls_per_core, cores=plan.cores, nodes=nodes)
    assert again == plan


@given(st.integers(1, 10**7), st.floats(1.5, 1e6))
def test_the_rate_for_a_time_takes_that_time(clients: int, seconds: float) -> None:
    assert reconnect_seconds(clients, rate_for(clients, seconds)) == pytest.approx(seconds)


def test_cores_that_do_not_bear_the_normal_calls_are_refused_with_the_number_that_does() -> None:
    load = Load(clients=1000, rpc_every=1.0)
    with pytest.raises(
        ValueError, match=r"^too few cores: with 2, 800 calls .* are 1,000 in normal operation, .* 4 cores"
    ):
        make_plan(load, cores=2)
    assert make_plan(load, cores=4).normal_utilization == MAX_NORMAL_UTILIZATION


def test_cores_that_do_not_bear_one_connection_a_second_on_each_node_are_refused() -> None:
    load = Load(clients=1000, subscriptions=9)
    with pytest.raises(ValueError, match="and 10 for each client that connects: use at least 5 cores"):
        make_plan(load, cores=4, calls_per_core=5, nodes=2)
    assert make_plan(load, cores=5, calls_per_core=5, nodes=2).connection_rate_limit == 1


def test_a_node_has_descriptors_for_the_clients_of_one_that_failed_and_for_their_calls() -> None:
    plan = make_plan(Load(clients=60_000), nodes=3)
    assert plan.clients_per_node == 30_000
    assert plan.open_files == 65_536
    assert make_plan(Load(clients=60_000), nodes=1).clients_per_node == 60_000
    assert [make_plan(Load(clients=clients)).nodes for clients in (1, 200_000, 200_001)] == [2, 2, 3]


def test_a_reconnect_that_calls_nothing_is_not_limited_by_the_backend() -> None:
    plan = make_plan(Load(clients=10_000, subscriptions=5, events=["rpc"]), nodes=2)
    assert plan.reconnect_calls == {}
    assert plan.connection_rate_limit == 5_000


@settings(max_examples=25)
@given(
    clients=st.integers(100, 2000),
    subscriptions=st.integers(0, 6),
    cores=st.integers(1, 6),
    calls_per_core=st.sampled_from([20, 50, 100, 200, 500]),
    nodes=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_the_model_has_the_time_and_the_rate_of_a_simulation(
    clients: int, subscriptions: int, cores: int, calls_per_core: float, nodes: int, seed: int
) -> None:
    load = Load(clients=clients, subscriptions=subscriptions)
    plan = make_plan(load, calls_per_core=calls_per_core, cores=cores, nodes=nodes)
    assume(plan.reconnect_seconds < 100)
    # With one connection a second for each of several nodes, chance decides which node is done last, and when.
    assume(nodes == 1 or plan.connection_rate_limit > 1)
    rates = [float(plan.connection_rate_limit)] * nodes
    simulated = Simulation(clients, subscriptions, cores, calls_per_core, rates, seed).run()
    # README of deploy: up to a quarter, and 4 s.
    assert 0.75 * plan.reconnect_seconds - 4 < simulated.last_back < 1.25 * plan.reconnect_seconds + 4
    if plan.reconnect_seconds > 15:
        half = sorted(simulated.calls)[len(simulated.calls) // 2]
        rate = len(simulated.calls) / 2 / half
        assert rate == pytest.approx(sum(plan.reconnect_calls.values()), rel=0.2)


@pytest.mark.parametrize("seed", range(3))
def test_without_a_limit_clients_are_back_as_soon_and_the_backend_refuses_more_calls(seed: int) -> None:
    plan = make_plan(Load(clients=1000, subscriptions=5), calls_per_core=200, cores=2, nodes=2)
    limited = Simulation(1000, 5, 2, 200, [float(plan.connection_rate_limit)] * 2, seed).run()
    unlimited = Simulation(1000, 5, 2, 200, None, seed).run()
    assert unlimited.last_back < 1.25 * limited.last_back
    assert unlimited.shed > 10 * limited.shed
