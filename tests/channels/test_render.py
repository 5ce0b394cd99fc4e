"""Rendering: languages, missing values, bounds, and nothing smuggled into a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.render import Renderer, RenderError, check_templates
from channels.template import LOOPS_MAX, pick_language
from tests.channels.letters import delivery

GERMAN = """---
subject: "Für Sie", {% if contact.surname %}Frau {{ contact.surname }}{% else %}hallo{% endif %}
---

Guten Tag{% if contact.surname %}, Frau {{ contact.surname }}{% endif %}!
{% for each in products %}- {{ each.name }}{% if each.price %}: {{ each.price }} €{% endif %}
{% endfor %}
"""


def render(text: str, **changes: object) -> str:
    name = "favourites.de"
    return Renderer({name: f"---\nsubject: x\n---\n{text}"}, "de").render(delivery(**changes)).body


def subject_of(text: str, **changes: object) -> str:
    templates = {"favourites.de": f"---\nsubject: {text}\n---\n"}
    return Renderer(templates, "de").render(delivery(**changes)).subject


def test_a_message_carries_over_all_that_was_decided() -> None:
    message = Renderer({"favourites.de": GERMAN}, "en").render(delivery())
    assert message.key == "5f3a.remind.1"
    assert (message.contact, message.journey, message.node) == ("c-1", "favourites", "remind")
    assert (message.channel, message.purpose) == ("email", "marketing")
    assert (message.at_ms, message.language) == (1_700_000_000_123, "de")
    assert message.to == "anna@home.example"
    assert message.subject == '"Für Sie", Frau Müller'
    assert message.body == "Guten Tag, Frau Müller!\n- Jeans: 49.9 €\n- Gürtel\n"


def test_a_contact_without_a_name_is_greeted_neutrally() -> None:
    message = Renderer({"favourites.de": GERMAN}, "en").render(delivery(attributes={}))
    assert message.subject == '"Für Sie", hallo'
    assert message.body.startswith("Guten Tag!\n")


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("[{{ contact.surname }}]", "[]\n"),
        ("[{{ contact.a.b.c }}{{ trigger.x[3].y }}{{ products[0].z }}]", "[]\n"),
        ("[{% for each in contact.list %}x{% endfor %}]", "[]\n"),
        ("[{{ contact.nickname | upcase | truncate: 3 }}]", "[]\n"),
        ("[{{ contact.nothing | default: 'Kundin' }}]", "[Kundin]\n"),
        ("[{% if contact.age == 5 or contact.age contains 'x' %}x{% endif %}]", "[]\n"),
        ("[{{ contact.void }}]", "[]\n"),
    ],
)
def test_what_is_missing_renders_empty(text: str, rendered: str) -> None:
    assert render(text, attributes={"void": None}, trigger={}) == rendered


def test_a_template_can_ask_for_contact_trigger_products_cart_and_journey() -> None:
    text = "{{ contact.id }} {{ contact.vip }} {{ trigger.price }} {{ products.size }} "
    text += "{{ cart[0].name }} {{ journey }}"
    trigger = {"price": 5, "products": [1, 2]}
    body = render(text, attributes={"vip": True}, trigger=trigger, cart=[{"name": "Hut"}])
    assert body == "c-1 true 5 2 Hut favourites\n"


@pytest.mark.parametrize(
    ("attributes", "to"),
    [
        ({"email": " anna@home.example "}, "anna@home.example"),
        ({"email": "anna"}, ""),
        ({"email": 5}, ""),
        ({"email": None}, ""),
        ({}, ""),
    ],
)
def test_the_address_is_the_attribute_email_if_it_is_one(attributes: object, to: str) -> None:
    templates = {"favourites.de": GERMAN}
    assert Renderer(templates, "de").render(delivery(attributes=attributes)).to == to


def test_other_channels_get_no_e_mail_address() -> None:
    assert Renderer({"favourites.de": GERMAN}, "de").render(delivery(channel="push")).to == ""


@pytest.mark.parametrize(
    ("there", "wanted", "chosen"),
    [
        ("de en", "de", "de"),
        ("de en", "de-AT", "de"),
        ("de de-AT en", "de-AT", "de-AT"),
        ("de de-AT en", "de_at", "de-AT"),
        ("de en", "DE", "de"),
        ("de en", "fr", "en"),
        ("de en", "", "en"),
        ("it de", "fr", "de"),
        ("de-AT it", "fr", "de-AT"),
    ],
)
def test_the_language_is_the_contacts_else_the_default_else_any(
    there: str, wanted: str, chosen: str
) -> None:
    templates = {f"favourites.{each}": f"---\nsubject: {each}\n---\n" for each in there.split()}
    message = Renderer(templates, "en").render(delivery(language=wanted))
    assert (message.subject, message.language) == (chosen, chosen)


def test_a_default_with_a_region_falls_back_as_well() -> None:
    assert pick_language({"de": "d", "at": "a"}, "fr", "de-CH") == "d"


def test_a_template_added_again_takes_the_old_ones_place() -> None:
    renderer = Renderer({"favourites.de": "---\nsubject: old\n---\n"}, "de")
    assert renderer.render(delivery()).subject == "old"
    renderer.add({"favourites.de": "---\nsubject: new\n---\n"})
    assert renderer.render(delivery()).subject == "new"


def test_a_template_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer({"favourites.de": GERMAN}, "de")
    first = renderer.render(delivery())
    monkeypatch.setattr("channels.render.read_source", None)
    assert renderer.render(delivery()) == first


@given(name=st.text())
def test_a_subject_is_one_line_whatever_a_contact_is_called(name: str) -> None:
    subject = subject_of("Hallo {{ contact.name }}!", attributes={"name": name})
    assert len(subject.splitlines()) == 1
    assert subject.isprintable() or not any(ord(each) < 32 for each in subject)


def test_a_name_with_line_breaks_adds_no_header() -> None:
    name = "Anna\r\nBcc: evil@x.example\u2028\x00"
    assert subject_of("{{ contact.name }}", attributes={"name": name}) == (
        "Anna Bcc: evil@x.example"
    )


def test_liquid_in_an_attribute_stays_text() -> None:
    assert render("{{ contact.name }}", attributes={"name": "{{ cart }}"}) == "{{ cart }}\n"


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}",
        "{% tablerow i in (1..1000000) %}x{% endtablerow %}",
        "{% assign x = 'abc' %}{% for i in (1..64) %}{% assign x = x | append: x %}{% endfor %}",
        "{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}",
    ],
)
def test_a_template_without_end_is_stopped(text: str) -> None:
    with pytest.raises(RenderError, match=r"limit.*`favourites\.de`"):
        render(text)


def test_a_loop_within_bounds_is_not_stopped() -> None:
    assert len(render(f"{{% for i in (1..{LOOPS_MAX}) %}}x{{% endfor %}}")) == LOOPS_MAX + 1


@pytest.mark.parametrize("text", ["{% include 'a' %}", "{% render 'a' %}"])
def test_a_template_can_read_no_other_file(text: str) -> None:
    with pytest.raises(RenderError, match="unexpected tag"):
        render(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ 1 | divided_by: 0 }}", "can't divide by 0"),
        ("{{ x", "expected '}}', found end of file"),
        ("{{ journey | nope }}", "unknown filter 'nope'"),
    ],
)
def test_a_broken_template_names_message_template_and_problem(text: str, problem: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(text)
    error = caught.value
    assert (error.key, error.template) == ("5f3a.remind.1", "favourites.de")
    assert problem in error.problem


@pytest.mark.parametrize(
    "text",
    [
        "{{ contact.digits | date: '%Y' }}",
        "{{ contact.list | compact: 'x' }}",
        "{% if contact.map contains contact.list %}x{% endif %}",
        "{% for each in contact.list offset: contact.below limit: contact.below %}{% endfor %}",
    ],
)
def test_whatever_liquid_raises_on_odd_data_is_an_error_of_that_message(text: str) -> None:
    odd = {"digits": "9" * 30, "list": [{"a": 1}], "map": {"a": 1}, "below": -5}
    with pytest.raises(RenderError):
        render(text, attributes=odd)


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(RenderError, match="no such template - in template `favourites`"):
        Renderer({"other.de": GERMAN}, "de").render(delivery())


def test_a_template_without_subject_renders_nothing() -> None:
    with pytest.raises(RenderError, match="no subject"):
        Renderer({"favourites.de": "---\n---\nHallo"}, "de").render(delivery())


def test_a_file_from_windows_reads_as_any_other() -> None:
    text = "\ufeff" + GERMAN.replace("\n", "\r\n")
    message = Renderer({"favourites.de": text}, "de").render(delivery())
    assert message == Renderer({"favourites.de": GERMAN}, "de").render(delivery())


def test_good_templates_have_no_mistakes() -> None:
    text = "{% for p in products limit: 2 %}{{ forloop.index }}{{ p.name | upcase }}{% endfor %}"
    text += "{% assign n = cart.size %}{{ n }}{% if contact.x != blank %}{{ trigger.y }}{% endif %}"
    templates = {
        "favourites.de": GERMAN,
        "favourites.de-AT": GERMAN,
        "x_1.en": f"---\nsubject: s\n---\n{text}",
    }
    assert check_templates(templates) == []


def test_every_mistake_of_every_template_is_listed_at_once() -> None:
    templates = {
        "none.de": "Hallo {% if %}",
        "unfinished.de": "---\nsubject: x\nHallo",
        "subjectless.de": "---\n\n---\nHallo\n{{ x",
        "liquid.de": "---\nsubject: {{ contac.name }}\n---\n\n{{ a | }}\n{% nope %}\n",
        "names.de": "---\nsubject: x\n---\n{{ trigger.x | upcas }}\n{{ produkts }}\n",
        "extra.de": "---\nsubject: x\nfrom: me\n---\n",
        "Name": "---\nsubject: x\n---\n",
        "a.b.de": "---\nsubject: x\n---\n",
        "a.german": "---\nsubject: x\n---\n",
    }
    found = [(each.file[10:-7], each.path, each.problem) for each in check_templates(templates)]
    assert found == [
        ("none.de", "line 1", "no front matter"),
        ("none.de", "line 1", "missing expression"),
        ("unfinished.de", "line 1", "unfinished front matter"),
        ("subjectless.de", "line 1", "no subject"),
        ("subjectless.de", "line 5", "expected '}}', found end of file"),
        ("liquid.de", "line 2", "unknown name 'contac'"),
        ("liquid.de", "$", "expected word, found end of expression"),
        ("liquid.de", "line 6", "unexpected tag 'nope'"),
        ("names.de", "line 5", "unknown name 'produkts'"),
        ("names.de", "line 4", "unknown filter 'upcas'"),
        ("extra.de", "line 3", "cannot read 'from: me'"),
        ("Name", "$", "'Name' does not say its name and language"),
        ("a.b.de", "$", "'a.b.de' does not say its name and language"),
        ("a.german", "$", "'a.german' does not say its name and language"),
    ]


@given(text=st.text(alphabet="-\nsubject: {}%|'x.if forend\r\ufeff"))
def test_what_has_no_mistakes_renders_and_no_text_breaks_the_check(text: str) -> None:
    mistakes = check_templates({"favourites.de": text})
    if not mistakes:
        Renderer({"favourites.de": text}, "de").render(delivery())
