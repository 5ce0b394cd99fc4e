"""What a message can say of a contact's past, session and visit, and what `validate` says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.render import Renderer, RenderError, check_templates
from engine.language.mention import mentions_in
from engine.limits import LATEST_MAX
from tests.channels.letters import delivery

VIEWS = [
    {"product_id": "a", "name": "Jeans"},
    {"product_id": "b", "name": "Gürtel"},
    {"product_id": "a", "name": "Jeans"},
    {"product_id": "c", "name": "Hut"},
    {"product_id": "c", "name": "Hut"},
]
THREE = """{% assign seen = history.product_view | latest: 3, "product_id" -%}
{% for p in seen %}{{ p.name }};{% endfor %}"""


def render(text: str, **changes: object) -> str:
    name = "favourites.de"
    body = Renderer({name: f"---\nsubject: x\n---\n{text}"}, "de").render(delivery(**changes)).body
    return body.rstrip("\n")


def test_the_last_three_products_viewed_each_once_the_latest_first() -> None:
    assert render(THREE, history={"product_view": VIEWS}) == "Hut;Jeans;Gürtel;"


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{{ history.product_view | latest: 2 | map: 'product_id' | join: ' ' }}", "c c"),
        ("{{ history.product_view | latest: 0 | size }}", "0"),
        ("{{ history.product_view | latest: 20, 'nothing' | size }}", "0"),
        ("{{ history.product_view.last.name }}", "Hut"),
        ("{{ history.purchase.last.name | default: 'nothing yet' }}", "nothing yet"),
        ("{{ history.purchase | latest: 3 | size }}", "0"),
        ("{{ contact.surname | latest: 3 | size }}", "0"),
        ("{{ session.counts.product_view | default: 'none' }}", "none"),
        ("{% if session %}now{% else %}gone{% endif %}", "gone"),
        ("{{ visit.key }}/{{ visit.answers.ask.rating }}", "o-1/5"),
    ],
)
def test_history_session_and_visit_are_there(text: str, rendered: str) -> None:
    visit = {"key": "o-1", "answers": {"ask": {"rating": 5}}}
    assert render(text, history={"product_view": VIEWS}, visit=visit) == rendered


def test_a_session_that_lasts_is_there() -> None:
    text = "{{ session.counts.product_view }} {{ session.products[0].name }}"
    session = {"counts": {"product_view": 2}, "products": [{"name": "Hut"}]}
    assert render(text, session=session) == "2 Hut"


@pytest.mark.parametrize("count", ["'3'", "-1", LATEST_MAX + 1, "contact.nothing", "1.5"])
def test_how_many_is_a_number_within_bounds(count: object) -> None:
    with pytest.raises(RenderError, match="latest: write how many, 0 to 20"):
        render(f"{{{{ history.product_view | latest: {count} }}}}")


@given(
    ids=st.lists(st.none() | st.sampled_from(["a", "b", "c", 1, 2]), max_size=30),
    count=st.integers(0, LATEST_MAX),
)
def test_latest_is_what_a_plain_loop_finds(ids: list[object], count: int) -> None:
    views = [{"product_id": each, "i": i} for i, each in enumerate(ids)]
    expected: dict[object, int] = {}
    for i in reversed(range(len(ids))):
        if ids[i] is not None and len(expected) < count:
            expected.setdefault(ids[i], i)
    text = f"{{{{ history.v | latest: {count}, 'product_id' | map: 'i' | join: ' ' }}}}"
    assert render(text, history={"v": views}) == " ".join(map(str, expected.values()))


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("{{ contcat.name }}", "unknown name 'contcat'", "did you mean `contact`?"),
        ("{{ histroy.purchase }}", "unknown name 'histroy'", "did you mean `history`?"),
        ("{{ visit.kye }}", "visit has no 'kye'", "did you mean `key`?"),
        ("{{ session.count }}", "session has no 'count'", "did you mean `counts`?"),
        (
            "{{ history[trigger.name] }}",
            "history does not say of which events",
            "write `history.NAME`, or `history['NAME']`, with the name of an event",
        ),
        (
            "{% for each in history %}{% endfor %}",
            "history does not say of which events",
            "write `history.NAME`, or `history['NAME']`, with the name of an event",
        ),
    ],
)
def test_what_a_template_can_never_find_is_told_with_its_line(
    text: str, problem: str, fix: str
) -> None:
    templates = {"a.de": f"---\nsubject: x\n---\n\n{text}\n"}
    (mistake,) = check_templates(templates)
    assert (mistake.file, mistake.path) == ("templates/a.de.liquid", "line 5")
    assert (mistake.problem, mistake.fix) == (problem, fix)


@pytest.mark.parametrize(
    "text",
    [
        THREE,
        "{{ history['order paid'].last.total }}",
        "{{ session.counts.page_view }}{% if visit %}{{ visit.answers.a.b }}{% endif %}",
        "{% assign visit = 'x' %}{{ visit.whatever }}",
        "{% liquid\n assign x = history.purchase | latest: 2\n echo x.size\n%}",
    ],
)
def test_good_templates_have_no_mistakes(text: str) -> None:
    assert check_templates({"a.de": f"---\nsubject: x\n---\n{text}\n"}) == []


@pytest.mark.parametrize("text", ["{{ history . purchase }}", "{{ history [ 'purchase' ] }}"])
def test_what_the_engine_would_overlook_is_a_mistake(text: str) -> None:
    """It reads templates as plain text; what it overlooked would render empty."""
    assert mentions_in([text]).history == ()
    (mistake,) = check_templates({"a.de": f"---\nsubject: x\n---\n{text}\n"})
    assert mistake.problem == "history does not say of which events"
