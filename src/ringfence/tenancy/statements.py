"""Literal SQL that a tenant session lets through: short, named, and always with `:company_id`."""

from sqlalchemy import TextClause, text

_REGISTERED: dict[str, TextClause] = {}
_CATALOG: list[TextClause] = []


def register(name: str, sql: str) -> TextClause:
    """Register one literal statement under a unique name; it must use the parameter `:company_id`.

    The inspector lets exactly this object through, and only with the session's own company as parameter.
    """
    if ":company_id" not in sql:
        raise ValueError(f"statement {name} does not use :company_id")
    if name in _REGISTERED:
        raise ValueError(f"statement {name} is registered twice")
    _REGISTERED[name] = text(sql)
    return _REGISTERED[name]


def is_registered(statement: TextClause) -> bool:
    """Whether this very object (or its typed copy: same text) was registered."""
    return any(statement is known or statement.text == known.text for known in _REGISTERED.values())


def registered() -> dict[str, str]:
    """Name → SQL of every registered statement, for tests and for the audit."""
    return {name: clause.text for name, clause in _REGISTERED.items()}


def register_catalog(sql: str) -> TextClause:
    """Register a statement that reads PostgreSQL's own catalog only: it needs no company."""
    statement = text(sql)
    _CATALOG.append(statement)
    return statement


def is_catalog(statement: object) -> bool:
    """Whether this very object reads the catalog only."""
    return any(statement is known for known in _CATALOG)
