"""Cast: what scenarios may name: the journeys there are, their nodes, and time zones."""

import zoneinfo
from datetime import UTC, tzinfo
from typing import Any

from msgspec import Struct

from actors.folder import Folder
from console.scenarios.scenario import ExpectedMessage


class Cast(Struct, frozen=True):
    """What scenarios may name: journeys' nodes as written, the settings' zone, and segments."""

    journeys: dict[str, dict[str, dict[str, Any]]]
    time_zone: str
    segments: list[str] = []

    def senders(self, expected: ExpectedMessage) -> list[str]:
        """Return the journeys that have a node which could send such a message."""
        wanted = {"id": expected.node, "send": expected.channel, "template": expected.template}
        return [
            journey
            for journey, nodes in self.journeys.items()
            if expected.journey in ("", journey)
            and any(
                "send" in node
                and all(not text or node.get(key) == text for key, text in wanted.items())
                for node in nodes.values()
            )
        ]


def cast_of(folder: Folder) -> Cast:
    """Return what scenarios may name of a folder without mistakes."""
    journeys = {
        journey["journey"]: {node["id"]: node for node in journey["nodes"]}
        for journey in folder.publication.journeys.values()
    }
    segments = [segment["segment"] for segment in folder.publication.segments.values()]
    return Cast(journeys, folder.publication.settings.get("time_zone", "UTC"), segments)


def zone_named(name: str) -> tzinfo | None:
    """Return a time zone by its name; None where there is none."""
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
