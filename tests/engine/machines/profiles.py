"""How long properties are tried: as long as the suite has, or much longer.

python -m pytest tests/engine/machines/language --hypothesis-profile long --timeout 0
"""

from typing import Any, Final

from hypothesis import settings

LONG: Final = "long"
TIMES: Final = 50

settings.register_profile(LONG, deadline=None)


def tried(max_examples: int, **more: Any) -> settings:
    """Return settings of a property: the same examples each time; in the profile `long` others."""
    if settings.get_current_profile_name() == LONG:
        return settings(max_examples=max_examples * TIMES, deadline=None, **more)
    return settings(max_examples=max_examples, derandomize=True, deadline=None, **more)
