"""axe-core looks at each state of the rooms example's page, in light and dark."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.example_servers import ExampleServers
from tests.browser.rooms_page import Enter

pytestmark = [pytest.mark.centrifugo, pytest.mark.skipif(axe.MISSING is not None, reason=axe.MISSING or "")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(scheme: Literal["light", "dark"], enter: Enter, rooms: ExampleServers) -> None:
    eve = enter(color_scheme=scheme, reduced_motion="reduce")
    found = {"login": axe.serious_faults(eve.page)}
    eve.person.expect_in_console("status of 401")
    eve.fill_in_login("eve", "not eve")
    expect(eve.alert).not_to_be_empty()
    found["a wrong password"] = axe.serious_faults(eve.page)
    eve.log_in("eve")
    expect(eve.room_button("lobby")).to_be_visible()
    found["list"] = axe.serious_faults(eve.page)
    eve.room_button("attic").click()
    expect(eve.alert).not_to_be_empty()
    found["a full room"] = axe.serious_faults(eve.page)
    eve.open_room("lobby")
    eve.say("Hello!")
    eve.sees("Hello!")
    found["room"] = axe.serious_faults(eve.page)
    eve.person.expect_lost_connections()
    rooms.kill_centrifugo()
    expect(eve.status).to_contain_text("Connection lost")
    eve.say("Is anybody there?")
    found["a lost connection"] = axe.serious_faults(eve.page)
    rooms.start_centrifugo()
    eve.sees("Is anybody there?")
    rooms.flask("ban", "eve")
    expect(eve.page.get_by_text("You are banned.")).to_be_visible()
    found["banned"] = axe.serious_faults(eve.page)
    assert not {state: faults for state, faults in found.items() if faults}


def test_the_colours_follow_the_system(enter: Enter) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (enter(color_scheme=scheme).page.evaluate(background) for scheme in ("light", "dark"))
    assert light != dark
