"""Summary: a comparison as JSON: what `--json` prints and the page is drawn from."""

from typing import Any

import msgspec

from console.replay.against.comparison import Report
from console.replay.against.sums import HOUR_MS, Reason, Sums
from console.replay.against.table import notes_of


def summary_of(report: Report) -> dict[str, Any]:
    """Return a report as plain data."""
    told: dict[str, Any] = msgspec.to_builtins(report)
    told["notes"] = notes_of(report)
    told["variants"] = [_variant(sums) for sums in report.variants]
    return told


def report_of(told: dict[str, Any]) -> Report:
    """Return the report that was told so. Raises msgspec.ValidationError where it was none."""
    return msgspec.convert(told | {"variants": [_sums(each) for each in told["variants"]]}, Report)


def _sums(told: dict[str, Any]) -> dict[str, Any]:
    """Undo what `_variant` does to lists and hours; what it adds is passed over."""
    reasons = [
        ({name: each[name] for name in Reason.__struct_fields__}, each["count"])
        for each in told["reasons"]
    ]
    hours = {
        journey: {at_ms // HOUR_MS: [real, draft] for at_ms, real, draft in course}
        for journey, course in told["hours"].items()
    }
    return told | {"reasons": reasons, "hours": hours}


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
