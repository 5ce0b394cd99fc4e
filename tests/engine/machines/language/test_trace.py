"""The journey language with a trace: it changes nothing, and its reasons are those of the model.

The machine of `test_language`, with one partition more that takes down why.
"""

from typing import Final

import pytest

from engine.decision import CAPPED, NO_ADDRESS, NO_CONSENT, QUIET, SENT, Decision, Outcome
from engine.fold.succession import versions_of
from engine.input import Input
from engine.partition import Partition
from engine.trace import (
    BACKLOG_FULL,
    ENTERED,
    PAUSED,
    RECORDED,
    CarryNote,
    EndNote,
    EntryNote,
    NodeNote,
    Note,
    StopNote,
    Trace,
)
from tests.engine.machines.language.model import Model
from tests.engine.machines.language.reasons import ReasonedModel
from tests.engine.machines.language.test_language import Language, state_of
from tests.engine.machines.profiles import tried
from tests.engine.machines.test_versions import Versions

ASKED: Final = {
    CAPPED: "cap of ",
    NO_CONSENT: "consent ",
    NO_ADDRESS: "contact.phone",
    QUIET: "",
}
"""Outcome of a message that was not sent -> how the fact begins that stood in its way."""


class Traced:
    """A partition that takes down why, and is to come to the same as one that does not."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.partition = Partition(0, self.trace)

    def fold(self, input: Input, now_ms: int, decided: list[Decision]) -> tuple[int, list[Note]]:
        """Fold an input, compare what it decided, and return its verdict and the notes."""
        self.trace.clear()
        verdict = self.partition.fold(input, now_ms)
        assert [each for each in self.trace if not isinstance(each, Note)] == decided
        self.each_outcome_is_explained_once()
        return verdict, [each for each in self.trace if isinstance(each, Note)]

    def each_outcome_is_explained_once(self) -> None:
        """The last note of its key before an outcome says why, wherever a visit came to it."""
        notes: list[Note] = []
        for each in self.trace:
            if isinstance(each, Note):
                notes.append(each)
            elif isinstance(each, Outcome):
                note = next((note for note in reversed(notes) if key_of(note) == each.key), None)
                if note is not None:
                    notes.remove(note)
                    says_so(note, each)
                else:  # Of these there is nothing more to say.
                    assert each.outcome in {"converted", "failed"}
        for note in notes:  # What is to have an outcome has had it.
            assert not (isinstance(note, EntryNote) and note.why in RECORDED)


class Explained(Language):
    """Each input is folded with a trace, too."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = ReasonedModel(self.variant, self.now)
        self.traced = Traced()

    def fold(self, input: Input) -> int:
        """Fold it everywhere; with the trace it comes to the same, by the model's reasons."""
        before = len(self.decisions)
        verdict = super().fold(input)
        traced, notes = self.traced.fold(input, self.now, self.decisions[before:])
        assert traced == verdict
        assert isinstance(self.model, ReasonedModel)
        said, self.model.considered = self.model.considered, []
        entries = [each for each in notes if isinstance(each, EntryNote)]
        assert [(each.journey, each.at_ms, each.why) for each in entries] == said
        for note in entries:
            assert all(fact.holds for fact in note.facts[:-1])
            assert not note.facts or note.facts[-1].holds == (note.why == ENTERED)
        return verdict

    def teardown(self) -> None:
        super().teardown()
        assert state_of(self.traced.partition) == state_of(self.first)


class ExplainedVersions(Versions):
    """Publishes, pauses, migrations and ends with a trace."""

    def __init__(self) -> None:
        super().__init__()
        self.traced = Traced()

    def fold(self, input: Input) -> None:
        before = len(self.decisions)
        super().fold(input)
        _, notes = self.traced.fold(input, self.now, self.decisions[before:])
        for note in notes:
            if isinstance(note, EntryNote) and note.why in {PAUSED, BACKLOG_FULL}:
                assert self.model.state == "paused"
            elif isinstance(note, CarryNote):
                assert note.version <= versions_of(self.published)["j"].number + 1

    def teardown(self) -> None:
        super().teardown()
        assert state_of(self.traced.partition) == state_of(self.first)


def key_of(note: Decision | Note) -> str:
    return note.key if isinstance(note, EntryNote | NodeNote | EndNote | StopNote) else ""


def says_so(note: Note, outcome: Outcome) -> None:
    """What a note says is what the outcome says."""
    if isinstance(note, NodeNote):
        assert (note.journey, note.node) == (outcome.journey, outcome.node)
        assert all(fact.holds for fact in note.facts) == (outcome.outcome == SENT)
        if outcome.outcome in ASKED:
            assert note.facts[-1].what.startswith(ASKED[outcome.outcome])
    elif isinstance(note, EndNote | StopNote):
        assert (note.outcome, note.reason) == (outcome.outcome, outcome.reason)


Explained.TestCase.settings = tried(max_examples=60, stateful_step_count=40)
TestExplained = pytest.mark.timeout(300)(Explained.TestCase)

ExplainedVersions.TestCase.settings = tried(max_examples=50, stateful_step_count=40)
TestExplainedVersions = pytest.mark.timeout(300)(ExplainedVersions.TestCase)
