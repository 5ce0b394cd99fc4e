"""`anlass send`: what it says of a file, and of a gateway that takes it, or does not."""

import asyncio
from pathlib import Path

from tests.console.command import anlass
from tests.ingest.serving import serving

LINES = [
    '{"id": "1", "contact": "c", "name": "hi", "at_ms": 1700000000000}',
    "no json",
    '{"id": "2", "name": "hi"}',
    '{"id": "3", "contact": "c", "name": "hi"}',
]


async def test_what_is_rejected_is_told_by_its_line_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(LINES))
    async with serving(tmp_path, shards=1) as served:
        url = f"http://127.0.0.1:{served.gateway.port}"
        first = await asyncio.to_thread(anlass, "send", file, "--url", url)
        again = await asyncio.to_thread(anlass, "send", file, "--url", url)
        file.write_text(LINES[0])
        whole = await asyncio.to_thread(anlass, "send", file, "--url", url)
    assert first.stdout == "2 accepted, 0 repeated, 2 rejected, 0 without an answer\n"
    assert again.stdout == "0 accepted, 2 repeated, 2 rejected, 0 without an answer\n"
    malformed, nobody = first.stderr.splitlines()
    assert malformed.startswith(f"{file}, line 2: JSON is malformed")
    assert nobody == f"{file}, line 3: an event needs `contact` or `anonymous` - at `$`"
    assert (first.returncode, again.returncode, whole.returncode) == (1, 1, 0)


async def test_who_is_refused_reads_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(["", *LINES]))
    async with serving(tmp_path, shards=1, keys=["k1"]) as served:
        url = f"http://127.0.0.1:{served.gateway.port}"
        result = await asyncio.to_thread(anlass, "send", file, "--url", url, "--key", "k2")
    assert result.returncode == 2
    said = result.stderr.splitlines()[-1]
    assert " says 401: " in said
    assert said.endswith("; stopped at line 2: go on with --from-line 2")


async def test_it_goes_on_at_a_line_with_the_ids_that_events_had(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f'{{"contact": "c{i}", "name": "hi"}}\n' for i in range(1_200)) + "no")
    async with serving(tmp_path, shards=1) as served:
        options = ["--url", f"http://127.0.0.1:{served.gateway.port}", "--consent", "all"]
        await asyncio.to_thread(anlass, "send", file, *options)
        whole = [event.id for event in served.shard.events]
        rest = await asyncio.to_thread(anlass, "send", file, *options, "--from-line", 901)
        again = await asyncio.to_thread(anlass, "send", file, *options, "--from-line", 1202)
    assert rest.stdout == "0 accepted, 600 repeated, 1 rejected, 0 without an answer\n"
    assert again.stdout == "0 accepted, 0 repeated, 0 rejected, 0 without an answer\n"
    assert len(whole) == 2_400
