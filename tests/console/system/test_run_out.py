"""Time runs out after the last event, also where schedules would go on for ever."""

from console.replay.replay import RUN_ON_MS, Replay
from console.system.demo import LAST_MS, last_ms
from engine.decision import SENT
from engine.input import Event
from engine.limits import DAY_MS
from tests.publications import journey, source_of

NOON_MS = 1_700_000_000_000


def test_a_demo_runs_on_for_ever_unless_there_are_schedules() -> None:
    plain, timed = {"timed": False, "now_ms": 9}, {"timed": True, "now_ms": 5}
    assert last_ms([plain, plain]) == LAST_MS
    assert last_ms([timed, plain]) == 9 + RUN_ON_MS


def test_a_replay_ends_where_a_date_comes_each_year() -> None:
    entry = {"date": "born", "every": "year"}
    replay = Replay(source_of(journey(entry=entry)))
    born = {"attributes": {"born": "2001-11-20"}}
    replay.fold([Event("e-1", "c-1", "identify", NOON_MS, born)])
    replay.run_out()
    sent = [each for each in replay.outcomes.values() if each.outcome == SENT]
    assert [each.at_ms <= NOON_MS + 31 * DAY_MS for each in sent] == [True]
