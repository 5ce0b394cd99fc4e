"""Media: the kinds that answers of the control API may be of."""

from typing import Final

JSON: Final = "application/json"
HTML: Final = "text/html"
TEXT: Final = "text/plain"
LINES: Final = "application/x-ndjson"
