"""What an operator may say of the gateway in `anlass.yaml`."""

from pathlib import Path
from typing import Any

import pytest

from actors.errors import OperatorError
from actors.folder import read_folder
from console.system.run import gateway_settings

JOURNEY = "journey: a\nentry: {event: hi}\nnodes:\n  - {id: end, exit: done}\n"


def folder_saying(folder: Path, text: str) -> Any:
    (folder / "a.yaml").write_text(JOURNEY)
    (folder / "anlass.yaml").write_text(text)
    return read_folder(folder)


def test_the_folder_hands_the_gateways_settings_on_and_publishes_nothing_of_them(
    tmp_path: Path,
) -> None:
    read = folder_saying(tmp_path, "gateway: {memory_max: 60%, queue_delay_s: 0.2}\n")
    assert read.operator["gateway"] == {"memory_max": "60%", "queue_delay_s": 0.2}
    assert b"memory_max" not in read.source
    assert not [each for each in read.mistakes if "gateway" in each.path]


@pytest.mark.parametrize("text", ["gateway: 60%\n", "gateway: [1]\n", "gateway: {1: 2}\n"])
def test_what_are_no_settings_is_a_mistake(tmp_path: Path, text: str) -> None:
    assert "$.gateway" in [each.path for each in folder_saying(tmp_path, text).mistakes]


def test_settings_that_are_said_are_taken_and_the_others_stay() -> None:
    settings = gateway_settings({"memory_max": 1 << 30, "queue_delay_s": 0.2}, "127.0.0.1", 0, [])
    assert (settings.memory_max, settings.queue_delay_s) == (1 << 30, 0.2)
    assert settings.connections_max == 10_000


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"memory_max": "much"}, "write bytes as a number, or a percentage"),
        ({"memory": "60%"}, "unknown field `memory`"),
        ({"queue_delay_s": "soon"}, "queue_delay_s"),
        ({"queue_delay_s": 0}, "must be above 0"),
        ({"port": 80}, "options of `anlass run`"),
    ],
)
def test_a_slip_names_the_file_and_what_is_wrong(said: dict[str, Any], words: str) -> None:
    with pytest.raises(OperatorError, match=r"anlass\.yaml, gateway: ") as found:
        gateway_settings(said, "127.0.0.1", 0, [])
    assert words in str(found.value)


def test_without_settings_a_gateway_for_others_still_needs_keys() -> None:
    with pytest.raises(OperatorError, match="set `keys`"):
        gateway_settings({}, "0.0.0.0", 0, [])
