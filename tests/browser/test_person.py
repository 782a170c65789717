"""What a page must not do is noticed: without these tests, the others could not fail for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser

from tests.browser import axe
from tests.browser.person import Person
from tests.support.servers import serving_in_thread
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PAGE = (
    b'<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>page</title><h1>Page</h1><button>a</button>'
)
POLICY = "default-src 'none'; connect-src *; img-src data:; style-src 'self'"


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    headers = [("Content-Type", "text/html"), ("Content-Security-Policy", POLICY)]
    start_response("200 OK" if environ["PATH_INFO"] == "/" else "404 Not Found", headers)
    return [PAGE]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with serving_in_thread(application) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def visitor(browser: Browser, host: str) -> Iterator[Person]:
    person = Person(browser, f"http://{host}", {host})
    yield person
    person.close()


def test_a_page_that_does_nothing_wrong_has_no_problems(visitor: Person) -> None:
    visitor.page.evaluate("fetch('/').then(response => response.text())")
    assert visitor.problems() == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('this failed')", "console: this failed"),
        ("console.warn('take care')", "console: take care"),
        ("setTimeout(() => { throw new Error('nobody catches me'); })", "uncaught: nobody catches me"),
        ("Promise.reject(new Error('nobody waits for me')) && 0", "uncaught: nobody waits for me"),
        ("void fetch('/missing')", "404 (Not Found)"),
        ("void fetch('https://cdn.example/').catch(() => 0)", "request to another host: https://cdn.example/"),
        ("void new WebSocket('ws://127.0.0.1:9/x')", "request to another host: ws://127.0.0.1:9/x"),
        ("document.body.setAttribute('style', 'color: red')", "Content-Security-Policy: style-src-attr forbids inline"),
        ("void (new Image().src = '/x.png')", "Content-Security-Policy: img-src forbids"),
    ],
)
def test_a_problem_of_a_page_is_noticed(visitor: Person, script: str, problem: str) -> None:
    visitor.page.evaluate(script)
    wait_until(lambda: any(problem in found for found in visitor.problems()), problem)


def test_only_the_expected_problem_is_accepted(visitor: Person) -> None:
    visitor.expect_in_console("this failed")
    visitor.page.evaluate("console.error('this failed'); console.error('that failed')")
    wait_until(lambda: len(visitor.problems()) == 1, "the problem")
    assert "that failed" in visitor.problems()[0]


def test_a_problem_in_another_tab_is_noticed(visitor: Person) -> None:
    visitor.open_tab().evaluate("console.error('this failed')")
    wait_until(visitor.problems, "the problem")


def test_an_element_without_a_visible_focus_is_noticed(visitor: Person) -> None:
    button = visitor.page.get_by_role("button")
    visitor.tab_to(button)
    button.evaluate("button => { button.blur(); button.style.outline = 'none'; }")
    with pytest.raises(AssertionError, match="no visible focus"):
        visitor.tab_to(button)


@pytest.mark.skipif(axe.MISSING is not None, reason=axe.MISSING or "")
def test_a_serious_fault_of_accessibility_is_noticed(visitor: Person) -> None:
    assert axe.serious_faults(visitor.page) == []
    visitor.page.get_by_role("button").evaluate("button => button.textContent = ''")
    (fault,) = axe.serious_faults(visitor.page)
    assert fault.startswith("button-name (critical): ")


def test_a_page_that_is_wider_than_a_phone_is_noticed(browser: Browser, host: str) -> None:
    phone = Person(browser, f"http://{host}", {host}, viewport={"width": 360, "height": 740}, is_mobile=True)
    assert phone.page_fits_the_window()
    phone.page.get_by_role("heading").evaluate("heading => heading.textContent = 'x'.repeat(300)")
    assert not phone.page_fits_the_window()
    phone.close()
