"""What SQLAlchemy's statements are made of: the inspector's view of them, without a word about companies."""

# SQLAlchemy keeps the rows of VALUES in protected attributes and has no public face for them.
# pyright: reportPrivateUsage=false

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Insert, Select, Table
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    ColumnClause,
    ColumnElement,
)
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    CompoundSelect,
    FromClause,
    FromGrouping,
    Join,
    SelectStatementGrouping,
    TableClause,
    Values,
)


def mentioned(element: Any) -> Iterator[FromClause]:
    """UPDATE and DELETE take in every table that WHERE or SET mention, without a FROM that names it."""
    for child in parts(element):
        if isinstance(child, ColumnClause):
            if (table := cast("ColumnClause[Any]", child).table) is not None:
                yield unannotated(table)
        elif not isinstance(child, Select | CompoundSelect | AliasedReturnsRows | Table):
            yield from mentioned(child)


def parts(element: Any) -> Iterator[Any]:
    """What an element is made of; SQLAlchemy's own walk passes over the rows of VALUES."""
    yield from element.get_children()
    rows: Any = ()
    if isinstance(element, Insert):
        rows = element._multi_values
    elif isinstance(element, Values):
        rows = element._data
    for row in rows:
        yield from clauses(row)


def clauses(value: Any) -> Iterator[ClauseElement]:
    """The SQL elements in rows of values, however they are nested."""
    if isinstance(value, ClauseElement):
        yield value
    elif isinstance(value, Mapping):
        yield from clauses([*cast("Mapping[Any, Any]", value).values()])
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[Any]", value):
            yield from clauses(item)


def is_literal(element: Any) -> bool:
    """Whether an element is SQL as somebody wrote it, or a table by its mere name; `*` is SQLAlchemy's own."""
    if isinstance(element, ColumnClause):
        column = cast("ColumnClause[Any]", element)
        return column.is_literal and column.name != "*"
    return isinstance(element, TableClause) and not isinstance(element, Table)


def plain(value: Any) -> Any:
    """A value, also where it stands in a parameter."""
    if isinstance(value, BindParameter):
        return cast("BindParameter[Any]", value).value
    return value


def column_name(column: Any) -> str:
    """The name of a column that a statement names by itself or as text."""
    return column if isinstance(column, str) else str(column.key)


def conjuncts(clause: ColumnElement[Any] | None) -> Iterator[ColumnElement[Any]]:
    """The conditions that must all hold for a clause to hold; none for None."""
    if clause is None:
        return
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from conjuncts(part)
    elif hasattr(clause, "element") and type(clause).__name__ == "Grouping":
        yield from conjuncts(clause.element)
    else:
        yield clause


def equalities(conditions: Iterable[ColumnElement[Any]]) -> Iterator[tuple[ColumnElement[Any], ColumnElement[Any]]]:
    """The two sides of each condition that is an equality."""
    for clause in conditions:
        if isinstance(clause, BinaryExpression) and clause.operator is operators.eq:
            yield clause.left, clause.right


def leaves(source: FromClause) -> Iterator[FromClause]:
    """The tables, aliases and subqueries that a FROM joins, also in brackets."""
    if isinstance(source, Join):
        yield from leaves(source.left)
        yield from leaves(source.right)
    elif isinstance(source, FromGrouping):
        yield from leaves(source.element)
    else:
        yield unannotated(source)


def unannotated(source: Any) -> FromClause:
    """ORM entities arrive as annotated copies of the table; the plain table is what identifies it."""
    return source._deannotate() if "parententity" in getattr(source, "_annotations", {}) else source


def bottom(source: Any) -> Any:
    """What an alias stands for, of whatever kind it is (TABLESAMPLE, LATERAL), through however many and brackets."""
    while isinstance(source, AliasedReturnsRows | SelectStatementGrouping):
        source = cast("Any", source).element
    return source
