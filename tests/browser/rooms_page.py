"""The page of the rooms example, as its users see it: by roles and names, not by the structure of its HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.browser.person import Person

VIOLATED_DIRECTIVE = """
new Promise(resolve => {
    addEventListener("securitypolicyviolation", event => resolve(event.effectiveDirective), {once: true});
    setTimeout(resolve, 10_000, null);
    %s
})
"""


class RoomsPage:
    """One tab of a person; the first one if none is named."""

    def __init__(self, person: Person, page: Page | None = None) -> None:
        self.person = person
        self.page = page or person.page
        self.login_button = self.page.get_by_role("button", name="Log in")
        self.status = self.page.get_by_role("status", name="Connection")
        self.alert = self.page.get_by_role("alert")
        self.messages = self.page.get_by_label("Messages").get_by_role("listitem")
        self.people = self.page.get_by_role("list", name="People here").get_by_role("listitem")
        self.field = self.page.get_by_role("textbox", name="Message")
        self.send_again = self.page.get_by_role("button", name="Send again")

    def open_tab(self) -> RoomsPage:
        return RoomsPage(self.person, self.person.open_tab())

    def fill_in_login(self, name: str, password: str | None = None) -> None:
        """Press the button without waiting for what follows.

        :param password: the name, if left out: the demo's users have such passwords.
        """
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(name if password is None else password)
        self.login_button.click()

    def log_in(self, name: str) -> None:
        self.fill_in_login(name)
        self.is_connected()

    def log_out(self) -> None:
        self.page.get_by_role("button", name="Log out").click()

    def is_connected(self) -> None:
        expect(self.status).to_have_text("Connected")

    def room_button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(f"^{name}\\b"))

    def room(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name, level=2)

    def open_room(self, name: str) -> None:
        self.room_button(name).click()
        expect(self.room(name)).to_be_visible()

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def violated_directive(self, script: str) -> str | None:
        """The directive of the page's Content-Security-Policy that forbids the script, or None."""
        directive: str | None = self.page.evaluate(VIOLATED_DIRECTIVE % script)
        return directive

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Without a network until the end of the block."""
        self.person.context.set_offline(True)
        try:
            yield
        finally:
            self.person.context.set_offline(False)

    def sees(self, text: str) -> None:
        """Wait for a message that has arrived."""
        arrived = self.messages.filter(has_text=text).filter(has_not_text="sending…").filter(has_not=self.send_again)
        expect(arrived).to_have_count(1)

    def seen(self, pattern: str) -> list[str]:
        """What matches the pattern in the messages, in the order of the page."""
        found = (re.search(pattern, text) for text in self.messages.all_inner_texts())
        return [match[0] for match in found if match]


Enter = Callable[..., RoomsPage]
