"""Summary: a comparison as JSON: what `--json` prints and the page is drawn from."""

from typing import Any

import msgspec

from console.against.comparison import Report
from console.against.sums import HOUR_MS, Sums
from console.against.table import notes_of


def summary_of(report: Report) -> dict[str, Any]:
    """Return a report as plain data."""
    told: dict[str, Any] = msgspec.to_builtins(report)
    told["notes"] = notes_of(report)
    told["variants"] = [_variant(sums) for sums in report.variants]
    return told


def _variant(sums: Sums) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(sums)
    told["total"] = {
        name: sums.total(name)
        for name in ("real", "draft", "same", "moved", "only_real", "only_draft")
    }
    told["differences"] = sums.differences
    told["reasons"] = [
        {**msgspec.to_builtins(reason), "count": count} for reason, count in sums.reasons
    ]
    told["hours"] = {
        journey: [[hour * HOUR_MS, real, draft] for hour, (real, draft) in hours.items()]
        for journey, hours in sums.hours.items()
    }
    return told
