"""The gateway runs on uvloop, so its tests do."""

import pytest
import uvloop


@pytest.fixture(scope="package")
def event_loop_policy() -> uvloop.EventLoopPolicy:
    return uvloop.EventLoopPolicy()
