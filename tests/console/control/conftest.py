"""What tests of the control API share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.yaml import encode as yaml

from tests.console.control.remote import Anlass
from tests.console.control.served import ANNA, Served, served
from tests.console.control.test_changes import LETTER, waiting


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    """A running shard without journeys, and its API."""
    with served(tmp_path / "data") as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of journeys, as an author has it."""
    found = tmp_path / "journeys"
    (found / "templates").mkdir(parents=True)
    (found / "templates" / "hello.en.liquid").write_text(LETTER)
    (found / "hello.yaml").write_bytes(yaml(waiting("1h")))
    return found


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Served, Anlass]]:
    """A system with keys, and the command of somebody who has one."""
    with served(tmp_path / "data", [ANNA]) as shop:
        yield shop, Anlass(shop.listen())
