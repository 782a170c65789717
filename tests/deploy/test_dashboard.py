"""The dashboard in deploy/grafana."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.deploy import write_dashboard

DASHBOARD: dict[str, Any] = json.loads(write_dashboard.OUTPUT.read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}


def test_the_dashboard_is_the_one_that_is_written() -> None:
    assert write_dashboard.OUTPUT.read_text(encoding="utf-8") == write_dashboard.build(), (
        "python -m tests.deploy.write_dashboard writes it"
    )


def test_titles_are_unique() -> None:
    assert len(PANELS) == len([panel for panel in DASHBOARD["panels"] if panel["type"] != "row"])


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_has_a_unit_and_says_what_it_shows(title: str) -> None:
    panel = PANELS[title]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


def test_the_data_source_is_chosen_in_the_dashboard() -> None:
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    sources = [panel["datasource"] for panel in PANELS.values()]
    sources += [target["datasource"] for panel in PANELS.values() for target in panel["targets"]]
    sources += [query["datasource"] for query in DASHBOARD["annotations"]["list"]]
    assert {source["uid"] for source in sources} == {"${datasource}"}
