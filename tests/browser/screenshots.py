"""Writes screenshots of the examples' pages: ``python -m tests.browser.screenshots DIRECTORY``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from tests.browser import prepare
from tests.browser.chromium import running_chromium
from tests.browser.example_servers import ExampleServers
from tests.browser.jobs_page import JobsPage
from tests.browser.person import Person
from tests.browser.rooms_page import RoomsPage

WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 760}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 760}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
CONVERSATION = [
    ("ada", "Good morning! Has anybody seen the new build?"),
    ("bob", "Yes, it went out ten minutes ago. Everything is green so far."),
    ("ada", "Great. I'll write the release notes then, and ask you to read them:\n- recovery\n- the ban command"),
    ("bob", "Send me a link: https://example.com/a/rather/long/path/that/has/to/be/broken/somewhere?on=a&small=phone"),
    ("ada", "Thank you!"),
]


class Album:
    """The screenshots of one page in one window."""

    def __init__(self, directory: Path, example: str, window: str, person: Person) -> None:
        self._start, self._person, self._number = directory / f"{example}-{window}", person, 0

    def add(self, state: str) -> None:
        self._number += 1
        path = Path(f"{self._start}-{self._number}-{state}.png")
        self._person.page.screenshot(path=path)
        print(path, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="for the files; it is made if it does not exist")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with running_chromium() as browser:
        with running(prepare.rooms) as servers:
            for window in WINDOWS:
                take_rooms(browser, servers, directory, window)
        with running(prepare.jobs) as servers:
            for window in WINDOWS:
                take_jobs(browser, servers, directory, window)


@contextmanager
def running(example: Callable[[Path], ExampleServers]) -> Iterator[ExampleServers]:
    """The servers of an example, from when they are ready until the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        servers = example(Path(directory))
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


def take_rooms(browser: Browser, servers: ExampleServers, directory: Path, window: str) -> None:
    servers.stop_centrifugo()
    prepare.restore_rooms(servers)
    servers.start()
    people = {
        name: RoomsPage(Person(browser, servers.url, servers.hosts, **WINDOWS[window])) for name in ("ada", "bob")
    }
    bob = people["bob"]
    album = Album(directory, "rooms", window, bob.person)
    bob.fill_in_login("bob", "not bob")
    expect(bob.alert.first).to_be_visible()
    album.add("login")
    for name, page in people.items():
        page.log_in(name)
    bob.room_button("attic").click()
    expect(bob.alert.first).to_be_visible()
    album.add("full")
    for page in people.values():
        page.open_room("lobby")
    for name, text in CONVERSATION:
        people[name].say(text)
        for page in people.values():
            page.sees(text.splitlines()[0])
    album.add("room")
    servers.kill_centrifugo()
    expect(bob.status).to_contain_text("Connection lost")
    bob.say("Is anybody there?")
    album.add("lost")
    servers.start_centrifugo()
    bob.sees("Is anybody there?")
    servers.flask("ban", "bob")
    expect(bob.page.get_by_text("You are banned.")).to_be_visible()
    album.add("banned")
    servers.flask("unban", "bob")
    for page in people.values():
        page.person.close()


def take_jobs(browser: Browser, servers: ExampleServers, directory: Path, window: str) -> None:
    ada = JobsPage(Person(browser, servers.url, servers.hosts, **WINDOWS[window]))
    album = Album(directory, "jobs", window, ada.person)
    expect(ada.log_in_button).to_be_visible()
    album.add("login")
    ada.log_in(f"ada{window}")
    album.add("ready")
    ada.start(rows=200)
    ada.has_begun()
    ada.start(rows=5)
    expect(ada.alert).to_contain_text("A job is running.")
    album.add("running")
    ada.cancel_button.click()
    expect(ada.job).to_have_text("Cancelled")
    album.add("cancelled")
    ada.start(rows=5)
    expect(ada.job).to_have_text("Done")
    album.add("done")
    ada.person.close()


if __name__ == "__main__":
    main()
