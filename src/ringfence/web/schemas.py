"""What every request and answer has in common: strict bodies, storable text, pages."""

from typing import Annotated, Any, Generic, Self, TypeVar, cast

from fastapi import Query
from pydantic import BaseModel, ConfigDict, model_validator

MAX_PAGE = 200

Item = TypeVar("Item", bound=BaseModel)


def _storable(value: object) -> bool:
    # Without calling itself: JSON may be nested deeper than Python's calls.
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item or any("\ud800" <= char <= "\udfff" for char in item):
                return False
        elif isinstance(item, dict):
            members = cast("dict[object, object]", item)
            waiting += [*members, *members.values()]
        elif isinstance(item, list):
            waiting += cast("list[object]", item)
    return True


class Body(BaseModel):
    """A request body: refuses unknown fields, and text that PostgreSQL cannot store (NUL, lone surrogates)."""

    model_config = ConfigDict(extra="forbid", str_max_length=20_000)

    @model_validator(mode="before")
    @classmethod
    def _only_storable(cls, data: Any) -> Any:
        if not _storable(data):
            raise ValueError("text must not contain NUL characters or lone surrogates")
        return data


class Answer(BaseModel):
    """An answer made from a row or record."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, row: object) -> Self:
        """Validate a row (or any object with these attributes) into the answer."""
        return cls.model_validate(row)


class Page(BaseModel, Generic[Item]):
    """One page of a list, newest first; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


PageLimit = Annotated[int, Query(alias="limit", ge=1, le=MAX_PAGE, description="Items a page, 50 by default.")]
PageCursor = Annotated[
    str | None, Query(alias="cursor", max_length=500, description="`next_cursor` of the page before.")
]
