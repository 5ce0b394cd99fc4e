"""Real shop data: what the engine decides, and what SQL says it should have decided."""

import csv
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import duckdb
import pytest
import zstandard

from actors.folder import read_folder
from engine.contacts.identity import partition_of
from engine.decision import Decision, Delivery, Outcome
from engine.input import Advance, Event, Handover, Publish, Receipt
from engine.limits import FAR_MS, PARTITIONS
from engine.partition import Partition
from ingest.readers import LineRejection, read_events

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WAIT_MS = {"favourites": 2 * HOUR_MS, "checkout-help": 5 * MINUTE_MS}
CAP_MS = {"favourites": 7 * DAY_MS, "checkout-help": DAY_MS}

REES46_ROWS = """
    select row_number() over () as line, cast(user_id as varchar) as contact,
        cast(row_number() over () as varchar) as id,
        epoch_ms(strptime(event_time, '%Y-%m-%d %H:%M:%S UTC')) as ms,
        event_type = 'view' as viewed, event_type = 'cart' as filled,
        false as checkout, event_type = 'purchase' as bought
    from read_csv('{path}', all_varchar = true)
"""
D2C_ROWS = """
    select row_number() over () as line, user_id as contact, event_id as id,
        cast(floor(epoch_us(cast(event_time as timestamp)) / 1000) as bigint) as ms,
        event_type = 'Product Viewed' as viewed, event_type = 'Product Added' as filled,
        event_type = 'Checkout Started' as checkout, event_type = 'Order Completed' as bought
    from read_csv('{path}', all_varchar = true)
"""
SESSIONS = """
    with rows as ({rows}),
    apart as (
        select *, lag(ms) over (partition by contact, id order by line) as same_ms from rows
    ),
    once as (select * from apart where same_ms is null or ms - same_ms >= 86400000),
    gaps as (
        select *, ms - lag(ms) over (partition by contact order by line) >= 1800000 as opens
        from once
    ),
    numbered as (
        select *, count(*) filter (where opens) over (partition by contact order by line) as nr
        from gaps
    ),
    sessions as (
        select contact, nr, min(ms) as began, max(ms) + 1800000 as ended,
            count(*) filter (where viewed) as views, count(*) filter (where filled) as filled,
            count(*) filter (where checkout) as checkouts,
            count(*) filter (where bought) as purchases
        from numbered group by contact, nr
    ),
    entries as (
        select contact, ended, 'favourites' as journey from sessions
            where views >= 7 and purchases = 0 and checkouts = 0
        union all
        select contact, ended, 'checkout-help' from sessions
            where filled > 0 and checkouts > 0 and purchases = 0
    )
    select contact, ended, journey, (
        select min(ms) from once
        where once.contact = entries.contact and bought and ms >= ended
    ) as bought_ms
    from entries order by ended, contact, journey
"""


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there: it is test data that never ships")
    return path


class Fold:
    """All partitions under one publication; messages are handed over and delivered at once."""

    def __init__(self, folder: Path) -> None:
        read = read_folder(folder)
        assert not read.mistakes
        self.decisions: list[Decision] = []
        self.outcomes: list[Outcome] = []
        self.deliveries: list[Delivery] = []
        self.partitions = [Partition(number, self.decisions) for number in range(PARTITIONS)]
        for partition in self.partitions:
            partition.fold(Publish(read.source), 0)

    def event(self, event: Event) -> None:
        self.partitions[partition_of(event.contact)].fold(event, event.at_ms or 0)
        if self.decisions:
            self.settle()

    def settle(self) -> None:
        while self.decisions:
            decided, self.decisions[:] = self.decisions[:], []
            self.deliveries += [each for each in decided if isinstance(each, Delivery)]
            for outcome in (each for each in decided if isinstance(each, Outcome)):
                self.outcomes.append(outcome)
                if outcome.outcome == "sent":
                    partition = self.partitions[partition_of(outcome.contact)]
                    handover = Handover(outcome.contact, outcome.key, outcome.at_ms)
                    partition.fold(handover, partition.now_ms)
                    receipt = Receipt(outcome.contact, outcome.key, delivered=True)
                    partition.fold(receipt, partition.now_ms)

    def run_out(self) -> None:
        for partition in self.partitions:
            while partition.next_due_at_ms < FAR_MS:
                partition.fold(Advance(FAR_MS), partition.now_ms)
                self.settle()

    def counts(self) -> Counter[tuple[str, str]]:
        return Counter((each.journey, each.outcome) for each in self.outcomes)

    def sent(self) -> set[tuple[str, str, int]]:
        return {
            (each.contact, each.journey, each.at_ms)
            for each in self.outcomes
            if each.outcome == "sent"
        }


def replay(path: Path, format: str) -> Fold:
    fold = Fold(ROOT / "examples" / "journeys")
    known: set[str] = set()
    rejections: list[LineRejection] = []
    for events in read_events(path, format, rejections):
        for event in events:
            if event.contact not in known:
                known.add(event.contact)
                consent = {"email": "double_opt_in"}
                fold.event(Event("consent-0", event.contact, "consent", event.at_ms, consent))
            fold.event(event)
    fold.run_out()
    assert rejections == []
    return fold


def by_sql(path: Path, rows: str) -> tuple[Counter[tuple[str, str]], set[tuple[str, str, int]]]:
    """SQL finds who enters when; what depends on the order of messages is done here."""
    query = SESSIONS.format(rows=rows.format(path=path))
    entries = duckdb.connect(config={"threads": 1}).execute(query).fetchall()
    counts: Counter[tuple[str, str]] = Counter()
    stays_until: dict[tuple[str, str], int] = {}
    mails: list[tuple[int, int, str, str]] = []
    for contact, ended, journey, bought_ms in entries:
        if ended <= stays_until.get((contact, journey), -1):
            continue
        due = ended + WAIT_MS[journey]
        if bought_ms is not None and bought_ms < due:
            counts[journey, "exited"] += 1
            stays_until[contact, journey] = bought_ms
        else:
            stays_until[contact, journey] = due - 1
            mails.append((due, ended, contact, journey))
    sent: set[tuple[str, str, int]] = set()
    past: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for due, _, contact, journey in sorted(mails):
        of_journey = [at for at, which in past[contact] if which == journey]
        in_a_day = [at for at, _ in past[contact] if at > due - DAY_MS]
        if any(at > due - CAP_MS[journey] for at in of_journey) or len(in_a_day) >= 2:
            counts[journey, "capped"] += 1
        else:
            counts[journey, "sent"] += 1
            past[contact].append((due, journey))
            sent.add((contact, journey, due))
    return counts, sent


@pytest.mark.parametrize(
    ("name", "format", "rows"),
    [
        ("rees46_multicategory_prefix.csv.zst", "rees46", REES46_ROWS),
        ("d2c_segment_events.csv.zst", "d2c", D2C_ROWS),
    ],
)
def test_a_real_shop_gets_the_messages_that_sql_says(name: str, format: str, rows: str) -> None:
    path = shared(f"data/{name}")
    fold = replay(path, format)
    counts, sent = by_sql(path, rows)
    assert sent
    assert fold.counts() == counts
    assert fold.sent() == sent


def test_w1_has_its_published_answer(tmp_path: Path) -> None:
    generator = shared("w1/gen.py")
    whole, first = tmp_path / "w1.jsonl", tmp_path / "w1_100k.jsonl"
    subprocess.run([sys.executable, generator, "--out", whole], check=True, capture_output=True)
    with whole.open("rb") as lines, first.open("wb") as part:
        part.writelines(islice(lines, 100_000))
    whole.unlink()
    fold = Fold(ROOT / "bench" / "w1")
    for events in read_events(first, "w1"):
        for event in events:
            fold.event(event)
    fold.run_out()
    assert fold.counts() == {
        ("browse_abandon", "sent"): 2_447,
        ("checkout_abandon", "sent"): 712,
        ("browse_abandon", "capped"): fold.counts()["browse_abandon", "capped"],
        ("checkout_abandon", "capped"): 611 - fold.counts()["browse_abandon", "capped"],
    }
    checksum = sum(
        crc32(f"{journey}|{contact}|{at_ms}".encode()) for contact, journey, at_ms in fold.sent()
    )
    assert checksum % (1 << 61) == 6_860_880_403_061


PARCELS_AT = ZoneInfo("America/Sao_Paulo")
STATUS = {"handed_to_carrier": "shipped", "delivered_to_customer": "delivered"}
TEXTS = {"parcel-shipped", "parcel-moved", "parcel-delivered", "parcel-rating"}
HALF_OF_ALL = set("89abcdef")
"""Contacts whose id begins with one of these are enough, and quicker."""
Parcel = tuple[int, str, dict[str, str]]
"""When what is reported of a contact's parcel."""


def parcel_reports(path: Path) -> Iterator[Parcel]:
    """Yield what a carrier would have reported: a deadline that passes moves the date."""
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    delivered = {
        row["order_id"]: row["event_time"]
        for row in rows
        if row["event"] == "delivered_to_customer"
    }
    handed: set[str] = set()
    for row in rows:
        if row["customer_unique_id"][0] not in HALF_OF_ALL:
            continue
        order, event, moment = row["order_id"], row["event"], row["event_time"]
        report = {"order_id": order, "status": STATUS.get(event, "date_moved")}
        if event == "handed_to_carrier":
            handed.add(order)
        if event == "estimated_delivery_deadline":
            if order not in handed or delivered.get(order, "9") <= moment:
                continue
            if order in delivered:  # Else it is lost, and nobody knows when it comes.
                report["delivery_date"] = delivered[order][:10]
        elif event not in STATUS:
            continue
        at_ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1_000)
        yield at_ms, row["customer_unique_id"], report


def when_awake(at_ms: int, silent_from: int, silent_to: int) -> int:
    """Return the moment, or the end of the night that it falls into."""
    at = datetime.fromtimestamp(at_ms / 1_000, PARCELS_AT)
    if silent_to <= at.hour < silent_from:
        return at_ms
    morning = at + timedelta(days=at.hour >= silent_from)
    morning = morning.replace(hour=silent_to, minute=0, second=0, microsecond=0)
    return int(morning.timestamp() * 1_000)


def told_of(reports: list[Parcel]) -> Counter[tuple[str, str, str, int]]:
    """Return (order, node, outcome, moment) of all that is to be said, by plain arithmetic."""
    told: Counter[tuple[str, str, str, int]] = Counter()
    delivered: set[str] = set()
    for at_ms, _, report in reports:
        order, status = report["order_id"], report["status"]
        if order in delivered:
            continue  # Real carriers do report that it is on its way by then.
        if status == "shipped":
            told[order, "tell-shipped", "sent", at_ms] += 1
        elif status == "date_moved":
            outcome = "sent" if "delivery_date" in report else "missing"
            told[order, "tell-moved", outcome, at_ms] += 1
        else:
            sms_ms = when_awake(at_ms, 21, 8)
            told[order, "tell-delivered", "sent", sms_ms] += 1
            told[order, "ask", "sent", when_awake(sms_ms + 3 * DAY_MS, 22, 7)] += 1
            delivered.add(order)
    return told


def test_real_parcels_are_reported_as_arithmetic_says() -> None:
    reports = list(parcel_reports(shared("data/olist_status_events.csv.zst")))
    fold = Fold(ROOT / "examples" / "scenarios")
    known: set[str] = set()
    who: dict[str, Any] = {
        "attributes": {"email": "a@example.com", "phone": "+551100000000"}
        | {"time_zone": PARCELS_AT.key},
        "consent": {"email": "opt_in"},
    }
    for i, (at_ms, contact, report) in enumerate(reports):
        if contact not in known:
            known.add(contact)
            fold.event(Event("who", contact, "identify", at_ms, who))
        fold.event(Event(f"report-{i}", contact, "delivery_status", at_ms, report))
    fold.run_out()
    told = told_of(reports)
    orders = {each.key: each.trigger["order_id"] for each in fold.deliveries}
    sent = Counter(
        (orders[each.key], each.node, each.outcome, each.at_ms)
        for each in fold.outcomes
        if each.outcome == "sent"
    )
    assert sent == Counter({key: count for key, count in told.items() if key[2] == "sent"})
    missing = [each.at_ms for each in fold.outcomes if each.outcome == "missing"]
    assert sorted(missing) == sorted(key[3] for key in told.elements() if key[2] == "missing")
    declined = sum(each.outcome == "declined" for each in fold.outcomes)
    assert {each.outcome for each in fold.outcomes} == {"sent", "missing", "declined"}
    assert {each.template for each in fold.deliveries} == TEXTS
    once = Counter((orders[each.key], each.template) for each in fold.deliveries)
    assert set(once.values()) == {1}
    nodes = Counter(key[1] for key in told.elements())
    handed = sum(report["status"] == "shipped" for _, _, report in reports)
    assert nodes["tell-shipped"] == handed - 2  # These were handed over after their delivery,
    assert declined == 1  # one of them days later, the other while we waited to ask.
