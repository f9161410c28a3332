"""The charts' specifications, drawn with Altair: `python -m serving.web.charts.drawing` writes them as files.

The service reads the files and never imports Altair, which would cost each of its workers a second and fifty
megabytes. A test draws them again and compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import altair as alt

FOLDER: Final = Path(__file__).parent / "specs"
# Told apart with every common kind of colour blindness, and dark enough on white where a line is thin.
BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = "#0b5cab", "#c2510a", "#00795a", "#96307b", "#8a6100", "#5b6675"
CLASSES: Final = (BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY)
BANDS: Final = {"P10 to P50": "#c9dcef", "P50 to P80": "#7fb0dd", "P80 to P95": "#a9cbe9"}
AGES: Final = {"0-1": "#b7d3ee", "2-3": "#6ba3d6", "4-7": "#1f6fb8", "8-14": "#d98a4b", ">14": "#a8400a"}
DAY: Final = "%-d %b"  # the reader's locale may turn it round
INK, MUTED, LINE = "#1a2330", "#525e6d", "#e3e7ed"
FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'
PSI_LIMIT: Final = 0.2  # the field's usual threshold of a shift that matters

Drawn = alt.LayerChart | alt.FacetChart  # what Altair says of a chart of layers
ROWS, MARKS = alt.NamedData("rows"), alt.NamedData("marks")


def fan() -> Drawn:
    """What is forecast, with its quantiles, beside what came and what an earlier issue said."""
    base = alt.Chart(ROWS).encode(x=_days())
    bands = [
        base.transform_calculate(band=f"'{name}'")
        .mark_area(interpolate="monotone")
        .encode(y=alt.Y(f"{low}:Q", title="Return lines a day"), y2=high, color=_legend("band", BANDS, None))
        for name, low, high in (
            ("P10 to P50", "q10", "q50"),
            ("P80 to P95", "q80", "q95"),
            ("P50 to P80", "q50", "q80"),
        )
    ]
    median = base.mark_line(color=BLUE, strokeWidth=2.5, interpolate="monotone").encode(y="q50:Q")
    before = base.mark_line(color=PURPLE, strokeWidth=2, strokeDash=[6, 4], interpolate="monotone")
    came = base.mark_line(color=INK, strokeWidth=1.75, point=alt.OverlayMarkDef(size=22, fill=INK))
    marks = alt.Chart(MARKS).mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=_days())
    names = alt.Chart(MARKS).mark_text(
        align="right", baseline="top", dx=-4, dy=3, angle=270, color=MUTED, fontSize=11
    )
    return alt.layer(
        *bands,
        marks,
        names.encode(x=_days(), y=alt.value(0), text="name:N"),
        before.encode(y="versus:Q"),
        median,
        came.encode(y="actual:Q"),
        _touch(
            base,
            ("q10", "P10"),
            ("q50", "P50"),
            ("q80", "P80"),
            ("q95", "P95"),
            ("actual", "Actual"),
            ("versus", "Earlier P50"),
        ),
    ).properties(height=340)


def hours() -> Drawn:
    """Labour hours of each day, by shift."""
    bars = (
        alt.Chart(ROWS)
        .mark_bar(cornerRadius=1)
        .encode(
            x=_band(),
            y=alt.Y("hours:Q", title="Hours", stack="zero"),
            color=alt.Color(
                "shift:N", title=None, sort=None, scale=alt.Scale(range=[BLUE, "#7fb0dd", GREEN, "#7cc3ad"])
            ),
            order=alt.Order("place:O"),
            tooltip=[
                _said("day", "Day"),
                _said("shift", "Shift"),
                _figure("hours", "Hours", ",.1f"),
                _figure("heads", "Heads"),
            ],
        )
    )
    return alt.layer(bars).properties(height=260)


def capacity() -> Drawn:
    """What each day needs of something, against what there is."""
    over = alt.condition(
        "datum.limit !== null && datum.need > datum.limit", alt.value(ORANGE), alt.value(BLUE)
    )
    bars = (
        alt.Chart(ROWS)
        .mark_bar(cornerRadius=1)
        .encode(
            x=_band(),
            y=_whole("need"),
            color=over,
            tooltip=[_said("day", "Day"), _figure("need", "Needed"), _figure("limit", "There are")],
        )
    )
    limit = alt.Chart(MARKS).encode(y=_whole("limit"))
    line = limit.mark_rule(color=INK, strokeWidth=1.5, strokeDash=[6, 3])
    label = limit.mark_text(align="right", dy=-7, dx=-2, color=INK, fontSize=11, fontWeight=600)
    named = label.encode(x=alt.value("width"), text="name:N")
    return alt.layer(bars, line, named).properties(height=200)


def ageing() -> Drawn:
    """How long what is open has waited, by queue."""
    bars = (
        alt.Chart(ROWS)
        .mark_bar()
        .encode(
            y=alt.Y(
                "queue:N", title=None, sort=None, axis=alt.Axis(labelFontSize=13, domain=False, ticks=False)
            ),
            x=alt.X("count:Q", title="Open cases", stack="zero", axis=alt.Axis(tickMinStep=1, tickCount=8)),
            color=_legend("bucket", AGES, "Business days"),
            order=alt.Order("place:O"),
            tooltip=[
                _said("queue", "Queue"),
                _said("bucket", "Business days"),
                _figure("count", "Open cases", ","),
            ],
        )
    )
    return alt.layer(bars).properties(height=alt.Step(40))


def hits() -> Drawn:
    """How often each rule fired."""
    owners = {"operations": BLUE, "finance": GREEN, "compliance": ORANGE, "site": PURPLE}
    bars = (
        alt.Chart(ROWS)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y("rule:N", title=None, sort=None, axis=alt.Axis(domain=False, ticks=False)),
            x=alt.X("count:Q", title="Recommendations", axis=alt.Axis(tickMinStep=1, tickCount=8)),
            color=_legend("owner", owners, None),
            tooltip=[
                _said("rule", "Rule"),
                _said("sentence", "Says"),
                _figure("count", "Fired", ","),
                _said("share", "Share"),
            ],
        )
    )
    return alt.layer(bars).properties(height=alt.Step(22))


def reliability() -> Drawn:
    """What was said beside what happened: on the line is right."""
    limits = alt.Scale(domainMin=0, nice=True)
    base = alt.Chart(ROWS).encode(
        x=alt.X("said:Q", title="Said", scale=limits, axis=alt.Axis(format="%", tickCount=5)),
        color=alt.Color(
            "name:N",
            title=None,
            scale=alt.Scale(range=list(CLASSES)),
            legend=alt.Legend(columns=3, symbolType="stroke"),
        ),
    )
    found = alt.Y("found:Q", title="Happened", scale=limits, axis=alt.Axis(format="%", tickCount=5))
    ideal = alt.Chart(MARKS).mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1)
    spans = base.mark_rule(opacity=0.45, strokeWidth=1.5).encode(y=alt.Y("lo:Q", title="Happened"), y2="hi")
    points = base.mark_line(strokeWidth=1.75, point=alt.OverlayMarkDef(size=36)).encode(
        y=found,
        tooltip=[
            _said("name", "Class"),
            _figure("said", "Said", ".1%"),
            _figure("found", "Happened", ".1%"),
            _figure("lo", "From", ".1%"),
            _figure("hi", "To", ".1%"),
            _figure("rows", "Rows", ","),
        ],
    )
    return alt.layer(ideal.encode(x="x:Q", y="y:Q"), spans, points).properties(height=300)


def drift() -> Drawn:
    """How far columns have moved since training."""
    bars = (
        alt.Chart(ROWS)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y(
                "column:N", title=None, sort=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=180)
            ),
            x=alt.X("psi:Q", title="Population stability index"),
            color=alt.condition("datum.moved", alt.value(ORANGE), alt.value(BLUE)),
            tooltip=[_said("column", "Column"), _figure("psi", "PSI", ".3f"), _figure("ks", "KS", ".3f")],
        )
    )
    limit = alt.Chart(MARKS).mark_rule(color=INK, strokeDash=[6, 3]).encode(x="limit:Q")
    return alt.layer(bars, limit).properties(height=alt.Step(22))


def _days() -> alt.X:
    return alt.X(
        "ds:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format=DAY, grid=False, labelFlush=True, labelOverlap="greedy"),
    )


def _band() -> alt.X:
    # Days as bars: the label is of a moment, and only some of them have room.
    axis = alt.Axis(labelAngle=0, labelOverlap="greedy", grid=False, ticks=False, labelSeparation=8)
    return alt.X("label:N", title=None, sort=None, axis=axis, scale=alt.Scale(paddingInner=0.25))


def _whole(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d"))


def _legend(field: str, colours: dict[str, str], title: str | None) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{field}:N", title=title, scale=scale, legend=alt.Legend(symbolType="square"))


def _said(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:N", title=title)


def _figure(field: str, title: str, form: str = ",.0f") -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=form)


def _touch(base: alt.Chart, *figures: tuple[str, str]) -> alt.Chart:
    """A strip over each day that tells its figures and is seen while the pointer is on it."""
    hover = alt.selection_point(
        name="hover", fields=["ds"], on="pointerover", clear="pointerout", empty=False
    )
    told = [_said("day", "Day"), *(_figure(field, title, ",.1f") for field, title in figures)]
    strip: alt.Chart = (
        base.mark_rect(color=INK)
        .encode(x2="next", opacity=alt.condition(hover, alt.value(0.08), alt.value(0)), tooltip=told)
        .add_params(hover)
    )
    return strip


CHARTS: Final[dict[str, Callable[[], Drawn]]] = {
    made.__name__: made for made in (fan, hours, capacity, ageing, hits, reliability, drift)
}


def drawn(name: str) -> dict[str, Any]:
    """One specification, without rows, in the dress of the pages."""
    text = {"labelColor": MUTED, "titleColor": MUTED, "labelFont": FONT, "titleFont": FONT}
    found = (
        CHARTS[name]()
        .properties(width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure(background="transparent", font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            **text,
            gridColor=LINE,
            domainColor="#aeb7c2",
            tickColor="#aeb7c2",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_legend(
            **text,
            orient="top",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            offset=8,
            columns=5,
        )
        .to_dict()
    )
    return dict(found)


def written(name: str) -> str:
    """The file of a specification."""
    return json.dumps(drawn(name), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in CHARTS:
        (FOLDER / f"{each}.json").write_text(written(each), encoding="utf-8")
