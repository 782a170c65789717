"""The page of the jobs example, as its users see it: by roles and names, not by the structure of its HTML."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.person import Person

RECORD = """
bar => {
    window.recorded = [];
    new MutationObserver(() => recorded.push(bar.value)).observe(bar, {attributeFilter: ["value"]});
}
"""


class JobsPage:
    """One tab of a person; the first one if none is named."""

    def __init__(self, person: Person, page: Page | None = None) -> None:
        self.person = person
        self.page = page or person.page
        self.log_in_button = self.page.get_by_role("button", name="Log in")
        self.status = self.page.get_by_role("status", name="Connection")
        self.job = self.page.get_by_role("status", name="Job")
        self.alert = self.page.get_by_role("alert")
        self.bar = self.page.get_by_role("progressbar", name="Progress")
        self.start_button = self.page.get_by_role("button", name="Start")
        self.cancel_button = self.page.get_by_role("button", name="Cancel")

    def open_tab(self) -> JobsPage:
        return JobsPage(self.person, self.person.open_tab())

    def log_in(self, name: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.log_in_button.click()
        self.is_connected()

    def is_connected(self) -> None:
        expect(self.status).to_have_text("Connected")

    def start(self, rows: int) -> None:
        """Start a job. Each row takes 0.05 s."""
        self.page.get_by_label("Rows").fill(str(rows))
        self.start_button.click()

    def value(self) -> float:
        """Of the bar; of one that has none it is 0."""
        return float(self.bar.evaluate("bar => bar.value"))

    def has_begun(self) -> None:
        """Wait until the bar shows that something has been done."""
        expect(self.bar).to_have_js_property("hidden", False)
        self.page.wait_for_function("bar => bar.value > 0", arg=self.bar.element_handle())

    def record(self) -> None:
        self.page.locator("progress").evaluate(RECORD)

    def recorded(self) -> list[float]:
        """The values of the bar since :meth:`record`, one after another."""
        values: list[float] = self.page.evaluate("recorded")
        return values


EnterJobs = Callable[..., JobsPage]
