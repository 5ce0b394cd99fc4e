"""What tests of the whole system share."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.system.other_machine import NoMachineError, OtherMachine, other_machine


@pytest.fixture
def machine() -> Iterator[OtherMachine]:
    """Another machine, or the test is skipped where none can be had."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(other_machine())
        except NoMachineError as error:
            pytest.skip(str(error))
        yield made
