"""What tests of the command share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console.past import Past


@pytest.fixture
def make_past(tmp_path: Path) -> Iterator[Callable[..., Past]]:
    """Make stores with a past; their logs are closed in the end."""
    made: list[Past] = []

    def make(*journeys: dict[str, Any]) -> Past:
        made.append(Past(tmp_path / f"data-{len(made)}", *journeys))
        return made[-1]

    yield make
    for past in made:
        past.close()
