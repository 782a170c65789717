"""The servers of the rooms example are reloaded, stopped and started under people who talk."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.example_servers import ExampleServers
from tests.browser.rooms_page import Enter, RoomsPage

pytestmark = pytest.mark.centrifugo


@pytest.fixture
def ada(enter: Enter) -> RoomsPage:
    return in_lobby(enter, "ada")


@pytest.fixture
def bob(enter: Enter) -> RoomsPage:
    return in_lobby(enter, "bob")


def in_lobby(enter: Enter, name: str) -> RoomsPage:
    page = enter(name)
    page.open_room("lobby")
    page.person.expect_lost_connections()
    return page


def say(person: RoomsPage, *texts: str) -> list[str]:
    for text in texts:
        person.say(text)
    return list(texts)


def both_have(texts: list[str], *people: RoomsPage) -> None:
    """Wait until each text has arrived; fail if one is there twice, or in another order than *texts*."""
    for person in people:
        person.is_connected()
        for text in texts:
            person.sees(text)
        assert person.seen(r"(before|during|after) \d") == texts


def test_a_reload_of_gunicorn_loses_nothing(ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers) -> None:
    texts = say(ada, "before 1", "before 2")
    both_have(texts, bob)
    with rooms.reloading_backend():
        texts += say(ada, *(f"during {number}" for number in range(5)))
    texts += say(ada, "after 1")
    both_have(texts, ada, bob)
    assert len(ada.person.websockets) == len(bob.person.websockets) == 1


def test_a_restart_of_centrifugo_loses_nothing(ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers) -> None:
    texts = say(ada, "before 1", "before 2")
    both_have(texts, bob)
    rooms.kill_centrifugo()
    texts += say(ada, "during 1", "during 2", "during 3")
    expect(ada.status).to_contain_text("Connection lost")
    expect(bob.status).to_contain_text("Connection lost")
    rooms.start_centrifugo()
    both_have(texts, ada, bob)
    texts += say(ada, "after 1")
    both_have(texts, ada, bob)
    for person in (ada, bob):
        expect(person.people).to_have_count(2)


def test_what_others_say_while_one_is_away_is_there_when_one_is_back(
    ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers
) -> None:
    texts = say(ada, "before 1")
    both_have(texts, bob)
    with bob.offline():
        expect(bob.status).to_contain_text("Connection lost")
        texts += say(ada, *(f"during {number}" for number in range(1, 9)))
        both_have(texts, ada)
        rooms.kill_centrifugo()  # so that Centrifugo's own history cannot help
        rooms.start_centrifugo()
        ada.is_connected()
    both_have(texts, bob)


def test_messages_wait_for_a_backend_that_is_down(ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers) -> None:
    texts = say(ada, "before 1")
    both_have(texts, bob)
    rooms.stop_backend()
    texts += say(ada, "during 1", "during 2")
    ada.page.wait_for_timeout(2_000)
    assert bob.seen(r"during \d") == []
    rooms.start_backend()
    both_have(texts, ada, bob)
    texts += say(ada, "after 1")
    both_have(texts, ada, bob)


def test_a_message_whose_outcome_is_unknown_arrives_once(ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers) -> None:
    texts = say(ada, "before 1")
    both_have(texts, bob)
    texts += say(ada, "during 1")
    rooms.kill_centrifugo()  # it may have given the message to the backend, and it may not
    rooms.start_centrifugo()
    both_have(texts, ada, bob)
    ada.page.reload()
    ada.open_room("lobby")
    both_have(texts, ada)


def test_both_servers_restarted_at_once_lose_nothing(ada: RoomsPage, bob: RoomsPage, rooms: ExampleServers) -> None:
    texts = say(ada, "before 1")
    both_have(texts, bob)
    bob.field.fill("not yet written to the end")
    rooms.kill_centrifugo()
    rooms.stop_backend()
    texts += say(ada, "during 1")
    rooms.start_centrifugo()  # clients come before there is a backend to ask
    ada.page.wait_for_timeout(1_000)
    rooms.start_backend()
    both_have(texts, ada, bob)
    expect(bob.field).to_have_value("not yet written to the end")
