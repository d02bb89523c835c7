"""The second lock: every Core construct must say `company_id = <the session's company>` for each tenant table.

The database's policies hold without this; this refuses a statement that forgot, before it is sent, and so finds the
mistake in the first test that runs it. It also keeps plans cheap (isolation notes: an explicit company beside the
policy lets the planner use it as an index key).

What counts as naming the company: an equality that every row must satisfy (top level of WHERE, or of an inner
join's ON) between a table's `company_id` and the session's company, or another table's `company_id` that is so bound.
Literal SQL passes only as a registered statement (`ringfence.tenancy.statements`).
"""

# SQLAlchemy keeps what an INSERT or UPDATE sets in protected attributes and has no public face for it.
# pyright: reportPrivateUsage=false

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Delete, Insert, Select, Table, TextClause, Update
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)
from sqlalchemy.sql.schema import Column
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    CompoundSelect,
    Exists,
    FromClause,
    FromGrouping,
    Join,
    Lateral,
    TextualSelect,
)

from ringfence.tenancy.elements import (
    bottom,
    column_name,
    conjuncts,
    equalities,
    is_literal,
    leaves,
    mentioned,
    parts,
    plain,
    unannotated,
)
from ringfence.tenancy.errors import UnscopedStatementError
from ringfence.tenancy.statements import is_registered
from ringfence.tenancy.tables import fence_of

COMPANY = "company_id"
FENCED = {"tenant", "directory"}
# What SQLAlchemy puts into a statement as it is given.
_WRITTEN_OUT = ("_prefixes", "_suffixes", "_hints", "_statement_hints")
# They touch no row, and the context cannot change inside one: nothing that sets it gets through.
SAVEPOINTS = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)


def inspect(statement: Any, parameter_sets: Sequence[Mapping[str, Any]], company_id: UUID) -> None:
    """Raise UnscopedStatementError unless the statement stays inside the company."""
    if isinstance(statement, TextClause):
        _inspect_text(statement, parameter_sets, company_id)
        return
    if isinstance(statement, SAVEPOINTS):
        return
    if not isinstance(statement, Select | CompoundSelect | UpdateBase | Exists):
        raise UnscopedStatementError(f"{type(statement).__name__} is not allowed in a tenant session")
    key = None if parameter_sets else cast("ClauseElement", statement)._generate_cache_key()
    if key is None:
        Inspection(parameter_sets, company_id).check(statement)
    elif not _known(key, company_id):
        inspection = Inspection(parameter_sets, company_id)
        inspection.check(statement)
        # An INSERT's values are compared row by row, not found as parameters: it is looked at every time.
        if not inspection.inserts:
            _remember(key, inspection.evidence)


# A walk costs more than the statement; SQLAlchemy's own cache key tells statements of one shape. What is kept of a
# shape is which of its parameters were the evidence: in the next statement they must be the session's company too.
_SHAPES: OrderedDict[tuple[Any, ...], tuple[int, ...]] = OrderedDict()
_MOST_SHAPES = 2000


def _known(key: CacheKey, company_id: UUID) -> bool:
    positions = _SHAPES.get(key.key)
    if positions is None:
        return False
    return all(key.bindparams[position].value == company_id for position in positions)


def _remember(key: CacheKey, evidence: Sequence[BindParameter[Any]]) -> None:
    where = {id(bind): position for position, bind in enumerate(key.bindparams)}
    positions = tuple(where[id(bind)] for bind in evidence if id(bind) in where)
    if len(positions) != len(evidence):
        return
    _SHAPES[key.key] = positions
    while len(_SHAPES) > _MOST_SHAPES:
        _SHAPES.popitem(last=False)


def _inspect_text(statement: TextClause, parameter_sets: Sequence[Mapping[str, Any]], company_id: UUID) -> None:
    if not is_registered(statement):
        raise UnscopedStatementError("literal SQL is not registered in ringfence.tenancy.statements")
    for values in parameter_sets or [{}]:
        if values.get(COMPANY) != company_id:
            raise UnscopedStatementError("a registered statement was given another company, or none")


class Inspection:
    """One statement's walk, select by select: each has to bind every fenced table of its own FROM."""

    def __init__(self, parameter_sets: Sequence[Mapping[str, Any]], company_id: UUID) -> None:
        self.parameter_sets = parameter_sets or [{}]
        self.company_id = company_id
        self.evidence: list[BindParameter[Any]] = []
        self.inserts = False

    def check(self, statement: Any) -> None:
        """Walk the whole statement, subqueries and CTEs included; keep the parameters that named the company."""
        self._enter(statement, _Outside())

    def is_company(self, element: ColumnElement[Any]) -> bool:
        """Whether an expression is a parameter that holds the session's company in every set of values."""
        if not isinstance(element, BindParameter):
            return False
        if not all(given.get(element.key, element.value) == self.company_id for given in self.parameter_sets):
            return False
        self.evidence.append(element)
        return True

    def _enter(self, statement: Any, outside: "_Outside") -> None:
        if any(getattr(statement, name, ()) for name in _WRITTEN_OUT):
            raise UnscopedStatementError("literal SQL inside a statement")
        if isinstance(statement, Insert):
            self._insert(statement)
        if isinstance(statement, Insert | Update):
            _refuse_moves(statement, self.parameter_sets)
        scope = _Scope(self, statement, outside)
        scope.require_bound()
        self._descend(statement, scope)
        if isinstance(statement, Update | Delete):
            for source in mentioned(statement):
                self._visit(source, scope)

    def _descend(self, element: Any, scope: "_Scope") -> None:
        for child in parts(element):
            self._visit(child, scope)

    def _visit(self, child: Any, scope: "_Scope") -> None:
        if isinstance(child, TextClause | TextualSelect) or is_literal(child):
            raise UnscopedStatementError("literal SQL inside a statement")
        if isinstance(child, Select | CompoundSelect | UpdateBase):
            self._enter(child, scope.inside())
        elif isinstance(child, AliasedReturnsRows):
            # A subquery in FROM or a CTE sees nothing of the statement that it stands in, unless it is LATERAL.
            rows = bottom(child)
            if isinstance(rows, Select | CompoundSelect | UpdateBase):
                self._enter(rows, scope.inside() if isinstance(child, Lateral) else _Outside())
            elif not isinstance(rows, Table):
                self._visit(rows, scope)
        else:
            self._descend(child, scope)

    def _insert(self, statement: Insert) -> None:
        self.inserts = True
        if not _is_fenced(statement.table):
            return
        if statement.select is not None:
            position = [column_name(name) for name in statement._select_names or []].index(COMPANY)
            selected = list(statement.select.selected_columns)[position]
            source = _company_table(selected)
            if source is None and not self.is_company(selected):
                raise UnscopedStatementError(f"INSERT … SELECT into {_name(statement.table)} without the company")
            return
        rows = _inserted_values(statement, self.parameter_sets)
        if not rows or any(value != self.company_id for value in rows):
            raise UnscopedStatementError(f"INSERT into {_name(statement.table)} for another company, or none")


@dataclass(frozen=True, slots=True)
class _Outside:
    """What a nested select may refer to: SQLAlchemy correlates by itself with the select right around it alone."""

    around: frozenset[FromClause] = frozenset()
    further: frozenset[FromClause] = frozenset()
    bound: frozenset[FromClause] = frozenset()


class _Scope:
    """One SELECT, UPDATE or DELETE: its own tables, and which of them are bound to the company."""

    def __init__(self, inspection: Inspection, statement: Any, outside: _Outside) -> None:
        self._is_company = inspection.is_company
        self._outside = outside
        self.bound: set[FromClause] = set(outside.bound)
        self.touched: list[FromClause] = []
        self.tables: set[FromClause] = set()
        self._is_compound = isinstance(statement, CompoundSelect)
        self._equal: list[tuple[FromClause, FromClause]] = []
        if isinstance(statement, Select):
            self._touch(_own_froms(cast("Select[Any]", statement), outside))
            self._conditions(conjuncts(statement.whereclause))
        elif isinstance(statement, Update | Delete):
            self._touch([statement.table, *mentioned(statement)])
            self._conditions(conjuncts(statement.whereclause))
        self._spread()

    def require_bound(self) -> None:
        """Raise UnscopedStatementError unless every fenced table is bound."""
        missing = sorted({_name(table) for table in self.touched if table not in self.bound})
        if missing:
            raise UnscopedStatementError(f"no company_id = … for {', '.join(missing)}")

    def inside(self) -> _Outside:
        """What a select nested in an expression of this one may refer to. A side of a UNION stands where that stands.

        To the table of an INSERT nothing in it refers: SQLAlchemy puts it into the FROM of whatever names it.
        """
        if self._is_compound:
            return self._outside
        further = self._outside.around | self._outside.further
        return _Outside(frozenset(self.tables), further, frozenset(self.bound))

    def _touch(self, froms: Iterable[FromClause]) -> None:
        for source in froms:
            tables = list(leaves(source))
            self.tables.update(tables)
            self.touched.extend(table for table in tables if _is_fenced(table))
            # A table of the same name further out is another row of it: being bound there says nothing here.
            self.bound.difference_update(tables)
        for source in froms:
            self._joins(source)

    def _joins(self, source: FromClause) -> None:
        if isinstance(source, FromGrouping):
            self._joins(source.element)
        if not isinstance(source, Join):
            return
        join = cast("Join[Any]", source)
        self._joins(join.left)
        self._joins(join.right)
        if join.isouter and not join.full:
            self._outer_join(join)
        elif not join.full:
            self._conditions(conjuncts(join.onclause))

    def _outer_join(self, join: "Join[Any]") -> None:
        """A left join's ON binds the optional side only: the other side's rows come back regardless."""
        optional = set(leaves(join.right))
        for left, right in equalities(conjuncts(join.onclause)):
            for column, other in ((left, right), (right, left)):
                table = _company_table(column)
                if table not in optional:
                    continue
                if self._is_company(other):
                    self.bound.add(table)
                elif (partner := _company_table(other)) is not None:
                    self._equal.append((partner, table))

    def _conditions(self, conditions: Iterable[ColumnElement[Any]]) -> None:
        for left, right in equalities(conditions):
            first, second = _company_table(left), _company_table(right)
            if first is not None and second is not None:
                self._equal += [(first, second), (second, first)]
            elif first is not None and self._is_company(right):
                self.bound.add(first)
            elif second is not None and self._is_company(left):
                self.bound.add(second)

    def _spread(self) -> None:
        grew = True
        while grew:
            grew = False
            for source, target in self._equal:
                if source in self.bound and target not in self.bound:
                    self.bound.add(target)
                    grew = True


def _own_froms(statement: "Select[Any]", outside: _Outside) -> list[FromClause]:
    """The FROM of a select without what it takes from around it, by SQLAlchemy's rules of correlation."""
    froms = list(statement.get_final_froms())
    everywhere = outside.around | outside.further
    if statement._correlate:
        named = {unannotated(source) for source in statement._correlate}
        return [source for source in froms if unannotated(source) not in named & everywhere]
    if statement._correlate_except is not None:
        kept = {unannotated(source) for source in statement._correlate_except}
        return [source for source in froms if unannotated(source) in kept or unannotated(source) not in everywhere]
    if statement._auto_correlate and len(froms) > 1:
        return [source for source in froms if unannotated(source) not in outside.around]
    return froms


def _refuse_moves(statement: Insert | Update, parameter_sets: Sequence[Mapping[str, Any]]) -> None:
    """A row's company is set when it is added, and neither by SET nor by the parameters of an UPDATE after that."""
    if isinstance(statement, Insert):
        changes: Iterable[Any] = getattr(getattr(statement, "_post_values_clause", None), "update_values_to_set", ())
    else:
        changes = [*(statement._values or {}), *(name for given in parameter_sets for name in given)]
    if COMPANY in {column_name(item[0] if isinstance(item, tuple) else item) for item in changes}:
        raise UnscopedStatementError("a row never changes its company")


def _inserted_values(statement: Insert, parameter_sets: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The company_id of every row of an INSERT … VALUES."""
    multi = statement._multi_values
    if multi:
        return [
            plain({column_name(k): v for k, v in row.items()}.get(COMPANY)) if isinstance(row, Mapping) else None
            for rows in multi
            for row in rows
        ]
    values = statement._values or {}
    fixed = {column_name(column): plain(value) for column, value in values.items()}
    if COMPANY in fixed and not any(COMPANY in given for given in parameter_sets):
        return [fixed[COMPANY]]
    return [given.get(COMPANY) for given in parameter_sets]


def _company_table(element: ColumnElement[Any]) -> FromClause | None:
    """The fenced table whose company_id this is, following CTEs and subqueries down to it is not needed."""
    if isinstance(element, Column) or getattr(element, "table", None) is not None:
        if getattr(element, "key", None) != COMPANY:
            return None
        table = unannotated(element.table)
        return table if _is_fenced(table) else None
    return None


def _is_fenced(source: FromClause) -> bool:
    table = bottom(source)
    return isinstance(table, Table) and fence_of(cast("Table[Any]", table)) in FENCED


def _name(source: FromClause) -> str:
    return str(getattr(source, "name", source))
