"""Partition: contacts, calendar and programs of one hash bucket; the one fold over inputs.

Shard, replay, tests and simulation all use this class: there is no second loop anywhere.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final
from zlib import crc32

from engine.compile.publication import programs_of
from engine.contacts.contact import Contact, decode_contact, encode_contact, plan_next_due
from engine.contacts.erasure import Tombstones, entomb, find_erased, is_entombed
from engine.contacts.idle import armed_anew
from engine.decision import Decision, Fault, Outcome
from engine.fold.occasion import plan_occasions
from engine.fold.programs import NO_PROGRAMS
from engine.fold.reconcile import uphold
from engine.fold.step import step
from engine.fold.timer import apply_next_timer, drop_next_timer, note_next_timer, note_timers_over
from engine.guard import Guard
from engine.input import Advance, Erase, Event, Input, Publish, Verdict
from engine.limits import FAR_MS, HOT_CONTACTS_MAX, TIMERS_PER_ADVANCE_MAX
from engine.moment import Moment
from engine.notes import Notes
from engine.numbers import Numbers, SavedNumbers
from engine.trace import Trace

TIE_MAX: Final = 0xFFFF_FFFF
APPLIED: Final = Verdict.APPLIED
"""A global of its own: to look it up in its class each time took 1 % of a fold."""
BEGUN_SINCE: Final = -1
"""As what a contact is planned for: it began after a publish that wakes the others."""


class Partition:
    """The state of one hash bucket of contacts.

    `decisions` is where all decisions go, in order; who folds takes them out. Several partitions
    may share one list.
    """

    __slots__ = (
        "_calendar",
        "_hot",
        "_hot_max",
        "_idle",
        "_notes",
        "advanced_to",
        "decisions",
        "now_ms",
        "number",
        "numbers",
        "programs",
        "pseq",
        "published",
        "sessions_ended",
        "stuck",
        "tombstones",
        "tombstones_dropped",
        "waking_at_ms",
    )

    def __init__(
        self, number: int, decisions: list[Decision], hot_max: int = HOT_CONTACTS_MAX
    ) -> None:
        self.number = number
        self.decisions = decisions
        self.numbers = Numbers()
        self._notes = Notes(decisions, self.numbers.counts, self.numbers.add_up)
        self.now_ms = 0
        """The moment of the last input; it never goes back."""
        self.pseq = 0
        """Number of the last input that was for this partition alone; who logs them counts."""
        self.sessions_ended = 0
        self.programs = NO_PROGRAMS
        self.published = b""
        self.tombstones: Tombstones = {}
        self.tombstones_dropped = 0
        """Tombstones that went before their time, as there were TOMBSTONES_MAX."""
        self.stuck: set[str] = set()
        """Contacts that cannot be encoded: no input does that to one, unless by a fault of ours."""
        self._hot_max = max(hot_max, 1)
        self._hot: dict[str, Contact] = {}
        self._idle: dict[str, bytes] = {}
        self._calendar: list[tuple[int, int, str]] = []
        """Due time, `tie_of` the contact's key, and this."""
        self.advanced_to = (0, 0)
        """How far the last Advance went: all with due time and `tie_of` up to this are applied."""
        self.waking_at_ms = 0
        """When the publication came whose contacts are still to be woken; 0: none are."""

    def fold(self, input: Input, now_ms: int) -> int:
        """Apply one input at `now_ms` and return its Verdict.

        An input that raises moves no visit, is FAILED and leaves a Fault among the decisions.
        """
        if now_ms < self.now_ms:  # noqa: PLR1730 - max() costs three times as much
            now_ms = self.now_ms
        try:
            key = input.contact  # type: ignore[union-attr]
        except AttributeError:  # A third of the cost of asking for the type.
            self.now_ms = now_ms
            return self._fold_for_all(input)
        contact = self._hot.get(key)
        if contact is None:
            if self._stays_out(input, key, now_ms):
                return Verdict.ERASED
            contact = self._warm(key)
        self.now_ms = now_ms
        if contact.next_due_at_ms <= now_ms or contact.planned_for != self.programs.version:
            self._apply_timers(contact, now_ms)
        try:
            if not step(self.programs, contact, input, now_ms, self._notes):  # type: ignore[arg-type]
                return Verdict.REPEAT
        except Exception as error:  # noqa: BLE001 - one poisoned input must not stop the others
            fault = Fault(key, _name_of(input), _words(error))
            self.decisions.append(fault)
            if contact.next_due_at_ms < contact.armed_at_ms:  # It was taken in all the same.
                self._arm(contact)
            return Verdict.FAILED
        if contact.next_due_at_ms < contact.armed_at_ms:
            self._arm(contact)
        return APPLIED

    @property
    def next_due_at_ms(self) -> int:
        """When a timer is due next, at the earliest; FAR_MS where none is."""
        due_at_ms = self._calendar[0][0] if self._calendar else FAR_MS
        return min(due_at_ms, self.waking_at_ms) if self.waking_at_ms else due_at_ms

    @property
    def contact_count(self) -> int:
        """How many contacts are held."""
        return len(self._hot) + len(self._idle)

    def keeps_out(self, key: str, now_ms: int) -> bool:
        """Say whether events of this contact are kept out at `now_ms`, as it was erased."""
        return bool(self.tombstones) and is_entombed(self.tombstones, key, max(now_ms, self.now_ms))

    def holds(self, key: str) -> bool:
        """Say whether anything is kept of a contact."""
        return key in self._hot or key in self._idle

    def contact(self, key: str) -> Contact | None:
        """Return a copy of what is kept of a contact; None where nothing is."""
        data = self.contact_bytes(key)
        return None if data is None else decode_contact(data)

    def contact_bytes(self, key: str) -> bytes | None:
        """Return the encoded state of a contact; None where nothing is kept."""
        contact = self._hot.get(key)
        return self._idle.get(key) if contact is None else encode_contact(contact)

    def contact_keys(self) -> list[str]:
        """Return the keys of all contacts, in order."""
        return sorted([*self._hot, *self._idle])

    def states(self) -> dict[str, bytes]:
        """Return all contacts as bytes, as they are at this moment: what comes later is not in it.

        Takes 0.3 ms for 4,000 contacts of 5 events each, 1 ms where they have 30: the bytes of idle
        ones are shared, and few are hot. Raises ValueError where one cannot be encoded: without
        it, it would be lost.
        """
        states = self._idle.copy()
        for key, contact in self._hot.items():
            try:
                states[key] = encode_contact(contact)
            except Exception as error:
                raise ValueError(f"contact {key!r} cannot be encoded: {_words(error)}") from error
        return states

    def load(self, published: bytes, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Begin with this publication and these contacts: key, `armed_at_ms`, bytes of each.

        No contact is decoded: a million takes a second. Raises AuthorError as a Publish does.
        """
        if published:
            self.programs = programs_of(published)
            self.published = published
        idle, calendar = self._idle, self._calendar
        for key, armed_at_ms, state in rows:
            idle[key] = state
            if armed_at_ms < FAR_MS:
                calendar.append((armed_at_ms, tie_of(key), key))
        heapify(calendar)

    def load_numbers(self, saved: SavedNumbers | None) -> None:
        """Count on from these; where there are none, count from now on who is where now."""
        self.numbers = Numbers(self.now_ms, saved)
        if saved is None:
            self.numbers.begin_with(self._idle.values())
        else:
            self.numbers.begin_queues(self._idle.values())
        self._notes = Notes(self.decisions, self.numbers.counts, self.numbers.add_up)

    def uphold(self, outcome: Outcome) -> bool:
        """Let a contact's outbox hold what was recorded of a message, whatever a refold decided.

        Say whether one was taken out that was on its way.
        """
        key = outcome.contact
        return uphold(self.programs, self._hot.get(key) or self._warm(key), outcome)

    def cool(self) -> None:
        """Hold all contacts as bytes; the next input of each decodes it again."""
        for _ in range(len(self._hot)):
            self._cool_oldest()

    def _fold_for_all(self, input: Input) -> int:
        """Apply an input that is for the partition, not for one contact."""
        if type(input) is Publish:
            self.programs = programs_of(input.source)
            self.published = input.source
            wakes = self.programs.timed and self.contact_count
            self.waking_at_ms = self.now_ms if wakes else 0
        elif type(input) is Erase:
            self._erase(input)
        else:
            assert type(input) is Advance
            self._advance(min(input.until_ms, FAR_MS - 1), input.through)
        return Verdict.APPLIED

    def _wake_all(self) -> None:
        """Let a timer of each contact be due as of the publish: so they take it over in slices.

        Idle contacts stay packed (3 µs each); and each partition does so in an Advance of its own,
        as a million contacts at once would hold up all that comes in.
        """
        now_ms, self.waking_at_ms = self.waking_at_ms, 0
        self._calendar = []
        for contact in self._hot.values():
            contact.next_due_at_ms = contact.armed_at_ms = now_ms
            self._calendar.append((now_ms, tie_of(contact.key), contact.key))
        for key, data in self._idle.items():
            self._idle[key] = armed_anew(data, now_ms)
            self._calendar.append((now_ms, tie_of(key), key))
        heapify(self._calendar)

    def _erase(self, erase: Erase) -> None:
        """Forget a contact, and keep its events out for a while. Looks at all keys: 1 µs each."""
        key = find_erased(self.contact_keys(), erase.digest)
        if key is not None:
            state = self.contact_bytes(key)
            if state is not None:
                self.numbers.erase(state, self.now_ms)
            self._hot.pop(key, None)
            self._idle.pop(key, None)
            self.stuck.discard(key)
            # An entry left behind would begin the contact anew when it falls due.
            self._calendar = [entry for entry in self._calendar if entry[2] != key]
            heapify(self._calendar)
        until_ms = self.now_ms + erase.keep_out_ms
        self.tombstones_dropped += entomb(self.tombstones, erase.digest, until_ms, self.now_ms)

    def _advance(self, until_ms: int, through: int | None) -> None:
        """Apply timers due by `until_ms` in order of due time, a bounded number of them.

        Entries that no longer hold do not count: a snapshot does not bring them back, and an
        Advance must apply the same timers when it is folded on top of one.
        """
        if self.waking_at_ms:
            self._wake_all()
        calendar = self._calendar
        end = (until_ms, TIE_MAX if through is None else through)
        left = TIMERS_PER_ADVANCE_MAX
        while calendar and calendar[0][:2] <= end:
            due_at_ms, tie, key = heappop(calendar)
            contact = self._hot.get(key)
            if contact is None:
                if key not in self._idle:
                    continue
                contact = self._warm(key)
            if contact.armed_at_ms != due_at_ms:
                continue  # Armed for an earlier moment since, and gone off there.
            left -= 1
            if left == 0 and through is None:
                end = (due_at_ms, tie)  # What is at the very same place still goes.
            contact.armed_at_ms = FAR_MS
            # Later than now only where simulated time is run out.
            self.now_ms = max(self.now_ms, due_at_ms)
            self._apply_timers(contact, due_at_ms)
            self._arm(contact)
        self.advanced_to = end

    def _apply_timers(self, contact: Contact, until_ms: int) -> None:
        """Apply the contact's timers due by then, each on its own: one fault drops one timer."""
        plan_next_due(contact)
        if contact.planned_for != self.programs.version:
            # A publish armed the contact for its moment. What was due before comes before.
            armed_at_ms = self.waking_at_ms or contact.armed_at_ms
            begun_since = contact.planned_for == BEGUN_SINCE
            published_at_ms = until_ms if begun_since else min(armed_at_ms, until_ms)
            self._carry_over(contact, published_at_ms)
            self._run_timers(contact, published_at_ms - 1)
            self._plan(contact, published_at_ms)
            plan_next_due(contact)
        self._run_timers(contact, until_ms)

    def _carry_over(self, contact: Contact, at_ms: int) -> None:
        if not contact.visits and not contact.pending:
            return
        guard = Guard(contact, self._notes)
        moment = Moment(self.programs.rules, contact, at_ms, self._notes, {})
        try:
            self.programs.versions.carry_over(moment)
        except Exception as error:  # noqa: BLE001 - one poisoned contact must not stop the others
            guard.restore(contact)
            self.decisions.append(Fault(contact.key, "visits carried over", _words(error)))
        plan_next_due(contact)

    def _plan(self, contact: Contact, at_ms: int) -> None:
        try:
            plan_occasions(self.programs, contact, at_ms)
        except Exception as error:  # noqa: BLE001 - one poisoned contact must not stop the others
            self.decisions.append(Fault(contact.key, "occasions", _words(error)))

    def _run_timers(self, contact: Contact, until_ms: int) -> None:
        notes = self._notes
        decisions = notes.decisions
        traced = decisions.__class__ is Trace
        while contact.next_due_at_ms <= until_ms:
            if traced:
                note_next_timer(self.programs, contact, decisions)
            try:
                if apply_next_timer(self.programs, contact, notes):
                    self.sessions_ended += 1
            except Exception as error:  # noqa: BLE001 - as for an input
                what = drop_next_timer(self.programs, contact, _words(error), notes)
                notes.decisions.append(Fault(contact.key, what, _words(error)))
        if traced:
            note_timers_over(until_ms, decisions)

    def _arm(self, contact: Contact) -> None:
        due_at_ms = contact.next_due_at_ms
        if due_at_ms < FAR_MS:
            contact.armed_at_ms = due_at_ms
            heappush(self._calendar, (due_at_ms, tie_of(contact.key), contact.key))

    def _stays_out(self, input: Input, key: str, now_ms: int) -> bool:
        """Say whether an input of a contact that is not hot would begin one that is gone."""
        if isinstance(input, Event):
            return bool(self.tombstones) and is_entombed(self.tombstones, key, now_ms)
        return key not in self._idle

    def _warm(self, key: str) -> Contact:
        """Decode a contact that is idle, or begin a new one; the longest hot makes room."""
        data = self._idle.pop(key, None)
        while len(self._hot) - len(self.stuck) >= self._hot_max:
            self._cool_oldest()
        contact = self._hot[key] = Contact(key) if data is None else decode_contact(data)
        if data is None and self.waking_at_ms:
            contact.planned_for = BEGUN_SINCE
        return contact

    def _cool_oldest(self) -> None:
        """Hold the longest hot as bytes; where that cannot be, it stays hot, and is listed once."""
        key = next(iter(self._hot))
        contact = self._hot.pop(key)
        try:
            self._idle[key] = encode_contact(contact)
        except Exception as error:  # noqa: BLE001 - one contact must not stop the others
            self._hot[key] = contact
            if key not in self.stuck:
                self.stuck.add(key)
                self.decisions.append(Fault(key, "contact cannot be encoded", _words(error)))
        else:
            self.stuck.discard(key)


def tie_of(key: str) -> int:
    """Return what orders contacts that are due at the same moment. Names nobody."""
    return crc32(key.encode())


def _name_of(input: Input) -> str:
    return input.id if isinstance(input, Event) else input.key  # type: ignore[union-attr]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
