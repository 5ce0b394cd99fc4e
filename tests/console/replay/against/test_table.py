"""The tables of a comparison: each figure stands under its own name."""

import pytest
from rich.console import Console

from console.replay.against import table
from console.replay.against.comparison import Report
from console.replay.against.sums import Sums

COUNTS = {"real": 50, "draft": 47, "same": 40, "moved": 4, "only_draft": 3, "only_real": 6}
WORDS = {
    "went out": "50",
    "draft": "47",
    "change": "-3",
    "same": "40",
    "moved": "4",
    "more": "3",
    "not sent": "6",
}


def report_of(variants: list[str]) -> Report:
    sums = [
        Sums(variant=name, journeys={"hello": COUNTS}, contacts={"draft": 45}) for name in variants
    ]
    return Report(
        events=1,
        records=1,
        from_ms=0,
        until_ms=1,
        answers_from_ms=0,
        refolded_otherwise=0,
        run_on=0,
        changed=[],
        zone="UTC",
        processes=1,
        wall_s=1.0,
        events_per_s=1,
        variants=sums,
    )


def rows_of(text: str, first: str) -> list[list[str]]:
    """Return head and rows of the table whose first column is called so."""
    rows = [
        [cell.strip() for cell in line.replace("┃", "│").strip("│").split("│")]
        for line in text.splitlines()
        if "│" in line or "┃" in line
    ]
    begin = next(i for i, row in enumerate(rows) if row[0] == first)
    return rows[begin:]


@pytest.mark.parametrize("first", ["variant", "journey"])
def test_each_figure_stands_under_its_name(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    screen = Console(width=160, record=True)
    monkeypatch.setattr(table, "console", screen)
    names = ["nodes.wait[patience]=1m", "nodes.wait[patience]=3h"]
    table.show_comparison(report_of(names if first == "variant" else names[:1]))
    head, *rows = rows_of(screen.export_text(), first)
    told = [dict(zip(head, row, strict=True)) for row in rows[: 2 if first == "variant" else 1]]
    assert [row[first] for row in told] == (names if first == "variant" else ["hello"])
    for row in told:
        assert {name: row[name] for name in WORDS} == WORDS
    if first == "variant":
        assert [row["contacts"] for row in told] == ["45", "45"]
