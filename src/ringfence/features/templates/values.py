"""The language of templates: `{contact.first_name|there}` is a field with its fallback.

A text is split once, into what stands as it is and fields; a value is put in place and never read again, so nothing
that a contact or a request brings is taken for a field. Braces are for fields alone: one that is part of none is a
mistake in the template, and a value with a brace (mostly a field that another system left unfilled) counts as none.
So no brace ever reaches a recipient.

The fallback stands in where there is no value. An empty one (`{order_number|}`) says that nothing can stand in: then
a missing value blocks the text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringfence.errors import InvalidInputError
from ringfence.kit.segments import count_segments

MOST_BODY_UNITS: Final = 1600
"""Twilio's longest body, in UTF-16 units (error 21617)."""
MOST_VARIABLE: Final = 500
"""Characters of one custom variable."""

# Field → the most characters its value can have: what the contacts, users and companies rooms let in.
_E164_LENGTH: Final = 16
BUILT_IN: Final[Mapping[str, int]] = {
    "contact.first_name": 100,
    "contact.last_name": 100,
    "contact.full_name": 201,
    "contact.organisation": 100,
    "contact.email": 254,
    "contact.phone_number": _E164_LENGTH,
    "sender.name": 200,
    "sender.number": _E164_LENGTH,
    "company.name": 200,
    "company.phone": _E164_LENGTH,
}
CUSTOM: Final = "custom."
_MOST_CUSTOM: Final = 200
_ALWAYS_GSM: Final = frozenset({"contact.phone_number", "sender.number", "company.phone"})
VARIABLE_NAME: Final = r"[A-Za-z][A-Za-z0-9_]{0,39}"

_VARIABLE = re.compile(VARIABLE_NAME)
_CUSTOM = re.compile(rf"custom\.{VARIABLE_NAME}")
_FIELD = re.compile(r"\{([^{}]*)\}")
_BRACE = re.compile(r"[{}]")
# The parts of a split text, in septets and UTF-16 units, one less than they hold: a pair is never cut in two.
_GSM_SINGLE, _GSM_PART, _UCS_SINGLE, _UCS_PART = 160, 152, 70, 66


class BadTemplateError(InvalidInputError):
    """The text of a template cannot be understood: `code` says why, `fields["position"]` where (characters from 0)."""

    def __init__(self, code: str, detail: str, *, position: int) -> None:
        super().__init__(code, detail, {"position": position})


class UnresolvedFieldsError(InvalidInputError):
    """Fields without value whose fallback is empty: the text must not go out. `fields["unresolved"]` names them."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(names)
        super().__init__(
            "unresolved_field",
            f"There is no value for {listed}, and the template has no fallback there; the text was not sent.",
            {"unresolved": list(names)},
        )


@dataclass(frozen=True, slots=True)
class Field:
    """A place to fill: `contact.first_name`, `custom.plan` (of the contact), or the name of a variable."""

    name: str
    fallback: str

    @property
    def is_variable(self) -> bool:
        """Whether its value comes with the request."""
        return "." not in self.name


Part = str | Field


def parse(body: str) -> tuple[Part, ...]:
    """Split a template's text. Raises BadTemplateError (`missing_fallback`, `unknown_field`, `stray_brace`)."""
    parts: list[Part] = []
    done = 0
    for found in _FIELD.finditer(body):
        _add_plain(parts, body[done : found.start()], position=done)
        parts.append(_field(found.group(1), position=found.start()))
        done = found.end()
    _add_plain(parts, body[done:], position=done)
    return tuple(parts)


def fields_of(parts: Iterable[Part]) -> list[Field]:
    """The fields, in their order; one that stands twice comes twice."""
    return [part for part in parts if isinstance(part, Field)]


def usable(value: str | None) -> str | None:
    """A value as it is put in: without blanks around it; None for one that is blank or holds a brace."""
    trimmed = (value or "").strip()
    return trimmed if trimmed and not _BRACE.search(trimmed) else None


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise InvalidInputError `bad_variable` naming a custom variable whose value holds a brace."""
    for name, value in variables.items():
        if _BRACE.search(value):
            raise InvalidInputError("bad_variable", f"The variable {name} holds a brace, which no text may.")


def unresolved(parts: Iterable[Part], values: Mapping[str, str | None]) -> list[str]:
    """The names of fields that have neither value nor fallback, each once, in their order."""
    names = (field.name for field in fields_of(parts) if not field.fallback and usable(values.get(field.name)) is None)
    return list(dict.fromkeys(names))


def render(parts: Sequence[Part], values: Mapping[str, str | None]) -> str:
    """The text with every field filled by its value or fallback. Raises UnresolvedFieldsError."""
    missing = unresolved(parts, values)
    if missing:
        raise UnresolvedFieldsError(missing)
    return fill(parts, values)


def fill(parts: Iterable[Part], values: Mapping[str, str | None]) -> str:
    """The text with every field filled by its value or fallback; nothing at all where both are missing."""
    return "".join(part if isinstance(part, str) else usable(values.get(part.name)) or part.fallback for part in parts)


def check_body(body: str) -> tuple[Part, ...]:
    """The parts of a text that can be saved: not empty, and no longer than a text may be even with its fallbacks.

    Raises BadTemplateError, InvalidInputError (`empty_body`, `body_too_long`).
    """
    if not body.strip():
        raise InvalidInputError("empty_body", "The text is empty.")
    parts = parse(body)
    units = _utf16(fill(parts, {}))
    if units > MOST_BODY_UNITS:
        raise InvalidInputError(
            "body_too_long", f"With its fallbacks the text has {units} characters; {MOST_BODY_UNITS} is the most."
        )
    return parts


def most_segments(parts: Sequence[Part]) -> int:
    """The most SMS parts that any values can make of it: longest values, in the dearer alphabet if they can hold one.

    No text over Twilio's limit goes out, so that limit bounds it too.
    """
    fields = fields_of(parts)
    if not fields:
        return count_segments(fill(parts, {})).segments
    plain = fill(parts, {})
    if all(field.name in _ALWAYS_GSM for field in fields) and count_segments(plain).encoding == "GSM-7":
        fixed = "".join(part for part in parts if isinstance(part, str))
        septets = count_segments(fixed).units
        septets += sum(max(_E164_LENGTH, count_segments(field.fallback).units) for field in fields)
        return 1 if septets <= _GSM_SINGLE else -(-min(septets, 2 * MOST_BODY_UNITS) // _GSM_PART)
    units = sum(_utf16(part) if isinstance(part, str) else _most_units(part) for part in parts)
    return 1 if units <= _UCS_SINGLE else -(-min(units, MOST_BODY_UNITS) // _UCS_PART)


def _most_units(field: Field) -> int:
    """UTF-16 units of the longest value: a character outside the basic plane takes two."""
    if field.name in _ALWAYS_GSM:
        return max(_E164_LENGTH, _utf16(field.fallback))
    longest = _MOST_CUSTOM if field.name.startswith(CUSTOM) else BUILT_IN.get(field.name, MOST_VARIABLE)
    return max(2 * longest, _utf16(field.fallback))


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _field(inner: str, *, position: int) -> Field:
    name, bar, fallback = inner.partition("|")
    name = name.strip()
    if name not in BUILT_IN and not _CUSTOM.fullmatch(name) and not _VARIABLE.fullmatch(name):
        raise BadTemplateError(
            "unknown_field",
            f"There is no field {{{name[:60]}}}: use {', '.join(BUILT_IN)}, custom.<name> or a name without a dot.",
            position=position,
        )
    if not bar:
        raise BadTemplateError(
            "missing_fallback",
            f"The field {name} has no fallback: write {{{name}|what stands in}}, or {{{name}|}} if nothing can.",
            position=position,
        )
    return Field(name, fallback.strip())


def _add_plain(parts: list[Part], text: str, *, position: int) -> None:
    stray = _BRACE.search(text)
    if stray is not None:
        raise BadTemplateError(
            "stray_brace",
            f"The brace at character {position + stray.start() + 1} belongs to no field; a text cannot hold one.",
            position=position + stray.start(),
        )
    if text:
        parts.append(text)
