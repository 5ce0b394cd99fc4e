"""The journey language with a trace: it changes nothing, and its reasons are those of the model.

The machine of `test_language_machine`, with one partition more that takes down why.
"""

from collections import Counter
from typing import Final

import pytest

from engine.decision import CAPPED, NO_ADDRESS, NO_CONSENT, QUIET, SENT, Decision, Outcome
from engine.input import Input
from engine.partition import Partition
from engine.trace import ENTERED, RECORDED, EndNote, EntryNote, NodeNote, Note, StopNote, Trace
from tests.engine.language_model import Model
from tests.engine.language_reasons import ReasonedModel
from tests.engine.profiles import tried
from tests.engine.test_language_machine import Language, state_of

ASKED: Final = {
    CAPPED: "cap of ",
    NO_CONSENT: "consent ",
    NO_ADDRESS: "contact.phone",
    QUIET: "",
}
"""Outcome of a message that was not sent -> how the fact begins that stood in its way."""


class Explained(Language):
    """Each input is folded with a trace, too."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = ReasonedModel(self.variant, self.now)
        self.trace = Trace()
        self.traced = Partition(0, self.trace)

    def fold(self, input: Input) -> int:
        """Fold it everywhere; with the trace it comes to the same."""
        before = len(self.decisions)
        verdict = super().fold(input)
        assert self.traced.fold(input, self.now) == verdict
        assert [each for each in self.trace if not isinstance(each, Note)] == self.decisions[
            before:
        ]
        self.reasons_are_those_of_the_model()
        self.each_outcome_is_explained_once()
        self.trace.clear()
        return verdict

    def reasons_are_those_of_the_model(self) -> None:
        notes = [each for each in self.trace if isinstance(each, EntryNote)]
        assert isinstance(self.model, ReasonedModel)
        said, self.model.considered = self.model.considered, []
        assert [(each.journey, each.at_ms, each.why) for each in notes] == said
        for note in notes:
            assert all(fact.holds for fact in note.facts[:-1])
            assert not note.facts or note.facts[-1].holds == (note.why == ENTERED)

    def each_outcome_is_explained_once(self) -> None:
        """The note right before an outcome is of its key, wherever a visit came to it."""
        notes: list[Note] = []
        explained: Counter[str] = Counter()
        for each in self.trace:
            if isinstance(each, Note):
                notes.append(each)
            elif isinstance(each, Outcome):
                note = next((note for note in reversed(notes) if key_of(note) == each.key), None)
                explained[each.key] += note is not None
                if note is not None:
                    notes.remove(note)
                    says_so(note, each)
                else:  # Of a goal, and of what a channel says, there is nothing more to say.
                    assert each.outcome in {"converted", "failed"}
        for note in notes:  # What is to have an outcome has had it.
            assert not (isinstance(note, EntryNote) and note.why in RECORDED)

    def teardown(self) -> None:
        super().teardown()
        assert state_of(self.traced) == state_of(self.first)


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


Explained.TestCase.settings = tried(max_examples=150, stateful_step_count=40)
TestExplained = pytest.mark.timeout(300)(Explained.TestCase)
