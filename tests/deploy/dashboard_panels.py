"""Panels of a Grafana dashboard, and the PromQL in them, made with Grafana's own package."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
LIMIT: Final = {
    "color": {"mode": "fixed", "fixedColor": "red"},
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.fillOpacity": 0,
    "custom.stacking": {"mode": "none"},
}
"""How a line looks that is a limit."""


def rate(by: str, metric: str, *matchers: str) -> str:
    """The rate of a counter, for each value of the labels, or in all."""
    aggregation = f"sum by ({by}) " if by else "sum"
    return f"{aggregation}(rate({metric}{{{', '.join(matchers)}}}[$__rate_interval]))"


def quantile(share: float, by: str, buckets: str, *matchers: str) -> str:
    return f"histogram_quantile({share}, {rate(f'{by}, le' if by else 'le', buckets, *matchers)})"


def _query(expr: str, legend: str, ref_id: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref_id).datasource(PROMETHEUS)


def graph(
    title: str, unit: str, description: str, *queries: tuple[str, str], stacked: bool = False, span: int = 8
) -> timeseries.Panel:
    """A panel with lines over time.

    :param queries: expressions with their legends; a legend "timeout" or "desired" is drawn as a limit.
    """
    legend = options.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    tooltip = options.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 5)
        .legend(legend.display_mode(LegendDisplayMode.LIST))
        .tooltip(tooltip)
        .span(span)
        .height(8)
    )
    if stacked:
        panel.stacking(options.StackingConfig().mode(StackingMode.NORMAL))
    for ref_id, (expr, name) in zip("ABCDEFG", queries, strict=False):
        panel.with_target(_query(expr, name, ref_id))
        if name in ("timeout", "desired"):
            panel.override_by_name(name, [DynamicConfigValue(id_val=key, value=value) for key, value in LIMIT.items()])
    return panel


def number(title: str, unit: str, description: str, expr: str, *, bad_from: float | None = None) -> stat.Panel:
    """A panel with the last value.

    :param bad_from: the value from which on it is red.
    """
    steps = [Threshold(value=None, color="green")]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color="red"))
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_query(expr, title, "A"))
        .span(4)
        .height(4)
    )


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    every = VariableOption(text="All", value="$__all")
    variable = dashboard.QueryVariable(name).label(label).query(query).datasource(PROMETHEUS)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).current(every)
