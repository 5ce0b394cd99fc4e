"""What tests of the control API share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.control.served import Served, served


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    """A running shard without journeys, and its API."""
    with served(tmp_path / "data") as found:
        yield found
