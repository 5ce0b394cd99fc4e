"""The `anlass` command. A mistake in use is one line that says what to do."""

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
import uvloop

from actors.clock import WallClock
from actors.errors import OperatorError
from actors.links.certificate import notices_of
from actors.log_lines import log_to_stderr
from actors.settings import SystemSettings
from actors.store.manifest import read_store
from actors.store.port import StoreStalledError
from channels.channel import ChannelError
from console.contacts.command import contact_app
from console.contacts.explain import explain
from console.contacts.import_command import import_contacts
from console.journeys.publish_command import diff, end, history, pause, publish, resume, roll_back
from console.journeys.schema import schema
from console.journeys.validation import validate
from console.options import (
    AsJson,
    ConsentOption,
    Data,
    Format,
    Journeys,
    KeyFile,
    Keys,
    Redis,
    RedisCa,
    RedisMode,
    RedisPrefix,
    cluster_settings,
    print_json,
    redis_settings,
)
from console.replay.command import replay
from console.replay.source import chunks_behind, chunks_from, chunks_of
from console.reports.events import events
from console.reports.failed import failed
from console.reports.numbers_screen import numbers
from console.reports.status_screen import status
from console.reports.verify import verify
from console.scenarios.command import run_tests
from console.screen import NAME, console, errors, progress_bar, show_rejections
from console.system.cluster_command import restart, scale, stop
from console.system.demo import play
from console.system.demo_screen import show_demo
from console.system.keys import keys_app
from console.system.move_store import move_store
from console.system.simulator import simulate
from engine.calendar.span import SPAN_FORM, span_ms
from engine.errors import AuthorError
from ingest.gateways import GATEWAYS_MAX
from ingest.readers import Chunk
from ingest.sender import Sender, SendReport

if TYPE_CHECKING:  # Ray takes most of a second to import: only the commands that start it do so.
    from console.system.run import System

EXAMPLES = Path(__file__).parent.parent / "examples" / "journeys"
Clock = Literal["wall", "events"]
Encryption = Literal["on", "off"]

app = typer.Typer(
    help="Anlass: customer journeys, decided event by event.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - the options of a command
    journeys: Annotated[
        Path | None,
        typer.Option(help="Folder to put in force; left out, what is in force goes on."),
    ] = None,
    data: Data = Path("data"),
    publish: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--publish", help="Put the folder in force though visits in flight end."),
    ] = False,
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="The operator's anlass.yaml, where there is no folder."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks one.")
    ] = 8080,
    shards: Annotated[int | None, typer.Option(help="Shard actors; 2 for a new store.")] = None,
    clock: Annotated[Clock, typer.Option(help="`events`: time goes by what events say.")] = "wall",
    encryption: Annotated[
        Encryption | None, typer.Option(help="Of a new store: `on` unless said otherwise.")
    ] = None,
    key_file: KeyFile = None,
    keep: Annotated[
        str, typer.Option(help="How long what was logged stays in the archive.")
    ] = "90d",
    gateways: Annotated[
        int, typer.Option(min=1, max=GATEWAYS_MAX, help="Gateway processes that share the port.")
    ] = 1,
    redis: Redis = "",
    redis_mode: RedisMode = "strict",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    redis_replicas: Annotated[
        int, typer.Option(min=0, help="So many replicas must have what is acknowledged.")
    ] = 0,
    archive: Annotated[
        str, typer.Option(help="URL of a cluster's archive; else a folder in --data.")
    ] = "",
    address: Annotated[str, typer.Option(help="Of the Ray cluster to join.")] = "",
    keys: Keys = None,
    control: Annotated[
        str, typer.Option(help="Serve the control API, too, at HOST:PORT; see docs/control.md.")
    ] = "",
) -> None:
    """Start the whole system, and stay until SIGTERM or Ctrl-C.

    With --redis, as a cluster; with --address, on this machine of one that others are in, too.
    """
    from console.system.run import System  # noqa: PLC0415 - see above

    where = redis_settings(redis, redis_prefix, redis_mode, redis_ca, redis_replicas)
    cluster = cluster_settings(where, data, archive, address, keys)
    _check_folder(journeys, settings_file, data if cluster is None else None, publish=publish)
    settings = SystemSettings(
        data=data,
        journeys=journeys,
        settings_file=settings_file,
        publish=publish,
        clock=clock,
        encrypted=None if encryption is None else encryption == "on",
        key_file=key_file,
        keep_ms=_span_ms("--keep", keep),
        keys=keys,
        cluster=cluster,
        address=address,
    )
    _tell_notices(keys)
    _run(System(settings, shards, host, port, gateways, control))


def _check_folder(
    journeys: Path | None, settings_file: Path | None, data: Path | None, *, publish: bool
) -> None:
    """Refuse options that do not fit, and to make a store of which nothing could be in force."""
    if journeys is not None:
        if settings_file is not None:
            text = "the folder's own anlass.yaml counts"
            raise OperatorError(f"{text}; leave --settings out, or --journeys")
        return
    if publish:
        raise OperatorError("--publish puts a folder in force; name it with --journeys")
    if data is not None:
        read_store(data)
    if settings_file is None:
        text = (
            "What is in force goes on. Without --settings, write keys are those of the environment"
        )
        errors.print(f"{text} alone, and messages go to files.", soft_wrap=True)


def _tell_notices(keys: Path | None) -> None:
    for notice in notices_of(keys, WallClock().read()) if keys else ():
        errors.print(notice, soft_wrap=True, markup=False)


def _run(system: "System") -> None:
    """Start a system, say where it is, and stay."""
    from console.system.run import run_system  # noqa: PLC0415 - see above

    began = time.perf_counter()
    system.start_ray()

    def ready() -> None:
        news = "new journeys published" if system.published else "journeys as before"
        took_s = time.perf_counter() - began
        if system.control_url:
            errors.print(f"its control API is at {system.control_url}", soft_wrap=True)
        errors.print(f"anlass listens on {system.url} ({news}; {took_s:.1f} s)", soft_wrap=True)

    uvloop.run(run_system(system, ready))


@app.command()
def demo(  # noqa: PLR0913, PLR0917 - the options of a command
    events: Annotated[Path | None, typer.Option(help="A file to play, not the simulator.")] = None,
    format: Format = "auto",
    consent: ConsentOption = "asked",
    journeys: Journeys = EXAMPLES,
    shards: Annotated[int, typer.Option(help="Shard actors.")] = 2,
    count: Annotated[int, typer.Option(min=1, help="Events the simulator makes.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulator.")] = 7,
    data: Annotated[Path | None, typer.Option(help="Folder for it; else a temporary one.")] = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Play a stream of shop events through the whole system, and sum up."""
    from console.system.run import System  # noqa: PLC0415 - see above

    if events is None:
        chunks: Iterable[Chunk] = chunks_from(simulate(seed, count))
        total: int | None = count
    else:
        chunks = chunks_of(events, format, consent_all=consent == "all")
        total = None
    folder = data or Path(tempfile.mkdtemp(prefix="anlass-demo-"))
    settings = SystemSettings(data=folder, journeys=journeys, clock="events", publish=True)
    system = System(settings, shards, "127.0.0.1", 0)
    with errors.status(f"Starting Ray, {shards} shards, a courier and the gateway ..."):
        system.start_ray()

    async def playing() -> None:
        try:
            await system.start()
            with progress_bar() as bar:
                task = bar.add_task("shop events", total=total, rate=0.0)
                began = time.perf_counter()

                def advance(report: SendReport) -> None:
                    done = report.accepted + report.repeated + report.rejected
                    rate = done / (time.perf_counter() - began)
                    bar.update(task, completed=done, rate=rate)

                report = await play(system, chunks, folder, advance)
        finally:
            await system.stop()
        if json:
            print_json(report)
        else:
            show_demo(report, str(events))

    uvloop.run(playing())


app.command()(diff)
app.command()(end)
app.command()(events)
app.command()(explain)
app.command()(restart)
app.command()(scale)
app.command()(stop)
app.command()(history)
app.command("move-store")(move_store)
app.command()(numbers)
app.command()(pause)
app.command()(publish)
app.command()(replay)
app.command()(resume)
app.command("roll-back")(roll_back)
app.command()(schema)
app.command()(status)
app.command("test")(run_tests)
app.command()(validate)
app.command()(verify)


@app.command()
def send(
    file: Annotated[Path, typer.Argument(help="File of events, plain, .gz or .zst.")],
    url: Annotated[str, typer.Option(help="Of the gateway.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="ANLASS_KEY", help="Write key.")] = "",
    format: Format = "auto",
    consent: ConsentOption = "asked",
    from_line: Annotated[int, typer.Option(min=1, help="Go on there, where it stopped.")] = 1,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Post a file of events to a gateway, in order; what fails is sent again with the same ids.

    Exit 1 where something of the file was rejected.
    """
    chunks = chunks_behind(chunks_of(file, format, consent_all=consent == "all"), from_line)
    with progress_bar() as bar:
        task = bar.add_task("sending", total=None, rate=0.0)
        began = time.perf_counter()

        def advance(report: SendReport) -> None:
            done = report.accepted + report.repeated + report.rejected
            bar.update(task, completed=done, rate=done / (time.perf_counter() - began))

        sender = Sender(url, key, trouble=_tell_trouble)
        report = uvloop.run(sender.send(chunks, advance))
    show_rejections(str(file), report.rejections)
    if json:
        report.latencies_ms = []
        print_json(report)
    else:
        console.print(
            f"{report.accepted:,} accepted, {report.repeated:,} repeated, "
            f"{report.rejected:,} rejected, {report.failed:,} without an answer"
        )
    if report.error:
        line = report.stopped_at
        raise OperatorError(
            f"{report.error}; stopped at line {line}: go on with --from-line {line}"
        )
    if report.rejected:
        raise typer.Exit(1)


def _tell_trouble(fault: str) -> None:
    errors.print(f"{fault}; tried again for a minute", soft_wrap=True, markup=False)


app.command()(failed)
app.command("import")(import_contacts)


def _span_ms(option: str, text: str) -> int:
    """Read an option that is a span. Raises OperatorError."""
    span = span_ms(text)
    if span is None:
        raise OperatorError(f"{option} {text!r} is no span; write {SPAN_FORM}")
    return span


app.add_typer(contact_app, name="contact")
app.add_typer(keys_app, name="keys")


def main() -> NoReturn:
    """Run the command; what a person did wrong is told in a line each, without a traceback."""
    log_to_stderr()
    try:
        code = app(prog_name=NAME, standalone_mode=False)
    except (OperatorError, AuthorError, ChannelError, StoreStalledError) as error:
        _refuse(str(error))
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _refuse_use(error.format_message(), getattr(error, "ctx", None))
    sys.exit(code or 0)


def _refuse_use(said: str, context: typer.Context | None) -> NoReturn:
    """Say what is wrong with the words of a command, and which help tells how they are meant."""
    if said.startswith("Usage: "):  # A command of commands, without one of them: it is the help.
        sys.stderr.write(said + "\n")
        sys.exit(2)
    named = context.command_path if context else NAME
    _refuse(f"{said.replace('Value error, ', '').rstrip('.')}. Try `{named} --help`.")


def _refuse(text: str) -> NoReturn:
    for line in text.splitlines():
        sys.stderr.write(f"anlass: {line}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
