"""The command `anlass keys`: a cluster's certificates from the first to the change of all."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.errors import OperatorError
from console.system.keys import keys_app
from tests.console.command import anlass


def keys(*words: object) -> Result:
    """Run the command within this process: a process of its own takes seconds to begin."""
    return CliRunner().invoke(keys_app, list(map(str, words)))


def said(*words: object) -> str:
    result = keys(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(folder: Path) -> dict[str, dict[str, object]]:
    lines = [json.loads(line) for line in said("show", folder, "--json").splitlines()]
    return {line["name"]: line for line in lines if not line["authority"]}


def test_certificates_are_made_shown_and_renewed(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert f"{folder / 'cluster'}: copy this folder to its host" in said("make", folder)
    said("host", folder, "--host", "node-1", "--address", "10.0.0.1", "--role", "gateway")
    said("host", folder, "--host", "node-2", "--days", "20")
    lines = shown(folder)
    assert list(lines) == ["cluster", "node-1", "node-2"]
    assert (lines["node-1"]["roles"], lines["node-1"]["hosts"]) == (
        ["gateway"],
        ["node-1", "10.0.0.1"],
    )
    table = keys("show", folder)
    assert "authority" in table.stdout
    assert "node-2/cert.pem: the certificate of 'node-2' ends on" in table.stderr
    assert "node-1" not in table.stderr
    assert said("renew", folder).count("copy this folder") == 1
    assert "Every certificate has time left" in said("renew", folder)
    assert said("renew", folder, "--all").count("copy this folder") == 3
    said("renew", folder, "--authority")
    assert said("renew", folder).count("copy this folder") == 3
    said("renew", folder, "--forget-authority")
    assert len(said("show", folder / "node-1", "--json").splitlines()) == 2


def test_a_mistake_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    result = anlass("keys", "show", tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "is not there; name the folder that `anlass keys` has made" in result.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["make"], "is there already, and is not written over; renew with `anlass keys renew"),
        (["host", "--host", "no de"], "is no name"),
        (["host", "--host", "cluster"], "is for any host"),
        (["host", "--host", "n", "--role", "king"], "there are shard, gateway, courier, operator"),
        (["host", "--host", "n", "--ca-key", "nowhere"], "name it with --ca-key"),
        (["renew", "--days", "4000", "--all"], "ask for less with --days"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, words: list[str], error: str) -> None:
    said("make", tmp_path)
    result = keys(words[0], tmp_path, *words[1:])
    assert isinstance(result.exception, OperatorError)
    assert error in str(result.exception)
