"""Reign: what is in force where a draft is, as the log goes on: its files, and who is paused.

That a journey was paused, resumed or ended is what somebody did, not what a file says: so a draft
keeps it as the log has it, moment by moment, unless it is said otherwise. All else of a draft holds
in place of what was really published.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, get_args

import msgspec

from actors.errors import OperatorError
from engine.fold.succession import (
    State,
    documents_of,
    says_the_same,
    source_of,
    succeed,
    versions_of,
    with_state,
)
from engine.language.author import nearest
from engine.language.journey import Publication

LIVE: Final = "live"
STATES: Final[tuple[State, ...]] = get_args(State)
FORM: Final = "JOURNEY=STATE, such as welcome=live"
_REMEMBERED: Final = 256

States = tuple[tuple[str, State], ...]
"""Journeys that a draft has in this state, whatever the log says."""


@lru_cache(maxsize=_REMEMBERED)
def next_source(draft: bytes, states: States, current: bytes, real: bytes) -> bytes:
    """Return what is to be in force beside `real`: a draft, or what it has come to.

    `current` is in force so far. Where that says what the draft says, it stays, versions and all;
    else the draft succeeds it, and visits that are there follow.
    """
    plain, actual = (msgspec.json.decode(each, type=Publication) for each in (draft, real))
    found = before = msgspec.json.decode(current, type=Publication) if current else plain
    if not says_the_same(before, plain):
        found = succeed(before, plain, {})
    there, versions = documents_of(found), versions_of(found)
    for journey, state in ({**states_of(actual)} | dict(states)).items():
        if journey in there:
            now = versions[journey].state if journey in versions else LIVE
            found = found if state == now else with_state(found, journey, state)
    return source_of(found) if found is not before else current or draft


def states_of(publication: Publication) -> dict[str, State]:
    """Return the states of all journeys of which there is a file."""
    versions = versions_of(publication)
    return {
        journey: versions[journey].state if journey in versions else "live"
        for journey in documents_of(publication)
    }


def halted_in(source: bytes) -> set[str]:
    """Return the journeys of a publication that are paused, or ended."""
    if not source:
        return set()
    found = states_of(msgspec.json.decode(source, type=Publication))
    return {journey for journey, state in found.items() if state != LIVE}


def read_states(said: Iterable[str], draft: bytes) -> States:
    """Read JOURNEY=STATE, any number of them, of journeys of a draft. Raises OperatorError."""
    states: dict[str, str] = {}
    for each in said:
        journey, equals, state = each.partition("=")
        if not equals or not journey:
            raise OperatorError(f"--state {each!r} cannot be read; write {FORM}")
        if journey in states:
            raise OperatorError(f"--state: {journey} is there twice; leave one out")
        states[journey] = state
    return checked_states(states, draft, "--state")


def checked_states(states: Mapping[str, str], draft: bytes, name: str) -> States:
    """Return states of journeys of a draft. Raises OperatorError where one is not there."""
    known = documents_of(msgspec.json.decode(draft, type=Publication))
    found: list[tuple[str, State]] = []
    for journey, said in sorted(states.items()):
        if journey not in known:
            text = f"{name}: the draft has no journey {journey!r}"
            raise OperatorError(f"{text}; {nearest(journey, [*known])}")
        state = next((each for each in STATES if each == said), None)
        if state is None:
            text = f"{name}: {said!r} is no state of {journey}"
            raise OperatorError(f"{text}; {nearest(said, [*STATES])}")
        found.append((journey, state))
    return tuple(found)
