"""Every bound of the engine, and how the bounds relate."""

from typing import Final

DAY_MS: Final = 86_400_000

PARTITIONS: Final = 256
"""Hash buckets of contact keys. Fixed for the life of a store."""

HOT_CONTACTS_MAX: Final = 256
"""Contacts of one partition held decoded; the others are bytes until something touches them."""

EVENT_IDS_MAX: Final = 32
EVENT_IDS_MS: Final = DAY_MS
"""A repeat is known among a contact's last event ids of the last 24 hours: at least the last 32.

They are kept in two dicts of so many, which are turned over: at most 64 but for a burst.
"""

EVENT_IDS_BURST_MAX: Final = 1_280
EVENT_IDS_BURST_MS: Final = 10 * 60_000
"""Ids of the last 10 minutes stay, at least the last 1,280: a sender's batch or a gateway's frames
in flight (1,024 events) may be all of one contact, and are sent again as a whole."""

EVENT_ID_CHARS_KEPT: Final = 24
"""A longer event id is remembered by a hash of this many characters."""

EVENT_NAME_CHARS_MAX: Final = 128

HISTORY_MS: Final = 30 * DAY_MS
HISTORY_MS_MAX: Final = 400 * DAY_MS
HISTORY_EVENTS_MAX: Final = 200
"""Recent events of one name kept for a contact: 30 days, or for as long (up to 400) as a condition
looks back at them, and not more than this many."""

HAPPENING_BYTES_MAX: Final = 256
HAPPENING_FIELD_BYTES_MAX: Final = 60
"""A past event that is longer, packed, is kept without those of its fields that are."""

UNREAD_BYTES_MAX: Final = 256
"""A past event whose payload is longer is packed at once, not only when somebody asks for it."""

HAPPENING_KEPT_BYTES_MAX: Final = 512
HAPPENING_KEPT_MAX: Final = 32
"""Further fields kept of a past event, as conditions look back at them: so many of one event name
over all journeys and segments; those that would make them longer in all are left out."""

HISTORY_NAMES_MAX: Final = 100
"""Event names kept for a contact; what comes under a further name is not remembered."""

SESSION_PRODUCTS_MAX: Final = 20
"""Products in a session's summary, each once; they are picked from its last views."""

SESSION_VIEWS_MAX: Final = 2 * SESSION_PRODUCTS_MAX
VIEW_BYTES_MAX: Final = 1024
"""The payload of a view that is longer, as JSON, is cut to the fields of a product at once."""

SESSION_NAMES_MAX: Final = 200
PRODUCT_FIELD_BYTES_MAX: Final = 512
"""A field of a product, in a view that is cut or in a cart, is left out if it is longer."""

CART_ITEMS_MAX: Final = 100
ATTRIBUTES_MAX: Final = 200
ATTRIBUTE_BYTES_MAX: Final = 2048
"""Of an attribute's value, as JSON; a longer one is refused by the gateway."""

CONSENT_CHANNELS_MAX: Final = 20
LISTS_MAX: Final = 200
"""Static lists and audiences that one contact is on; it is put on no further one."""
CONSENT_PURPOSES_MAX: Final = 20
"""Of one channel that one event tells of; and purposes of an author's own."""

CONSENTS_KEPT_MAX: Final = 60
"""Of one contact, by channel and purpose. A further one is not kept; a withdrawn one then ends the
consent of its whole channel."""

MESSAGES_KEPT_MAX: Final = 128
"""Messages of one contact that are remembered; more only where caps in force still count them."""

MESSAGES_COUNTED_MAX: Final = 1_024
"""Where caps count so many, a further message is held back, and says so."""

PENDING_MAX: Final = 100
"""Messages of one contact not settled yet; further ones are held back, and say so."""

CAP_MESSAGES_MAX: Final = 100
CAP_SPAN_MS_MAX: Final = 366 * DAY_MS
CAPS_MAX: Final = 20
"""Of one journey, and over all."""

HOLD_MS_MAX: Final = 32 * DAY_MS
"""How long a message waits for caps and quiet hours to pass: the longest month, and a day."""

NEEDS_MAX: Final = 20
ADDRESS_CHARS_MAX: Final = 254

LATEST_MAX: Final = 20
"""Past events of one name that a template sees."""

MENTIONED_NAMES_MAX: Final = 20
MENTIONED_FIELDS_MAX: Final = 20
"""Names of past events that templates ask for, and fields of them."""

WAIT_MS_MAX: Final = 400 * DAY_MS
NODES_MAX: Final = 200
NODES_PER_INPUT_MAX: Final = 400
"""Nodes one visit walks for one input; only a cycle without a wait would pass it."""

BRANCHES_MAX: Final = 100
"""Ways out of one node: branches of a split, cases of a switch, events that are waited for."""

SAME_FIELDS_MAX: Final = 10
ANSWERS_MAX: Final = 20
"""Nodes of one visit of which is kept what came there; the oldest go first."""

ANSWER_BYTES_MAX: Final = 2_048
ANSWER_FIELD_BYTES_MAX: Final = 256
"""What came to a node and is longer, packed, is kept without those of its fields that are."""

PARTICIPATIONS_MAX: Final = 500
"""Nodes of which is kept when a contact last took part there; the longest ago go first."""

FILLING_DEPTH_MAX: Final = 10
"""Levels of fields in a value that an author gives a node."""

REQUEST_BYTES_MAX: Final = 16_384
"""Of what a webhook is asked, packed; a longer one is not asked, and its visit says so."""

REQUEST_URL_CHARS_MAX: Final = 2_000
REQUEST_HEADERS_MAX: Final = 20

CONDITION_DEPTH_MAX: Final = 20
DATE_SPAN_MS_MAX: Final = 3_660 * DAY_MS
"""How far a condition looks for a date, before now or after."""

JOURNEYS_MAX: Final = 2_000
SEGMENTS_MAX: Final = 1_000
HOPS_MAX: Final = 8
"""Events that follow from one another; one further is refused and listed."""

FOLLOWS_MAX: Final = 500
"""Events that follow from one input altogether; those further are refused, and that is listed."""

PASSES_MAX: Final = 1_000
"""How often a visit may come to a node that a cycle leads through."""

ENTRIES_KEPT_MAX: Final = 1_000
"""Last entries of one contact that are remembered, by journey and re-entry key."""

REENTRY_KEY_CHARS_MAX: Final = 64
VISITS_MAX: Final = 200
"""Visits of one contact at a time; there it enters no journey more."""

QUEUED_MAX: Final = 20
"""Entries of one contact that wait for paused journeys; a further one is not kept, and says so."""

PASSAGES_MAX: Final = 100
KEPT_VERSIONS_MAX: Final = 20
"""Of one journey: how visits come over from older versions, and versions that some stay in."""

GOALS_MAX: Final = 100
"""Visits of one contact that may still come to their goal; the oldest go first."""

TIMERS_PER_ADVANCE_MAX: Final = 64
"""Contacts whose timers one Advance applies; the rest wait for the next."""

KEEP_OUT_MS: Final = 30 * DAY_MS
KEEP_OUT_MS_MAX: Final = 3_660 * DAY_MS
"""How long late events of an erased contact are kept out: unless told otherwise, and at most."""

TOMBSTONES_MAX: Final = 4_096
"""Of one partition: a million erased contacts in all. A further one ends the oldest, counted."""

SEEN_NAMES_MAX: Final = 500
"""Event names whose sightings are kept; with a further one, the name seen longest ago goes."""

SEEN_NEW_NAMES_MAX: Final = 16
"""Names taken up in one count; further ones come the next time, or are dropped, and counted."""

SEEN_FIELDS_MAX: Final = 100
SEEN_FIELDS_TOTAL_MAX: Final = 10_000
"""Fields kept of one name, and of all names together; further ones are not, and it is said."""

SEEN_DEPTH_MAX: Final = 4
SEEN_VALUES_MAX: Final = 300
SEEN_ELEMENTS_MAX: Final = 5
"""How deep a payload is looked into, how many values of it, and how many elements of a list."""

SEEN_KEY_CHARS_MAX: Final = 60
SEEN_SAMPLES_MAX: Final = 10
SEEN_SAMPLE_CHARS_MAX: Final = 60
SEEN_WITNESSES: Final = 3
"""Contacts that must have told a text before it is kept as a sample."""

SEEN_CANDIDATES_MAX: Final = 16_384
"""Texts of which it is remembered who told them; those told longest ago go."""

TEST_CONTACTS_MAX: Final = 1_000
"""Of one journey in test mode, and of the settings."""

NUMBERS_SERIES_MAX: Final = 2_048
"""Numbers that one partition keeps (a journey, a node, and what is counted there); what is beyond
is counted together."""

REASONS_MAX: Final = 20
REASON_CHARS_KEPT: Final = 80
"""Reasons to leave one node that are told apart, and what is kept of a longer one."""

COURSE_MINUTES_MS: Final = 2 * 3_600_000
COURSE_HOURS_MS: Final = 14 * DAY_MS
COURSE_DAYS_MS: Final = 400 * DAY_MS
"""How long numbers are kept by the minute, by the hour and by the day, at least."""

COURSE_BYTES_MAX: Final = 256 * 1024
COURSE_DAYS_MIN: Final = 90
"""Of one partition, packed; past it the oldest days go, but for so many; then hours become days
earlier."""

COUNTS_WAITING_MAX: Final = 128
"""What is counted of one partition before it is added up, all together."""

COURSE_RECENT_MAX: Final = 512
"""Counts of one partition, by minute, before they are packed, all together."""

ZONE_STRETCHES_MAX: Final = 8_192
"""Offsets of time zones remembered, for 30 days each: of 600 zones those of a year."""

CRON_CHARS_MAX: Final = 200

FAR_MS: Final = 1 << 62
"""No moment at all: later than any."""

assert CAP_MESSAGES_MAX <= MESSAGES_KEPT_MAX <= MESSAGES_COUNTED_MAX
assert NODES_MAX < NODES_PER_INPUT_MAX
