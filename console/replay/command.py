"""The command `anlass replay`: of a file of events, or of what a store says went out."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from actors.errors import OperatorError
from actors.folder import checked_folder
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from console.options import (
    ArchiveUrl,
    AsJson,
    ConsentOption,
    Format,
    KeyFile,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.replay.against.command import Asked, compare
from console.replay.against.options import (
    Against,
    Html,
    Processes,
    Same,
    Since,
    StatesOption,
    Vary,
    Within,
)
from console.replay.reading import read_at_once
from console.replay.recorded import moment_ms
from console.replay.remote import compare_there, read_there
from console.replay.replay import (
    Replay,
    ReplayReport,
    check_writable,
    replay_chunks,
    write_outcomes,
)
from console.replay.screen import show_replay
from console.replay.source import chunks_of, consents_added
from console.screen import errors, progress_bar, show_rejections
from engine.decision import Outcome
from engine.limits import FAR_MS
from ingest.readers import Chunk

REJECTIONS_SHOWN: Final = 10


def replay(  # noqa: PLR0913, PLR0917 - the options of a command
    journeys: Annotated[
        Path | None, typer.Option(help="Folder of journeys, templates and anlass.yaml.")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="File of events, plain, .gz or .zst.")] = None,
    format: Format = "auto",
    consent: ConsentOption = "asked",
    from_log: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a store, or with --redis of this machine's part: what really went out."
        ),
    ] = None,
    until: Annotated[
        str, typer.Option(help="With --from-log: as of this moment, ISO or epoch milliseconds.")
    ] = "",
    against: Against = None,
    vary: Vary = None,
    state: StatesOption = None,
    since: Since = "",
    within: Within = "1d",
    html: Html = None,
    processes: Processes = 0,
    same: Same = False,  # noqa: FBT002
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
    out: Annotated[
        Path | None, typer.Option(help="Write what came of each visit, or what differs, here.")
    ] = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say what journeys would have done with a file of events, or what a store's log says.

    Or, with --against, what a draft of the journeys would have done otherwise than the log says.
    With --control in place of --from-log, it is the log of the system there.
    """
    if redis and not control and from_log is None and journeys is None and events is None:
        from_log = Path("data")
    if against is not None:
        _check_no_file(journeys, events, format, consent)
        client = _client_of(from_log, control, control_key)
        store = store_place(from_log or Path(), redis, redis_prefix, redis_ca, archive)
        spans = (since, until, within, processes)
        asked = Asked(store, against, key_file, vary or [], state or [], *spans)
        _compare(asked, client, out, html, same=same, json=json)
        return
    _check_with_against(vary, state, since, html, same=same)
    if from_log is None and control and journeys is None and events is None:
        _check_no_file(journeys, events, format, consent)
        report = read_there(ControlClient(control, control_key), _until_ms(until), out)
        _show(report, f"Log of {control}", until, json=json)
        return
    if from_log is None:
        if until:
            raise OperatorError("--until goes with --from-log or --control only; leave it out")
        outcomes, report = _replay_file(*_named(journeys, events), format, consent, out)
        title = "Replay"
    else:
        _check_no_file(journeys, events, format, consent)
        place = store_place(from_log, redis, redis_prefix, redis_ca, archive)
        outcomes, report = _read_log(place, _until_ms(until), key_file, processes, out)
        title = f"Log of {place}"
    if out is not None:
        write_outcomes(out, outcomes.values())
    _show(report, title, until, events, json=json)


def _compare(
    asked: Asked,
    client: ControlClient | None,
    out: Path | None,
    html: Path | None,
    *,
    same: bool,
    json: bool,
) -> None:
    """Compare here, or there; exit 1 where nothing is to differ and something does."""
    if client is None:
        differs = compare(asked, out, html, json=json)
    else:
        differs = compare_there(client, asked, out, html, json=json)
    if same and differs:
        raise typer.Exit(1)


def _check_some(events: Path, report: ReplayReport) -> None:
    """End with 1 where nothing of a file was an event: what was shown is of none."""
    if report.rejected and not report.events:
        text = f"none of the {report.rejected:,} lines of {events} is an event"
        errors.print(f"anlass: {text}; see --format", soft_wrap=True, markup=False)
        raise typer.Exit(1)


def _until_ms(until: str) -> int:
    return moment_ms(until) if until else FAR_MS


def _show(
    report: ReplayReport, title: str, until: str, events: Path | None = None, *, json: bool
) -> None:
    if json:
        print_json(report)
    else:
        show_replay(report, title + (f" until {until}" if until else ""))
    if events is not None:
        _check_some(events, report)


def _named(journeys: Path | None, events: Path | None) -> tuple[Path, Path]:
    if journeys is None or events is None:
        missing = "--journeys" if journeys is None else "--events"
        raise OperatorError(f"Missing option '{missing}'. Try `anlass replay --help`.")
    return journeys, events


def _client_of(from_log: Path | None, control: str, control_key: str) -> ControlClient | None:
    """Return who asks the system elsewhere; None where a folder is named. Raises OperatorError."""
    if from_log is not None:
        return None
    if not control:
        text = "--against compares with a log; name its store with --from-log"
        raise OperatorError(f"{text}, or its system with --control")
    return ControlClient(control, control_key)


def _check_with_against(
    vary: list[str] | None, state: list[str] | None, since: str, html: Path | None, *, same: bool
) -> None:
    """Refuse the options of a comparison."""
    for name, given in (
        ("--vary", vary),
        ("--state", state),
        ("--from", since),
        ("--html", html),
        ("--same", same),
    ):
        if given:
            raise OperatorError(f"{name} goes with --against only; leave it out")


def _check_no_file(journeys: Path | None, events: Path | None, format: str, consent: str) -> None:
    """Refuse the options of a replay of a file."""
    for name, given in (
        ("--journeys", journeys is not None),
        ("--events", events is not None),
        ("--format", format != "auto"),
        ("--consent", consent != "asked"),
    ):
        if given:
            text = f"--from-log tells what really went out and takes no {name}"
            raise OperatorError(f"{text}; leave one of them out")


def _replay_file(
    journeys: Path, events: Path, format: str, consent: str, out: Path | None
) -> tuple[dict[str, Outcome], ReplayReport]:
    """Fold a file of events with a folder of journeys, in simulated time."""
    folder = checked_folder(journeys)
    chunks = chunks_of(events, format, consent_all=consent == "all")
    if out is not None:
        check_writable(out)
    replaying = Replay(folder.source)
    rejected = 0
    with progress_bar() as bar:
        task = bar.add_task("replay", total=None, rate=0.0)
        began = time.perf_counter()
        done = 0

        def advance(chunk: Chunk) -> None:
            nonlocal done, rejected
            done += len(chunk.events)
            show_rejections(str(events), chunk.rejections[: max(REJECTIONS_SHOWN - rejected, 0)])
            rejected += len(chunk.rejections)
            bar.update(task, completed=done, rate=done / (time.perf_counter() - began))

        wall_s = replay_chunks(replaying, chunks, advance)
    return replaying.outcomes, replaying.report(rejected, wall_s, consents_added(chunks))


def _read_log(
    data: StorePlace, until_ms: int, key_file: Path | None, processes: int, out: Path | None
) -> tuple[dict[str, Outcome], ReplayReport]:
    """Read what a store's archive and log say."""
    open_kept(data, key_file).close()  # It says so, before a bar is drawn, where this is none.
    if out is not None:
        check_writable(out)
    with progress_bar("records") as bar:
        task = bar.add_task("records", total=None, rate=0.0)
        began = time.perf_counter()

        def advance(records: float) -> None:
            done = bar.tasks[0].completed + records
            bar.update(task, completed=done, rate=done / (time.perf_counter() - began))

        recorded, wall_s = read_at_once(data, until_ms, key_file, processes, advance)
    return recorded.outcomes, recorded.report(wall_s)
