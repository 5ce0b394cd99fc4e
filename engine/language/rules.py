"""Rules: the settings over all journeys, ready to be asked."""

from typing import Final
from zoneinfo import ZoneInfo

from engine.language.mention import NO_MENTIONS

UTC: Final = ZoneInfo("UTC")
MARKETING: Final = "marketing"
TRANSACTIONAL: Final = "transactional"
WEAKEST_CONSENT: Final = "opt_in"
"""What marketing on a channel needs where the settings do not say more."""


class Cap:
    """Not more than `messages` in (t - span, t], or in a calendar period; empty fields: any."""

    __slots__ = ("channel", "journeys", "messages", "period", "purpose", "span_ms", "text")

    def __init__(self, messages: int, span_ms: int, text: str) -> None:
        self.messages = messages
        self.span_ms = span_ms
        """The window; of a calendar period the longest that it can be."""
        self.text = text
        self.period = ""
        """`day`, `week` or `month` in the contact's zone; empty where the window slides."""
        self.purpose = ""
        self.channel = ""
        self.journeys: frozenset[str] | None = None
        """Of which journeys it counts, and holds back, messages; None for all."""


class QuietHours:
    """When a channel keeps silent: local times of day in milliseconds, maybe over midnight."""

    __slots__ = ("drops", "from_ms", "to_ms")

    def __init__(self, from_ms: int, to_ms: int, *, drops: bool) -> None:
        self.from_ms = from_ms
        self.to_ms = to_ms
        self.drops = drops


class Rules:
    """What holds for all journeys. As it is made, it is what no settings mean."""

    __slots__ = (
        "addresses",
        "caps",
        "caps_counting",
        "consent",
        "groups",
        "hold_out",
        "mentions",
        "no_session",
        "purposes",
        "quiet_hours",
        "session_gap_ms",
        "test_contacts",
        "zone",
    )

    def __init__(self) -> None:
        self.session_gap_ms = 30 * 60_000
        self.no_session: list[str] = []
        self.caps: list[Cap] = []
        self.caps_counting: dict[str, list[Cap]] = {}
        """Journey -> caps of journeys that count its messages: what must not be forgotten."""
        self.consent: dict[str, str] = {}
        """Channel -> the weakest level that suffices for marketing; see WEAKEST_CONSENT."""
        self.purposes: dict[str, str] = {}
        """Purpose of an author's own -> the level it needs, empty for none."""
        self.addresses: dict[str, str] = {}
        """Channel -> the attribute that must hold a valid address."""
        self.quiet_hours: dict[str, QuietHours] = {}
        self.groups: dict[str, str] = {}
        """Group -> `session` or `day`."""
        self.hold_out = 0.0
        """Percentage of contacts without any message for marketing."""
        self.test_contacts: frozenset[str] = frozenset()
        """For whom journeys in test mode are in earnest."""
        self.zone: ZoneInfo = UTC
        """Of contacts who name none."""
        self.mentions = NO_MENTIONS
        """What templates ask for beyond what every message has."""
