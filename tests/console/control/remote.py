"""The command of somebody who has a key, as it asks a system elsewhere."""

from typer.testing import CliRunner

from console.__main__ import app
from tests.console.control.served import ANNA, Served


class Anlass:
    """The command of somebody who has a key."""

    def __init__(self, url: str) -> None:
        self._options = ["--control", url, "--control-key", ANNA.key]
        self.errors = ""

    def __call__(
        self, *said: str, fails: type[BaseException] | None = None, asked: str = ""
    ) -> str:
        ended = CliRunner().invoke(app, [*said, *self._options], input=asked)
        self.errors = ended.stderr
        if fails is None:
            assert ended.exit_code == 0, (ended.output, ended.exception)
            return ended.stdout
        assert isinstance(ended.exception, fails), ended.output
        return str(ended.exception)


def here(shop: Served, *said: str) -> str:
    ended = CliRunner().invoke(app, [*said, "--data", str(shop.data)])
    assert ended.exit_code == 0, (ended.output, ended.exception)
    return ended.stdout
