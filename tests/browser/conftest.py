"""One Chromium for each module, the servers of each example, and people with browsers of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium, prepare
from tests.browser.example_servers import ExampleServers
from tests.browser.jobs_page import EnterJobs, JobsPage
from tests.browser.person import NewPerson, Person
from tests.browser.rooms_page import Enter, RoomsPage
from tests.support import centrifugo


def skip_if_missing(*reasons: str | None) -> None:
    for reason in reasons:
        if reason is not None:
            pytest.skip(reason)


@pytest.fixture(scope="module")  # as long as Playwright runs, no other test of this thread can use asyncio
def browser() -> Iterator[Browser]:
    skip_if_missing(chromium.MISSING)
    with chromium.running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def rooms_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleServers]:
    skip_if_missing(chromium.MISSING, centrifugo.MISSING, prepare.MISSING)
    servers = prepare.rooms(tmp_path_factory.mktemp("rooms"))
    yield servers
    servers.stop()


@pytest.fixture
def rooms(rooms_servers: ExampleServers, request: pytest.FixtureRequest) -> ExampleServers:
    """The running rooms example with a new database and no history; a parameter has further settings."""
    rooms_servers.stop_centrifugo()
    prepare.restore_rooms(rooms_servers)
    rooms_servers.start(**getattr(request, "param", {}))
    return rooms_servers


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleServers]:
    """The running jobs example. Each test has users of its own, so that no job of another test is in its way."""
    skip_if_missing(chromium.MISSING, centrifugo.MISSING, prepare.MISSING)
    servers = prepare.jobs(tmp_path_factory.mktemp("jobs"))
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def new_person(browser: Browser) -> Iterator[NewPerson]:
    """Makes a :class:`Person`. The test fails if a page reports what the test does not expect."""
    people: list[Person] = []

    def make(url: str, hosts: set[str], **options: Any) -> Person:
        people.append(Person(browser, url, hosts, **options))
        return people[-1]

    yield make
    problems = [problem for person in people for problem in person.problems()]
    for person in people:
        person.close()
    assert not problems


@pytest.fixture
def enter(rooms: ExampleServers, new_person: NewPerson) -> Enter:
    """Opens the page of rooms in a new browser: ``enter("ada")`` logs in, ``enter()`` does not."""

    def make(name: str | None = None, **options: Any) -> RoomsPage:
        page = RoomsPage(new_person(rooms.url, rooms.hosts, **options))
        if name is not None:
            page.log_in(name)
        return page

    return make


@pytest.fixture
def enter_jobs(jobs: ExampleServers, new_person: NewPerson) -> EnterJobs:
    """Opens the page of jobs in a new browser: ``enter_jobs("ada")`` logs in, ``enter_jobs()`` does not."""

    def make(name: str | None = None, **options: Any) -> JobsPage:
        jobs.start()  # what a test may have stopped
        page = JobsPage(new_person(jobs.url, jobs.hosts, **options))
        if name is not None:
            page.log_in(name)
        return page

    return make
