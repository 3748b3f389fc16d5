"""How the dashboards look: one way to draw a line, a number and a table."""

import re

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as StatPanel
from grafana_foundation_sdk.builders.timeseries import Panel as LinesPanel
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
WIDTH = 24  # Grafana's grid
RATE = "[$__rate_interval]"
ANSWER = "stampede_gateway_answer_seconds"
ANSWERS = "stampede_gateway_answers_total"
REQUESTS, TIMES, SECONDS, NUMBER, SHARE, BYTES = (
    "reqps",
    "cps",
    "s",
    "short",
    "percentunit",
    "bytes",
)


def per_second(counter: str, by: str = "", where: str = "") -> str:
    """How fast a counter grows, over all processes."""
    return f"{_sum(by)}(rate({counter}{_braces(where)}{RATE}))"


def so_far(counter: str, by: str = "", where: str = "") -> str:
    """By how much it grew in the time that the dashboard shows."""
    return f"{_sum(by)}(increase({counter}{_braces(where)}[$__range]))"


def largest(gauge: str, by: str = "", where: str = "") -> str:
    """A gauge of what belongs to everybody. One leader exports it: while the lead changes, two may."""
    return f"max {f'by ({by}) ' if by else ''}({gauge}{_braces(where)})"


def total(gauge: str, by: str = "", where: str = "") -> str:
    """A gauge of which each process has its own part."""
    return f"{_sum(by)}({gauge}{_braces(where)})"


def quantile(q: float, histogram: str, by: str = "", where: str = "") -> str:
    groups = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {per_second(f'{histogram}_bucket', groups, where)})"


def mean(histogram: str, by: str = "", where: str = "") -> str:
    return f"{per_second(f'{histogram}_sum', by, where)} / {per_second(f'{histogram}_count', by, where)}"


def lines(
    title: str,
    unit: str,
    queries: dict[str, str],
    says: str,
    *,
    width: int = 8,
    stacked: bool = False,
    limit: float | None = None,
) -> LinesPanel:
    """`queries`: expressions by legend. `limit`: where the objective lies, drawn as a dashed line."""
    panel = (
        LinesPanel()
        .title(title)
        .description(says)
        .unit(unit)
        .min(0)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(width)
        .fill_opacity(25 if stacked else 8)
        .line_width(1.5)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(kinds.TooltipDisplayMode.MULTI)
            .sort(kinds.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    if limit is not None:
        panel.thresholds(_thresholds((None, "green"), (limit, "red"))).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(kinds.GraphTresholdsStyleMode.DASHED)
        )
    for letter, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(
            Dataquery().ref_id(letter).expr(expression).legend_format(legend).datasource(SOURCE)
        )
    return panel


def number(
    title: str,
    unit: str,
    expression: str,
    says: str,
    *,
    width: int = 4,
    yellow: float | None = None,
    red: float | None = None,
) -> StatPanel:
    """`yellow`, `red`: from where it looks so."""
    steps: list[tuple[float | None, str]] = [(None, "green")]
    steps += [(at, name) for at, name in ((yellow, "yellow"), (red, "red")) if at is not None]
    return (
        StatPanel()
        .title(title)
        .description(says)
        .unit(unit)
        .datasource(SOURCE)
        .height(4)
        .span(width)
        .thresholds(_thresholds(*steps))
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.AREA)
        .no_value("no data")
        .with_target(Dataquery().ref_id("A").expr(expression).datasource(SOURCE))
    )


def board(
    title: str, says: str, rows: dict[str, list[LinesPanel | StatPanel]], *, session: bool = False
) -> model.Dashboard:
    """`rows`: panels by the heading above them. `session`: one can choose the session that is shown."""
    slug = re.sub(r"\W+", "-", title.lower())
    found = (
        build.Dashboard(f"Stampede: {title}")
        .uid(f"stampede-{slug}")
        .description(says)
        .tags(["stampede"])
        .editable()
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("Stampede")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["stampede"])
            .as_dropdown(True)
            .keep_time(True)
        )
        .with_variable(
            build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
    )
    if session:
        found.with_variable(
            build.QueryVariable("session")
            .label("Session")
            .datasource(SOURCE)
            .query("label_values(stampede_session_seats, session)")
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .multi(True)
            .all_value(".*")
        )
    for heading, panels in rows.items():
        found.with_row(build.Row(heading))
        for panel in panels:
            found.with_panel(panel)
    return found.build()


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def _braces(where: str) -> str:
    return f"{{{where}}}" if where else ""


def _thresholds(*steps: tuple[float | None, str]) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=at, color=name) for at, name in steps])
    )
