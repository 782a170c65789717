"""The page of the jobs example: a job in a worker process, and people in real browsers who watch it."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.example_servers import ExampleServers
from tests.browser.jobs_page import EnterJobs

pytestmark = pytest.mark.centrifugo
LONG = 1000
"""Rows of a job that a test does not wait for: 50 s."""


def test_the_bar_of_a_job_reaches_its_end(enter_jobs: EnterJobs) -> None:
    ada = enter_jobs("ada")
    ada.record()
    ada.start(rows=40)
    expect(ada.job).to_have_text("Done")
    assert ada.value() == 100
    values = ada.recorded()
    assert len(set(values)) > 3  # it has moved, and never backwards
    assert values == sorted(values)


def test_a_reload_of_the_page_finds_the_job(enter_jobs: EnterJobs) -> None:
    bob = enter_jobs("bob")
    bob.start(LONG)
    bob.has_begun()
    before = bob.value()
    bob.page.reload()
    bob.has_begun()
    assert bob.value() >= before
    bob.cancel_button.click()
    expect(bob.job).to_have_text("Cancelled")
    bob.page.reload()
    expect(bob.job).to_have_text("Cancelled")


def test_a_job_is_cancelled_and_another_one_can_start(enter_jobs: EnterJobs) -> None:
    eve = enter_jobs("eve")
    eve.start(LONG)
    eve.has_begun()
    eve.cancel_button.click()
    expect(eve.job).to_have_text("Cancelled")
    assert eve.value() < 100
    eve.start(rows=5)
    expect(eve.job).to_have_text("Done")
    assert eve.value() == 100


def test_a_second_job_is_refused_in_words(enter_jobs: EnterJobs) -> None:
    carol = enter_jobs("carol")
    other = carol.open_tab()
    other.is_connected()
    carol.start(LONG)
    other.has_begun()  # each tab shows the user's job
    other.start(rows=5)
    expect(other.alert).to_contain_text("A job is running.")
    other.cancel_button.click()
    for tab in (carol, other):
        expect(tab.job).to_have_text("Cancelled")


def test_others_do_not_see_the_job(enter_jobs: EnterJobs) -> None:
    dave, erin = enter_jobs("dave"), enter_jobs("erin")
    dave.start(rows=20)
    expect(dave.job).to_have_text("Done")
    expect(erin.bar).to_be_hidden()


def test_a_restart_of_both_servers_does_not_stop_the_bar(enter_jobs: EnterJobs, jobs: ExampleServers) -> None:
    frank = enter_jobs("frank")
    frank.person.expect_lost_connections()
    frank.record()
    frank.start(rows=120)
    frank.has_begun()
    jobs.kill_centrifugo()
    expect(frank.status).to_contain_text("Connection lost")
    jobs.start_centrifugo()
    with jobs.reloading_backend():
        pass
    expect(frank.job).to_have_text("Done")
    frank.is_connected()
    assert frank.value() == 100
    assert frank.recorded() == sorted(frank.recorded())


def test_a_job_is_done_with_the_keyboard_alone(enter_jobs: EnterJobs) -> None:
    grace = enter_jobs()
    grace.person.tab_to(grace.page.get_by_label("Name"))
    grace.page.keyboard.type("grace")
    grace.person.press("Enter")
    grace.is_connected()
    expect(grace.page.get_by_label("Rows")).to_be_focused()
    grace.person.press("Control+a")
    grace.page.keyboard.type(str(LONG))
    grace.person.press("Enter")
    grace.has_begun()
    grace.person.tab_to(grace.cancel_button)
    grace.person.press("Enter")
    expect(grace.job).to_have_text("Cancelled")
    expect(grace.page.locator(":focus")).to_have_count(1)  # and not lost with the button


def test_nothing_of_a_job_is_wider_than_a_phone(enter_jobs: EnterJobs) -> None:
    heidi = enter_jobs(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert heidi.person.page_fits_the_window()
    heidi.log_in("heidi" + "x" * 15)
    heidi.start(rows=5)
    expect(heidi.job).to_have_text("Done")
    assert heidi.person.page_fits_the_window()


@pytest.mark.skipif(axe.MISSING is not None, reason=axe.MISSING or "")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_jobs(scheme: Literal["light", "dark"], enter_jobs: EnterJobs) -> None:
    ivan = enter_jobs(color_scheme=scheme, reduced_motion="reduce")
    found = {"login": axe.serious_faults(ivan.page)}
    ivan.log_in(f"ivan{scheme}")
    found["no job"] = axe.serious_faults(ivan.page)
    ivan.start(LONG)
    ivan.has_begun()
    found["running"] = axe.serious_faults(ivan.page)
    ivan.start(rows=5)
    expect(ivan.alert).to_contain_text("A job is running.")
    found["refused"] = axe.serious_faults(ivan.page)
    ivan.cancel_button.click()
    expect(ivan.job).to_have_text("Cancelled")
    found["cancelled"] = axe.serious_faults(ivan.page)
    ivan.start(rows=5)
    expect(ivan.job).to_have_text("Done")
    found["done"] = axe.serious_faults(ivan.page)
    assert not {state: faults for state, faults in found.items() if faults}
