"""Reading the JSON bodies of the control interface: every field checked, unknown ones refused."""

import json
from typing import cast

from aiohttp import web


class BadInputError(Exception):
    """A control request that makes no sense; the message says why."""


class Fields:
    """The fields of one JSON object. Read what is wanted, then call `finish`."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = dict(values)

    @classmethod
    async def of(cls, request: web.Request) -> "Fields":
        """Read the body of a request; an empty body has no fields. Raises BadInputError if it is no object."""
        body = await request.read()
        try:
            loaded: object = json.loads(body) if body.strip() else {}
        except ValueError as error:
            raise BadInputError(f"the body is not JSON: {error}") from None
        if not isinstance(loaded, dict):
            raise BadInputError("the body must be a JSON object")
        return cls(cast("dict[str, object]", loaded))

    def optional_text(self, name: str) -> str | None:
        """A text, or None if it is missing or null."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise BadInputError(f"{name} must be text")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise BadInputError(f"{name} is not valid Unicode")
        return value

    def text(self, name: str) -> str:
        """A text that must be there and not be empty."""
        value = self.optional_text(name)
        if not value:
            raise BadInputError(f"{name} is missing")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts; missing or null is an empty list."""
        value = self._values.pop(name, None)
        items = cast("list[object]", value) if isinstance(value, list) else []
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) < len(items) or not isinstance(value, list | None):
            raise BadInputError(f"{name} must be a list of texts")
        return texts

    def optional_number(self, name: str, *, low: float = 0, high: float = 86_400) -> float | None:
        """A number between `low` and `high`, or None."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadInputError(f"{name} must be a number between {low:g} and {high:g}")
        return float(value)

    def optional_whole(self, name: str, *, low: int = 0, high: int = 1_000_000_000) -> int | None:
        """A whole number between `low` and `high`, or None."""
        number = self.optional_number(name, low=low, high=high)
        if number is not None and not number.is_integer():
            raise BadInputError(f"{name} must be a whole number")
        return None if number is None else int(number)

    def flag(self, name: str) -> bool:
        """True or false; missing or null is false."""
        value = self._values.pop(name, None)
        if not isinstance(value, bool | None):
            raise BadInputError(f"{name} must be true or false")
        return bool(value)

    def rest(self) -> dict[str, object]:
        """Everything not read yet."""
        rest, self._values = self._values, {}
        return rest

    def finish(self) -> None:
        """Raise BadInputError if a field is left that nobody asked for."""
        if self._values:
            raise BadInputError(f"unknown field: {sorted(self._values)[0]}")
