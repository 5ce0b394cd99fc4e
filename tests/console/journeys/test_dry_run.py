"""Test mode where authors meet it: in the check of a folder, in tests, and in a replay."""

from pathlib import Path

import pytest

from tests.console.command import anlass
from tests.console.scenarios.played import played, scenarios

GIVEN = """
- {contact: ada, identify: {attributes: {email: a@example.com}, consent: {email: double_opt_in}}}
- {contact: bob, identify: {attributes: {email: b@example.com}, consent: {email: double_opt_in}}}
- {contact: ada, event: product_view, payload: {product_id: lamp, name: Alma}, times: 7}
- {contact: bob, event: product_view, payload: {product_id: lamp, name: Alma}, times: 7}
- {contact: ada, after: 3h, expect: {message: {journey: favourites}}}
- {contact: bob, expect: {none: {journey: favourites, why: for test contacts only}}}
- {contact: bob, expect: nothing}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the shipped journeys, one of them in test mode."""
    made = scenarios(tmp_path / "journeys", GIVEN)
    path = made / "favourites.yaml"
    path.write_text(path.read_text() + "\ntest: {contacts: [ada]}\n")
    return made


def test_a_scenario_tells_who_is_in_the_test(folder: Path) -> None:
    (result,) = played(folder)
    assert result.passed, result


def test_the_check_of_a_folder_names_journeys_in_test_mode(folder: Path) -> None:
    told = anlass("validate", folder)
    assert told.returncode == 0
    assert "note: favourites is in test mode: of all contacts, 1 may get its" in told.stderr
