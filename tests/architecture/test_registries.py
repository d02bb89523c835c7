"""Everything that has to be classified is: tables, routes, kinds of jobs, settings."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fastapi import FastAPI

import ringfence
from ringfence.api.public import PUBLIC, needs_caller, routes_of
from ringfence.cli.settings_table import settings_table
from ringfence.jobqueue.jobs import Job
from ringfence.migrations.metadata import metadata
from ringfence.runtime.build import Runtime, build
from ringfence.runtime.database import Logins
from ringfence.settings import load_settings
from ringfence.tenancy.tables import unclassified
from ringfence.worker.registry import handlers, periodic
from tests.factories.cluster import Database

ROOT = Path(__file__).parents[2]


def tables_in(database: Database) -> list[str]:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
        )
        return [name for (name,) in rows]


def test_every_table_is_classified_and_no_entry_is_stale(database: Database) -> None:
    tables = tables_in(database)

    assert unclassified(metadata(), tables) == []
    assert unclassified(metadata(), [*tables, "notes"]) == ["notes: not classified"]
    assert unclassified(metadata(), [name for name in tables if name != "contacts"]) == [
        "contacts: classified, but not in the database"
    ]


def unguarded(app: FastAPI) -> set[tuple[str, str]]:
    return {(method, path) for method, path, route in routes_of(app) if not needs_caller(route)}


def test_every_route_has_its_caller_or_is_public_for_a_reason(app: FastAPI) -> None:
    assert unguarded(app) - PUBLIC.keys() == set(), "a route without a caller that is not listed as public"
    assert PUBLIC.keys() - unguarded(app) == set(), "a stale entry, or a public route that asks for a caller after all"


def test_a_route_without_a_caller_is_noticed(app: FastAPI) -> None:
    @app.get("/api/forgotten/{thing_id}")
    async def forgotten(thing_id: str) -> str:
        return thing_id

    assert unguarded(app) - PUBLIC.keys() == {("GET", "/api/forgotten/{thing_id}")}


def import_everything() -> None:
    for module in pkgutil.walk_packages(ringfence.__path__, "ringfence."):
        if not module.name.endswith("__main__") and ".migrations.env" not in module.name:
            importlib.import_module(module.name)


def kinds(base: type[Job] = Job) -> Iterator[type[Job]]:
    for kind in base.__subclasses__():
        # A dataclass with slots leaves the class that it was made from behind; only the named one counts.
        named = getattr(sys.modules[kind.__module__], kind.__name__, None) is kind
        if named and kind.__module__.startswith("ringfence."):
            yield kind
        yield from kinds(kind)


@pytest.fixture
async def runtime(database: Database) -> Runtime:
    settings = load_settings(secret_keys="x" * 32, smtp_url="smtp://127.0.0.1:1")
    return build(settings, Logins(database.app_url, database.platform_url))


async def test_every_kind_of_job_has_a_handler_and_a_name_of_its_own(runtime: Runtime) -> None:
    import_everything()
    known = handlers(runtime)

    assert set(kinds()) == set(known)
    assert len({kind.kind for kind in known}) == len(known)
    assert {type(item.make_job()) for item in periodic(runtime)} <= set(known)


async def test_jobs_without_a_mail_server_have_a_handler_too(runtime: Runtime) -> None:
    without = replace(runtime, settings=load_settings(secret_keys="x" * 32))

    assert set(handlers(without)) == set(handlers(runtime))


def test_the_table_of_settings_is_current() -> None:
    written = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")

    assert written == settings_table(), "run `make docs`"
