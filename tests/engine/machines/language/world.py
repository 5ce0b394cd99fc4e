"""World: a dozen journeys that use what the language has, in two publications.

`model` knows by heart what they do.
"""

from typing import Any

from tests.engine.situation import decide, wait
from tests.publications import journey, source_of

CONTACTS = ("c-1", "c-3", "dan")
HELD_OUT = {("basket", "dan"), ("gift", "c-3")}
"""By the hash of contact and journey, or node: that never changes."""

SETTINGS: dict[str, Any] = {
    "session_gap": "30m",
    "no_session": ["parcel", "refund"],
    "time_zone": "Europe/Berlin",
    "consent": {"sms": "double_opt_in"},
    "purposes": {"survey": {"consent": "opt_in"}},
    "addresses": {"sms": "phone"},
    "groups": {"promo": {"per": "session"}, "daily": {"per": "day"}},
    "quiet_hours": {
        "sms": {"from": "21:00", "to": "08:00"},
        "push": {"from": "22:00", "to": "07:00", "then": "drop"},
    },
    "caps": [
        {"messages": 4, "per": "24h", "purpose": "marketing"},
        {"messages": 2, "per": "day", "channel": "sms"},
        {"messages": 1, "per": "2h", "group": "promo"},
    ],
}
HOT = {"segment": "hot", "when": {"happened": "product_view", "within": "2h", "at_least": 3}}
CALM = {"segment": "calm", "when": {"not": {"happened": "page_view", "within": "6h"}}}
PESTERED = {"segment": "pestered", "when": {"message": "sent", "within": "6h", "at_least": 3}}
EVENING = {
    "segment": "evening",
    "when": {"time": ["18:00", "20:00"], "weekdays": ["sat", "sun"]},
}
SEGMENTS = [HOT, CALM, PESTERED, EVENING]
VIP = {"attribute": "vip", "equals": True}


def send(id: str, channel: str, purpose: str = "marketing", **fields: Any) -> dict[str, Any]:
    """Return a node that sends."""
    return {"id": id, "send": channel, "template": "hello", "purpose": purpose} | fields


SUNDAY = {"time": "02:30", "weekdays": ["mon", "wed", "sun"]}
OFFICE = {"between": ["06:00", "18:00"], "weekdays": ["mon", "tue", "wed", "thu", "fri"]}
ARRIVES = {"event": "parcel", "same": ["order_id"]}
LOST = ARRIVES | {"when": {"field": "status", "equals": "lost"}, "then": "sorry"}


def world(variant: str) -> list[dict[str, Any]]:
    """Return the journeys of a publication: `a`, or `b` in which some are gone or otherwise."""
    other = variant == "b"
    journeys = [*bought(other=other), *looked(), *watched(), *given(other=other)]
    return journeys if other else [*journeys, DIGEST]


def bought(*, other: bool) -> list[dict[str, Any]]:
    """Return journeys of those who sign up and buy."""
    return [
        journey(
            "welcome",
            priority=2,
            entry={"event": "signup"},
            reentry="once",
            caps=[{"messages": 1, "per": "day"}],
            exit_on=[{"when": VIP}],
            nodes=[
                send("hello", "email", "transactional"),
                {"id": "rest" if other else "sleep", "wait": SUNDAY},
                send("news", "email", on_cap="wait"),
            ],
        ),
        journey(
            "order",
            entry={"event": "purchase", "late_after": "off"},
            reentry={"again": "6h", "key": "order_id", "at_most": 2},
            goal={"event": "review", "when": {"field": "stars", "at_least": 4}, "within": "2d"},
            exit_on=[
                {"event": "refund", "when": {"field": "price", "at_least": 5}},
                {"event": "parcel", "when": {"field": "status", "equals": "broken"}},
            ],
            nodes=[
                {
                    "id": "arrival-2" if other else "arrival",
                    "wait_for": [
                        LOST,
                        {"event": "call", "again": True},
                        ARRIVES | {"then": "thanks"},
                    ],
                    "timeout": "1d",
                    "else": "ask",
                },
                send("sorry", "sms", "transactional", then="leave"),
                {"id": "leave", "exit": "it is lost"},
                send("thanks", "email", "survey", then="came"),
                {"id": "came", "goal": "arrived", "then": "leave"},
                send("ask", "push", "survey", then="leave"),
            ],
        ),
    ]


def looked() -> list[dict[str, Any]]:
    """Return journeys of a session, which take turns."""
    return [
        journey(
            "basket",
            priority=1,
            group="promo",
            entry={"event": "cart_update"},
            reentry={"again": "3h", "since": "exit"},
            hold_out=40,
            caps=[{"messages": 1, "per": "4h"}],
            exit_on=["purchase"],
            nodes=[
                {
                    "id": "idle",
                    "wait_for": [{"event": "cart_update", "same": ["cart"], "again": True}],
                    "timeout": "45m",
                },
                send("text", "sms", on_cap="letter"),
                {"id": "done", "exit": "done"},
                send("letter", "email"),
            ],
        ),
        journey(
            "browse",
            priority=3,
            group="promo",
            entry={
                "event": "product_view",
                "late_after": "1h",
                "when": {"happened": "product_view", "within": "2h", "at_least": 2},
            },
            nodes=[{"id": "rarely", "participation": "5h"}, send("offer", "push")],
        ),
        journey(
            "tips",
            priority=3,
            group="daily",
            entry={"event": "session_end", "when": {"field": "counts.product_view", "at_least": 1}},
            reentry="12h",
            nodes=[send("tip", "email")],
        ),
        journey(
            "leaver",
            priority=2,
            group="promo",
            entry={"event": "session_end", "when": {"field": "counts.cart_update", "at_least": 1}},
            nodes=[send("why", "email", "survey")],
        ),
    ]


def watched() -> list[dict[str, Any]]:
    """Return journeys that segments lead to."""
    return [
        journey(
            "hot",
            priority=4,
            entry={"enters": "hot"},
            nodes=[
                {"id": "tell", "emit": "hot_alert", "payload": {"heat": 3}},
                {"id": "give", "start": "gift"},
                {"id": "mark", "set": {"vip": {"from": "contact.wants_vip", "default": None}}},
            ],
        ),
        journey(
            "cold",
            entry={"leaves": "hot"},
            nodes=[{"id": "stop", "end": "gift"}, send("miss", "email")],
        ),
        journey(
            "missed",
            entry={"enters": "calm"},
            exit_on=["page_view", {"when": {"segment": "pestered"}}],
            nodes=[
                wait("1h"),
                send("where", "push", "transactional", in_quiet_hours="delay"),
            ],
        ),
        journey(
            "party",
            entry={"enters": "evening", "when": {"not": {"segment": "pestered"}}},
            nodes=[send("come", "email", "survey")],
        ),
        journey(
            "relief",
            entry={"leaves": "pestered"},
            reentry="12h",
            nodes=[send("sorry", "email", "survey")],
        ),
    ]


def given(*, other: bool) -> list[dict[str, Any]]:
    """Return journeys that others lead to, and a schedule."""
    return [
        journey(
            "alert",
            priority=5,
            entry={
                "event": "hot_alert",
                "when": {
                    "all": [
                        {"field": "heat", "more_than": 2},
                        {"happened": "hot_alert", "within": "1d", "at_most": 2},
                    ]
                },
            },
            nodes=[send("now", "sms", "transactional")],
        ),
        journey(
            "gift",
            entry=[],
            goal={"event": "review", "within": "1d"},
            exit_on=["purchase", *([{"when": VIP}] if other else [])],
            nodes=[
                {
                    "id": "lot",
                    "random": [
                        {"share": 70, "then": "pause"},
                        {"share": 30, "then": "pause", "hold_out": True},
                    ],
                },
                wait("1h", "pause"),
                send("nag", "email", on_cap="wait"),
                decide({"visit": "messages", "less_than": 3}, "more", then="pause"),
            ],
        ),
        journey(
            "morning",
            entry={"schedule": "0 8 * * *", "segment": "calm", "zone": "contact"},
            nodes=[send("day", "email")],
        ),
    ]


DIGEST = journey(
    "digest",
    group="daily",
    entry={"event": "page_view"},
    exit_on=[{"when": {"not": {"happened": "page_view", "within": "5h"}}}],
    reentry="2h",
    nodes=[{"id": "hours", "wait": OFFICE}, send("read", "sms", "survey")],
)


SOURCES = {name: source_of(*world(name), segments=SEGMENTS, **SETTINGS) for name in ("a", "b")}
NODES = {
    name: {each["journey"]: {node["id"] for node in each["nodes"]} for each in world(name)}
    for name in ("a", "b")
}
PRIORITIES = {each["journey"]: each.get("priority", 0) for each in world("a")}
