"""The page of the rooms example, with people in real browsers, gunicorn and a real Centrifugo."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.example_servers import ExampleServers
from tests.browser.rooms_page import Enter

pytestmark = pytest.mark.centrifugo
LONG_ENOUGH_TO_COME_BACK = 3_000.0
"""Milliseconds. A client that tries again begins with it after half a second."""


def test_two_people_talk(enter: Enter) -> None:
    ada, bob = enter("ada"), enter("bob")
    for person in (ada, bob):
        person.open_room("lobby")
    ada.say("Hello Bob!")
    bob.sees("Hello Bob!")
    bob.say("Hello Ada, <b>how</b> are you?")
    for person in (ada, bob):
        person.sees("Hello Ada, <b>how</b> are you?")
        assert person.seen("Hello (Bob|Ada)") == ["Hello Bob", "Hello Ada"]
    expect(bob.messages.filter(has_text="Hello Bob!")).to_contain_text("ada")


def test_who_is_in_the_room_is_shown(enter: Enter) -> None:
    ada = enter("ada")
    ada.open_room("lobby")
    expect(ada.people).to_have_count(1)
    bob = enter("bob")
    bob.open_room("lobby")
    for person in (ada, bob):
        expect(person.people).to_have_count(2)
        expect(person.people.filter(has_text="ada")).to_be_visible()
        expect(person.people.filter(has_text="bob")).to_be_visible()
    again = bob.open_tab()
    again.open_room("lobby")
    ada.say("Who is here?")
    again.sees("Who is here?")
    expect(ada.people).to_have_count(2)  # two tabs of one user are one person
    again.page.close()
    ada.say("Is Bob still here?")
    bob.sees("Is Bob still here?")
    expect(ada.people).to_have_count(2)
    bob.page.close()
    expect(ada.people).to_have_count(1)


def test_who_joins_later_sees_what_was_said(enter: Enter) -> None:
    ada = enter("ada")
    ada.open_room("lobby")
    for number in (1, 2, 3):
        ada.say(f"number {number}")
    ada.sees("number 3")
    eve = enter("eve")
    eve.open_room("lobby")
    eve.sees("number 3")
    assert eve.seen(r"number \d") == ["number 1", "number 2", "number 3"]


def test_one_is_refused_without_an_invitation(enter: Enter) -> None:
    eve, ada = enter("eve"), enter("ada")
    eve.room_button("staff").click()
    expect(eve.alert).to_have_text("This room is by invitation only.")
    expect(eve.field).to_be_hidden()
    ada.open_room("staff")
    expect(ada.field).to_be_visible()


def test_one_meets_the_full_room_and_gets_in_when_somebody_has_left(enter: Enter) -> None:
    eve, ada = enter("eve"), enter("ada")
    eve.room_button("attic").click()
    expect(eve.alert).to_have_text("This room is full. Try again later.")
    ada.open_room("attic")
    ada.page.get_by_role("button", name="Leave room").click()
    expect(ada.field).to_be_hidden()
    expect(ada.room_button("attic")).not_to_have_accessible_name("attic, full")
    eve.open_room("attic")
    eve.say("There is a seat now.")
    eve.sees("There is a seat now.")


@pytest.mark.parametrize("rooms", [{"PUBLISH_LIMIT": "1 per hour"}], indirect=True)
def test_a_message_beyond_the_rate_limit_is_kept_until_it_is_sent_again(enter: Enter, rooms: ExampleServers) -> None:
    ada, bob = enter("ada"), enter("bob")
    for person in (ada, bob):
        person.open_room("lobby")
    for number in (1, 2, 3):  # each of the two workers counts by itself
        ada.say(f"number {number}")
    expect(ada.alert.first).to_contain_text("Too many messages. Wait a moment and send again.")
    refused = ada.page.get_by_role("listitem").filter(has=ada.send_again).first
    (text,) = re.findall(r"number \d", refused.inner_text())
    assert text not in bob.seen(r"number \d")
    with rooms.reloading_backend():
        pass  # new workers have counted nothing
    refused.get_by_role("button", name="Send again").click()
    bob.sees(text)
    ada.sees(text)


def test_one_is_banned_and_stays_away(enter: Enter, rooms: ExampleServers) -> None:
    eve, ada = enter("eve"), enter("ada")
    for person in (ada, eve):
        person.open_room("lobby")
    rooms.flask("ban", "eve")
    expect(eve.page.get_by_text("You are banned.")).to_be_visible()
    before = len(eve.person.websockets)
    ada.say("Eve is gone.")
    ada.sees("Eve is gone.")
    expect(ada.people).to_have_count(1)
    eve.page.wait_for_timeout(LONG_ENOUGH_TO_COME_BACK)
    assert len(eve.person.websockets) == before
    assert eve.seen("Eve is gone") == []


def test_one_who_is_banned_already_is_not_let_in(enter: Enter) -> None:
    mallory = enter()
    mallory.person.expect_in_console("status of 40[13]")  # the login may refuse, or Centrifugo's connection
    mallory.fill_in_login("mallory")
    expect(mallory.page.get_by_text("You are banned.")).to_be_visible()
    before = len(mallory.person.websockets)
    mallory.page.wait_for_timeout(LONG_ENOUGH_TO_COME_BACK)
    assert len(mallory.person.websockets) == before


def test_a_wrong_password_is_refused_in_words(enter: Enter) -> None:
    ada = enter()
    ada.person.expect_in_console("status of 401")
    ada.fill_in_login("ada", "not ada")
    expect(ada.alert).not_to_be_empty()
    expect(ada.login_button).to_be_visible()
    assert ada.person.websockets == []
    ada.log_in("ada")


def test_a_logout_in_another_tab_ends_the_connection_at_the_next_refresh(enter: Enter) -> None:
    ada, bob = enter("ada"), enter("bob")
    for person in (ada, bob):
        person.open_room("lobby")
    other = ada.open_tab()
    other.is_connected()
    other.log_out()
    expect(other.login_button).to_be_visible()
    expect(ada.page.get_by_text("Your login has ended. Log in again.")).to_be_visible()
    expect(ada.login_button).to_be_visible()
    expect(bob.people).to_have_count(1)
    before = len(ada.person.websockets)
    ada.page.wait_for_timeout(LONG_ENOUGH_TO_COME_BACK)
    assert len(ada.person.websockets) == before
    ada.log_in("ada")
    ada.open_room("lobby")
    ada.say("Here again.")
    bob.sees("Here again.")


def test_a_login_outlives_a_reload_of_the_page(enter: Enter) -> None:
    ada = enter("ada")
    ada.page.reload()
    ada.is_connected()
    ada.open_room("lobby")


FORBIDDEN = {
    "fetch('http://127.0.0.1:9/').catch(() => 0)": "connect-src",
    "new WebSocket('ws://127.0.0.1:9/')": "connect-src",
    "new Image().src = 'http://127.0.0.1:9/x.png'": "img-src",
    "document.head.append(Object.assign(document.createElement('script'), {text: '0'}))": "script-src-elem",
    "document.body.setAttribute('style', 'color: red')": "style-src-attr",
    "document.body.append(document.createElement('iframe')); frames[0].location = '/'": "frame-src",
}
"""The directive of the Content-Security-Policy that forbids a script."""


def test_the_policy_of_the_page_forbids_what_the_page_does_not_need(enter: Enter) -> None:
    visitor = enter()
    visitor.person.expect_in_console("Content.Security.Policy|127.0.0.1:9")
    assert {script: visitor.violated_directive(script) for script in FORBIDDEN} == FORBIDDEN


def test_everything_works_with_the_keyboard_alone(enter: Enter) -> None:
    ada, bob = enter(), enter("bob")
    bob.open_room("lobby")
    person = ada.person
    person.tab_to(ada.page.get_by_label("Name"))
    person.page.keyboard.type("ada")
    person.tab_to(ada.page.get_by_label("Password"))
    person.page.keyboard.type("ada")
    person.press("Enter")
    ada.is_connected()
    person.tab_to(ada.room_button("lobby"))
    person.press("Enter")
    expect(ada.field).to_be_focused()  # so that one can write at once
    person.page.keyboard.type("Without a mouse.")
    person.press("Enter")
    bob.sees("Without a mouse.")
    person.tab_to(ada.page.get_by_role("button", name="Leave room"))
    person.press("Enter")
    expect(ada.field).to_be_hidden()
    expect(ada.page.locator(":focus")).to_have_count(1)  # and not lost with the button
    person.tab_to(ada.page.get_by_role("button", name="Log out"))
    person.press("Enter")
    expect(ada.login_button).to_be_visible()


def test_nothing_is_wider_than_a_phone(enter: Enter) -> None:
    ada = enter(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert ada.person.page_fits_the_window()
    ada.log_in("ada")
    assert ada.person.page_fits_the_window()
    ada.open_room("lobby")
    ada.say("x" * 300)
    ada.say("https://example.com/" + "a-long-path/" * 30)
    ada.sees("a-long-path")
    assert ada.person.page_fits_the_window()
