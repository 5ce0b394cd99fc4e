"""What holds for all tests: none starts Ray by accident, and none is tried by chance."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.actors.store.redis_server import quick_redis_settings, redis_server, redis_settings

__all__ = ["quick_redis_settings", "redis_server", "redis_settings"]

# Hundreds of processes start in these tests, five for each running system: what one has compiled
# the next must not compile again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SUITE = "suite"
settings.register_profile(SUITE, derandomize=True, deadline=None)
if settings.get_current_profile_name() == "default":  # Unless --hypothesis-profile names one.
    settings.load_profile(SUITE)


def pytest_collection_finish() -> None:
    """Let the cyclic collector pass by what stays until the end: five thousand tests, all imports.

    With those to walk over a full collection takes a tenth of a second, and a quarter of the
    suite's time went there.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Give it back: at the end of the process libraries look for what nobody has freed."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_cluster_by_accident(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Forbid to start Ray unless the test is marked `ray`. Ray itself is not imported for it."""
    if request.node.get_closest_marker("ray"):
        yield
        return
    if "ray" in sys.modules:
        monkeypatch.setattr("ray.init", _refuse)
    yield
    ray = sys.modules.get("ray")  # A test may have imported it only now.
    if ray is not None and ray.is_initialized():
        ray.shutdown()
        _refuse()


def _refuse(*_: object, **__: object) -> None:
    raise RuntimeError("this test starts Ray: mark it with @pytest.mark.ray")
