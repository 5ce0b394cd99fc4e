"""Folders of journeys: what is read, and what an author is told."""

from pathlib import Path

import msgspec
import pytest

from actors.folder import operator_of, read_folder
from engine.compile.publication import programs_of
from engine.errors import AuthorError
from engine.language.journey import Publication

JOURNEY = """\
journey: hello
entry: {event: hi}
nodes:
  - {id: mail, send: email, template: hello}
"""
TEMPLATE = "---\nsubject: Hello\n---\nHello {{ contact.id }}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.yaml").write_text(JOURNEY)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "hello.en.liquid").write_text(TEMPLATE)
    return tmp_path


def told(folder: Path) -> str:
    """Return the one mistake of a folder, which then has nothing to publish."""
    read = read_folder(folder)
    assert len(read.mistakes) == 1, read.mistakes
    assert read.source == b""
    return str(read.mistakes[0])


def write(folder: Path, text: str, file: str = "anlass.yaml") -> Path:
    (folder / file).write_text(text)
    return folder


def test_a_folder_without_settings_is_ready_to_publish(folder: Path) -> None:
    read = read_folder(folder)
    assert read.mistakes == []
    assert msgspec.json.decode(read.source, type=Publication) == read.publication
    assert list(programs_of(read.source).by_journey) == ["hello"]


def test_the_same_words_in_another_order_are_the_same_source(folder: Path) -> None:
    before = read_folder(folder).source
    turned = (
        "nodes:\n- {template: hello, id: mail, send: email}\nentry: {event: hi}\njourney: hello"
    )
    assert read_folder(write(folder, turned, "hello.yaml")).source == before


def test_json_is_read_as_yaml_is(folder: Path) -> None:
    nodes = '[{"id": "m", "send": "email", "template": "hello"}]'
    text = '{"journey": "second", "entry": {"event": "hi"}, "nodes": ' + nodes + "}"
    read = read_folder(write(folder, text, "second.json"))
    assert read.mistakes == []
    assert sorted(read.publication.journeys) == ["hello.yaml", "second.json"]


def test_the_operators_settings_are_kept_out_of_the_publication(folder: Path) -> None:
    settings = "keys: [k1]\nchannels: {email: {host: mx, port: 25, sender: a@b.de}}\nlanguage: en\n"
    read = read_folder(write(folder, settings))
    assert read.mistakes == []
    assert read.publication.settings == {"language": "en"}
    assert read.operator == {
        "keys": ["k1"],
        "channels": {"email": {"host": "mx", "port": 25, "sender": "a@b.de"}},
        "gateway": {},
        "control": {},
    }
    assert b"k1" not in read.source


ASKS = {
    "journey": "asks",
    "entry": {"event": "hi"},
    "nodes": [{"id": "ask", "webhook": "https://api.example.com/hook"}],
}


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ("{}", ""),
        ("{webhook: {hosts: [other.example, api.example.com]}}", ""),
        ("{webhook: {hosts: ['https://api.example.com:443']}}", ""),
        ("{webhook: {hosts: [other.example]}}", "this server is not allowed - at `$.nodes[0].we"),
        ("{webhook: {hosts: ['http://api.example.com']}}", "this server is not allowed"),
        ("{webhook: {hosts: ['*.example.com']}}", "'*.example.com' is no host"),
        ("{webhook: {hosts: []}}", ">= 1"),
        ("{webhook: {}}", "the field 'hosts' is missing"),
    ],
)
def test_a_webhook_asks_only_servers_that_the_settings_allow(
    folder: Path, channels: str, said: str
) -> None:
    write(folder, msgspec.json.encode(ASKS).decode(), "asks.json")
    write(folder, f"channels: {channels}\n")
    if said:
        assert said in told(folder)
    else:
        assert read_folder(folder).mistakes == []


@pytest.mark.parametrize("missing", ["nowhere", "empty"])
def test_a_folder_without_journeys_is_one_clear_mistake(tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty").mkdir()
    text = told(tmp_path / missing)
    assert missing in text
    assert {"nowhere": "no such folder", "empty": "no journey"}[missing] in text


def test_settings_alone_are_no_journey(tmp_path: Path) -> None:
    assert "there is no journey" in told(write(tmp_path, "language: en\n"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("sesion_gap: 30m\n", "anlass.yaml: unknown field 'sesion_gap' - at `$.sesion_gap`; "
         "did you mean `session_gap`?"),
        ("key: [a]\n", "did you mean `keys`?"),
        ("keys: secret\n", "write a list of texts"),
        ("time_zone: Europe/Berlim\n", "did you mean `Europe/Berlin`?"),
        ("time_zone: ../etc\n", "there is no time zone '../etc'"),
        ("addresses: {emial: email}\n", "did you mean `email`?"),
        ("quiet_hours: {emial: {from: '21:00', to: '08:00'}}\n", "did you mean `email`?"),
        ("caps: [{messages: 1, per: day, channel: emial}]\n", "did you mean `email`?"),
        ("channels: {email: {hots: x, sender: a@b.de, host: y}}\n", "did you mean `host`?"),
        ("channels: {email: {host: x, port: 99999, sender: a@b.de}}\n", "<= 65535"),
        ("channels: {emial: {host: x}}\n", "did you mean `email`?"),
        ("- a\n", "write it as `key: value` lines"),
        ("language: de\n", "add templates/hello.de.liquid"),
        ("yes: x\n", "put the word in quotes"),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_told(folder: Path, settings: str, said: str) -> None:
    assert said in told(write(folder, settings))


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("yes: x", "YAML reads on, off, yes and no as true or false: put the word in quotes"),
        ("wait: [", " - at `line "),
        ("wait: 1h, wait: 2h", "the key 'wait' is there twice - at `line 5`; keep one of the two"),
        ("wait: &a 1h, then: *a", "aliases are not read - at `line 5`"),
        ("wait: 1:30", "cannot read '1:30' as a span"),
        ("wait: 2025-01-01", "cannot read '2025-01-01' as a span"),
        ("if: {field: price, at_least: .inf}", ".inf is no number to compare with - at `line 5`"),
    ],
)
def test_a_node_that_cannot_be_read_is_told_with_its_place(
    folder: Path, node: str, said: str
) -> None:
    text = f"{JOURNEY}  - {{id: more, {node}}}\n"
    if "yes" in node:
        text = text.replace("yes: x", "wait: 1h, yes: x")
    read = read_folder(write(folder, text, "hello.yaml"))
    heard = [each for each in map(str, read.mistakes) if each.startswith("hello.yaml: ")]
    assert any(said in each for each in heard), heard


def test_a_word_that_yaml_takes_for_yes_is_told(folder: Path) -> None:
    text = JOURNEY.replace("entry: {event: hi}", "entry: {event: hi}\non: x")
    assert "put the word in quotes" in told(write(folder, text, "hello.yaml"))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("more.yaml", "a: 1\n  b: 2\n", "mapping values are not allowed here - at `line 2`"),
        ("more.yaml", "a:\n\t- b\n", "indent with spaces"),
        ("more.yaml", "", "more.yaml: the file is empty"),
        ("more.json", '{"a": 1,\n "a": 2}', "the key 'a' is there twice"),
        ("more.json", '{"a": NaN}', "NaN is no number"),
        ("more.json", '{\n"a": }', "Expecting value - at `line 2`"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_with_its_line(
    folder: Path, file: str, text: str, said: str
) -> None:
    assert said in told(write(folder, text, file))


def test_bytes_that_are_no_text_are_told(folder: Path) -> None:
    (folder / "more.yaml").write_bytes(b"journey: \xff")
    assert "more.yaml: byte 9 is no UTF-8" in told(folder)


def test_a_template_is_checked_with_its_file_and_line(folder: Path) -> None:
    write(folder / "templates", TEMPLATE + "{{ contakt.id }}", "hello.en.liquid")
    assert told(folder).startswith("templates/hello.en.liquid: unknown name 'contakt'")


def test_a_template_without_a_language_in_its_name_is_told(folder: Path) -> None:
    write(folder / "templates", TEMPLATE, "bye.liquid")
    assert "templates/bye.liquid" in told(folder)


def test_a_template_that_nobody_uses_is_a_note(folder: Path) -> None:
    write(folder / "templates", TEMPLATE, "bye.en.liquid")
    read = read_folder(folder)
    assert read.mistakes == []
    assert read.notes == ["templates/bye.en.liquid: no journey uses this template"]


def test_a_channel_that_nobody_knows_is_told(folder: Path) -> None:
    text = told(write(folder, JOURNEY.replace("email", "emial"), "hello.yaml"))
    assert "there is no channel 'emial' - at `$.nodes[0].send`; did you mean `email`?" in text


def test_consent_for_a_channel_that_nobody_knows_is_told(folder: Path) -> None:
    text = told(write(folder, "consent: {pusch: opt_in}\n"))
    assert "there is no channel 'pusch' - at `$.consent.pusch`; did you mean `push`?" in text


def test_mistakes_of_all_files_come_together(folder: Path) -> None:
    write(folder, "sesion_gap: 1m\n")
    write(folder, JOURNEY.replace("hi}", "hi, wen: 1}"), "hello.yaml")
    write(folder, "a: [", "more.yaml")
    files = {each.file for each in read_folder(folder).mistakes}
    assert files == {"anlass.yaml", "hello.yaml", "more.yaml"}


def test_segments_are_read_from_their_folder(folder: Path) -> None:
    (folder / "segments").mkdir()
    write(folder, "segment: vip\nlist: true\n", "segments/vip.yaml")
    write(folder, '{"segment": "dear", "when": {"segment": "vip"}}', "segments/dear.json")
    read = read_folder(folder)
    assert read.mistakes == []
    assert sorted(read.publication.segments) == ["segments/dear.json", "segments/vip.yaml"]
    assert sorted(programs_of(read.source).segments) == ["dear", "vip"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("segment: vip\nlist: maybe\n", "segments/vip.yaml: Expected `bool`"),
        ("segment: vip\n", "segments/vip.yaml: a segment is a condition or a list - at `$`"),
        ("segment: vip\nwhen: {segment: vpi}\n", "there is no segment 'vpi' - at `$.when.segment`"),
        ("segment: vip\n  when: [\n", "segments/vip.yaml"),
    ],
)
def test_a_segment_that_means_nothing_is_told(folder: Path, text: str, said: str) -> None:
    (folder / "segments").mkdir()
    assert said in told(write(folder, text, "segments/vip.yaml"))


def test_the_operators_part_can_be_read_without_the_folder(folder: Path) -> None:
    settings = (
        "time_zone: Europe/Berlin\nkeys: [a-key]\nchannels: {email: {host: mail.example, %s}}"
    )
    file = folder / "elsewhere.yaml"
    file.write_text(settings % "sender: a@shop.example")
    operator = operator_of(file)
    assert operator["keys"] == ["a-key"]
    assert operator["channels"]["email"]["host"] == "mail.example"
    assert operator_of(None) == {"keys": [], "channels": {}, "gateway": {}, "control": {}}
    file.write_text(settings % "sendr: a")
    with pytest.raises(AuthorError, match="sendr"):
        operator_of(file)
    with pytest.raises(AuthorError, match="there is no such file"):
        operator_of(folder / "none.yaml")
