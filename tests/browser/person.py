"""A person with a browser of their own, whose pages report everything that must not happen in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, WebSocket

from tests.browser.chromium import TIMEOUT

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
    console.error(`Content-Security-Policy: ${event.violatedDirective} forbids ${event.blockedURI}`);
});
"""
WITHOUT_FOCUS_RING = """
(element) => {
    const style = getComputedStyle(element);
    return (style.outlineStyle === "none" || style.outlineWidth === "0px") && style.boxShadow === "none";
}
"""
MOST_TABS = 60
"""Tab is pressed so often at most to reach an element."""


class Person:
    """A browser context, which has its own cookies, and its first page.

    :param url: of the page.
    :param hosts: all that the page may ask for something, with their ports.
    :param options: of Playwright's ``new_context``, such as ``color_scheme``.
    """

    def __init__(self, browser: Browser, url: str, hosts: set[str], **options: Any) -> None:
        self.url, self._hosts = url, hosts
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(TIMEOUT)
        self.context.add_init_script(REPORT_VIOLATIONS)
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._problems.append(f"uncaught: {error.error}"))
        self.context.on("request", lambda request: self._request(request.url))
        self.context.on("page", lambda page: page.on("websocket", self._websocket))
        self.websockets: list[str] = []
        """The URLs of all WebSockets that pages have opened."""
        self._problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self.page = self.context.new_page()

        self.page.goto(self.url)

    def open_tab(self) -> Page:
        """The page of another tab, which shares the cookies."""
        page = self.context.new_page()
        page.goto(self.url)
        return page

    def expect_in_console(self, pattern: str) -> None:
        """Accept such errors from here on: Chromium itself reports failed requests and connections in the console."""
        self._expected.append(re.compile(pattern))

    def expect_lost_connections(self) -> None:
        """Accept that connections to the servers fail from here on."""
        self.expect_in_console(r"WebSocket connection to '[^']*' failed|net::ERR_CONNECTION_|net::ERR_EMPTY_RESPONSE")

    def problems(self) -> list[str]:
        """Uncaught errors, console messages, forbidden or foreign requests: what is not expected."""
        for page in self.context.pages:
            page.evaluate("0")  # what has happened until now has been reported when this returns
        return [problem for problem in self._problems if not any(known.search(problem) for known in self._expected)]

    def page_fits_the_window(self) -> bool:
        """Whether the first page needs no scrolling from left to right."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))

    def close(self) -> None:
        self.context.close()

    # keyboard

    def tab_to(self, target: Locator) -> None:
        """Press Tab until the element has the focus.

        :raises AssertionError: if it is not reached, or if an element on the way does not show that it has the focus.
        """
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            focused = self.page.locator(":focus")
            if focused.count() == 0:
                continue  # the focus is in the browser's own controls
            assert not focused.evaluate(WITHOUT_FOCUS_RING), f"no visible focus: {focused.evaluate('e => e.outerHTML')}"
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"Tab does not reach {target}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    # what pages report

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self._problems.append(f"console: {message.text} ({message.location.get('url')})")

    def _request(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in ("data", "blob") and address.netloc not in self._hosts:
            self._problems.append(f"request to another host: {url}")

    def _websocket(self, websocket: WebSocket) -> None:
        self.websockets.append(websocket.url)
        self._request(websocket.url)


NewPerson = Callable[..., Person]
