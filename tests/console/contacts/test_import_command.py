"""`anlass import`: what is sent, counted, told and written."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from console.contacts.import_command import REFUSALS_SHOWN_MAX, ImportReport
from ingest.contact_file import Refusal
from tests.console.command import anlass
from tests.console.test_command import CONTACTS
from tests.ingest.serving import Serving, serving


async def imported(served: Serving, *arguments: object) -> tuple[int, ImportReport]:
    url = f"http://127.0.0.1:{served.gateway.port}"
    done = await asyncio.to_thread(anlass, "import", *arguments, "--url", url, "--json")
    return done.returncode, msgspec.json.decode(done.stdout, type=ImportReport)


def payloads(served: Serving) -> dict[str, Any]:
    return {event.contact: json.loads(event.payload) for event in served.shard.events}


async def test_files_are_imported_in_order_and_a_second_time_nothing_changes(
    tmp_path: Path,
) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text('{"contact":"c-1001","lists":{"old":true}}\n{"contact":"erased"}\n')
    async with serving(tmp_path) as served:
        options = (CONTACTS, more, "--list", "news")
        code, first = await imported(served, *options)
        assert [event.contact for event in served.shard.events][-2:] == ["c-1001", "erased"]
        assert payloads(served)["c-1001"] == {"lists": {"old": True, "news": True}}
        assert payloads(served)["c-1002"]["lists"] == {"news": True}
        again = (await imported(served, *options))[1]
        anew = (await imported(served, *options, "--mark", "2"))[1]
        off = (await imported(served, more, "--remove-from", "news"))[1]
        assert payloads(served)["c-1001"] == {"lists": {"old": True, "news": False}}
    assert (code, first.rows, first.accepted, first.erased) == (1, 5, 4, 1)
    assert (again.accepted, again.repeated) == (0, 4)
    assert (anew.accepted, off.accepted) == (4, 1)


async def test_refused_rows_are_counted_the_first_shown_and_all_written(tmp_path: Path) -> None:
    file, report = tmp_path / "bad.csv", tmp_path / "refused.jsonl"
    bad = REFUSALS_SHOWN_MAX + 10
    file.write_text("contact,points:number\n" + "c1,x\n" * bad + "c2,2\n")
    async with serving(tmp_path) as served:
        code, done = await imported(served, file, "--report", report)
        assert payloads(served) == {"c2": {"attributes": {"points": 2}}}
    assert (code, done.rows, done.accepted, done.refused) == (1, bad + 1, 1, bad)
    written = msgspec.json.Decoder(Refusal).decode_lines(report.read_bytes())
    assert [each.line for each in written] == list(range(2, bad + 2))
    assert done.refusals == written[:REFUSALS_SHOWN_MAX]
    assert (written[0].column, written[0].value) == ("points:number", "x")
    assert written[0].fix


def test_a_dry_run_sends_nothing_and_needs_no_gateway(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("contact,vip:bool\nc1,[red]\nc2,true\n")
    nowhere = ("--dry-run", "--url", "http://127.0.0.1:1")
    good = anlass("import", CONTACTS, *nowhere)
    assert (good.returncode, good.stderr) == (0, "")
    assert "nothing was sent" in good.stdout
    refused = anlass("import", bad, *nowhere)
    assert refused.returncode == 1
    assert "bad.csv:2" in refused.stdout
    assert "[red]" in refused.stdout


def test_an_import_that_stops_says_so_and_what_to_do() -> None:
    stopped = anlass("import", CONTACTS, "--url", "localhost:8080", "--json")
    assert stopped.returncode == 2
    assert json.loads(stopped.stdout)["unanswered"] == 3
    (line,) = stopped.stderr.splitlines()
    assert "begin the address with http://; import again" in line
