"""What a template may say, and what it becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInputError
from ringfence.features.templates.values import (
    BUILT_IN,
    MOST_BODY_UNITS,
    MOST_VARIABLE,
    BadTemplateError,
    Field,
    UnresolvedFieldsError,
    check_body,
    check_variables,
    fields_of,
    most_segments,
    parse,
    render,
    unresolved,
)
from ringfence.kit.segments import count_segments

NO_BRACES = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=40)
NAMES = st.sampled_from([*BUILT_IN, "custom.plan", "order_number", "x", "Z_9"])
FIELDS = st.tuples(NAMES, NO_BRACES).map(lambda pair: f"{{{pair[0]}|{pair[1]}}}")
BODIES = st.lists(NO_BRACES | FIELDS, max_size=8).map("".join)
# Anything at all, templates among it.
HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | FIELDS
VALUES = st.dictionaries(NAMES, st.none() | HOSTILE)


def within_limits(name: str, value: str | None) -> str | None:
    if value is None or BUILT_IN.get(name) != 16:
        return value and value[: 200 if name == "custom.plan" else BUILT_IN.get(name, MOST_VARIABLE)]
    return "+" + "".join(char for char in value if char in "0123456789")[:15]


@given(BODIES, VALUES)
def test_no_brace_survives_and_nothing_is_expanded_twice(body: str, values: dict[str, str | None]) -> None:
    parts = parse(body)
    missing = unresolved(parts, values)
    if missing:
        with pytest.raises(UnresolvedFieldsError) as refused:
            render(parts, values)
        assert refused.value.fields["unresolved"] == missing
        return
    text = render(parts, values)
    assert "{" not in text
    assert "}" not in text
    # Filling in field by field from the left, the values being opaque, gives the same.
    expected = ""
    for part in parts:
        if isinstance(part, Field):
            value = (values.get(part.name) or "").strip()
            expected += value if value and "{" not in value and "}" not in value else part.fallback
        else:
            expected += part
    assert text == expected


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="")))
def test_any_text_is_understood_or_refused_and_what_is_understood_is_kept(body: str) -> None:
    try:
        parts = parse(body)
    except BadTemplateError as refused:
        error = refused
    else:
        assert parse("".join(p if isinstance(p, str) else f"{{{p.name}|{p.fallback}}}" for p in parts)) == parts
        return
    assert 0 <= error.fields["position"] < len(body)


@given(BODIES, VALUES)
def test_no_values_make_more_parts_than_the_worst_case(body: str, values: dict[str, str | None]) -> None:
    parts = parse(body)
    limited = {name: within_limits(name, value) for name, value in values.items()}
    try:
        text = render(parts, limited)
    except UnresolvedFieldsError:
        return
    if len(text.encode("utf-16-le")) // 2 <= MOST_BODY_UNITS:
        assert count_segments(text).segments <= most_segments(parts)


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ("a" * 59 + "{x|}", "x", "😀" * 500),
        ("😀" * 30 + "a{x|}", "x", "😀" * 500),
        ("^" * 70 + "{contact.phone_number|none}", "contact.phone_number", "+123456789012345"),
        ("a" * 145 + "{company.phone|}", "company.phone", "+123456789012345"),
        ("ж" * 54 + "{company.phone|}", "company.phone", "+123456789012345"),
        ("a" * 50 + "{company.phone|€€€€€€€€€€€€€€€€€€€€€€€€€ж}", "company.phone", None),
        ("{contact.first_name|there}", "contact.first_name", "ж" * 100),
    ],
)
def test_worst_case_is_no_less_than_the_longest_values(body: str, name: str, value: str | None) -> None:
    parts = parse(body)

    assert count_segments(render(parts, {name: value})).segments <= most_segments(parts)


def test_worst_case_without_fields_is_the_text_itself() -> None:
    assert most_segments(parse("a" * 160)) == 1
    assert most_segments(parse("a" * 161)) == 2
    assert most_segments(parse("a" * 161 + "{contact.first_name|you}")) > 2


@pytest.mark.parametrize(
    ("body", "values", "text"),
    [
        ("Hi {contact.first_name|there}!", {"contact.first_name": "Zoë"}, "Hi Zoë!"),
        ("Hi {contact.first_name|there}!", {"contact.first_name": None}, "Hi there!"),
        ("Hi {contact.first_name|there}!", {"contact.first_name": " \n "}, "Hi there!"),
        ("Hi { contact.first_name | there }!", {}, "Hi there!"),
        ("{order|}", {"order": " 42 "}, "42"),
        ("{a|b|c}", {}, "b|c"),
        ("{a|x}{a|y}", {"a": "1"}, "11"),
        ("{a|x}", {"a": "{b|secret}", "b": "told"}, "x"),
        ("{a|x}{b|y}", {"a": "{", "b": "b|z}"}, "xy"),
        ("שלום {contact.first_name|חבר} 👋🏽", {"contact.first_name": "नमस्ते"}, "שלום नमस्ते 👋🏽"),
        ("%s {a|\\1} $0", {"a": "\\g<0> %d $1"}, "%s \\g<0> %d $1 $0"),
    ],
)
def test_filling(body: str, values: dict[str, str | None], text: str) -> None:
    assert render(parse(body), values) == text


def test_missing_values_without_fallback_are_named_once_each_in_order() -> None:
    parts = parse("{order|} {contact.email|} {order|} {a|b} {due|}")

    with pytest.raises(UnresolvedFieldsError, match=r"order, contact\.email, due") as refused:
        render(parts, {"a": None, "contact.email": "{broken}"})

    assert refused.value.fields == {"unresolved": ["order", "contact.email", "due"]}
    assert render(parts, {"order": "1", "contact.email": "a@b.example", "due": "2"}) == "1 a@b.example 1 b 2"


@pytest.mark.parametrize(
    ("body", "code", "position", "said"),
    [
        ("Hi {contact.first_name}", "missing_fallback", 3, "contact.first_name"),
        ("Hi {contact.frist_name|there}", "unknown_field", 3, "contact.frist_name"),
        ("{contact.|x}", "unknown_field", 0, "contact."),
        ("{custom.|x}", "unknown_field", 0, "custom."),
        ("{custom.a.b|x}", "unknown_field", 0, "custom.a.b"),
        ("{|x}", "unknown_field", 0, ""),
        ("{}", "unknown_field", 0, ""),
        ("{order number|x}", "unknown_field", 0, "order number"),
        ("{9|x}", "unknown_field", 0, "9"),
        ("{" + "a" * 41 + "|x}", "unknown_field", 0, "a" * 41),
        ("{naïve|x}", "unknown_field", 0, "naïve"),
        ("a { b", "stray_brace", 2, "character 3"),
        ("a } b", "stray_brace", 2, "character 3"),
        ("{a{b|c}}", "stray_brace", 0, "character 1"),
        ("{{a|b}}", "stray_brace", 0, "character 1"),
        ("{a|b} }", "stray_brace", 6, "character 7"),
    ],
)
def test_mistakes_are_named_with_their_place(body: str, code: str, position: int, said: str) -> None:
    with pytest.raises(BadTemplateError) as refused:
        parse(body)

    assert (refused.value.code, refused.value.fields["position"]) == (code, position)
    assert said in refused.value.detail


def test_what_can_be_saved() -> None:
    assert [field.name for field in fields_of(check_body("{a|" + "b" * 1600 + "}"))] == ["a"]
    for body, code in (("", "empty_body"), (" \n", "empty_body"), ("{a|" + "b" * 1601 + "}", "body_too_long")):
        with pytest.raises(InvalidInputError) as refused:
            check_body(body)
        assert refused.value.code == code


def test_a_variable_with_a_brace_is_refused_by_name() -> None:
    check_variables({"order": "a|b"})
    with pytest.raises(InvalidInputError, match="order"):
        check_variables({"fine": "x", "order": "{x"})
