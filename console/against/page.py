"""Page: a comparison as one HTML file that needs nothing beside it."""

from typing import Any


def page_of(summary: dict[str, Any]) -> str:
    """Return the page."""
    return f"<!doctype html>{summary}"
