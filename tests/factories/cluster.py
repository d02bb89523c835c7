"""A throw-away PostgreSQL for one test process, and a migrated database in it, cloned for each test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ringfence.db.embedded import EmbeddedPostgres
from ringfence.migrations import runner
from ringfence.tenancy.provision import Passwords, close_public, provision

TEMPLATE = "ringfence_template"
PASSWORDS = Passwords(owner="owner-password", app="app-password", platform="platform-password")
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


@dataclass(frozen=True)
class Database:
    """One database and the logins to it, as libpq URLs."""

    name: str
    admin_url: str
    owner_url: str
    app_url: str
    platform_url: str


class Cluster:
    """The server of one test process."""

    def __init__(self, folder: Path, bin_dir: Path | None = None) -> None:
        self.server = EmbeddedPostgres(folder, settings=FAST, bin_dir=bin_dir)

    def start(self) -> None:
        self.server.start()
        provision(self.server.admin_url, database=TEMPLATE, passwords=PASSWORDS)
        runner.upgrade(self.database(TEMPLATE).owner_url)

    def stop(self) -> None:
        self.server.stop()

    def database(self, name: str) -> Database:
        def url(role: str, password: str) -> str:
            return self.server.url(user=role, password=password, database=name)

        admin = conninfo_to_dict(self.server.admin_url)
        return Database(
            name,
            url(str(admin["user"]), str(admin["password"])),
            url("ringfence_owner", PASSWORDS.owner),
            url("ringfence_app", PASSWORDS.app),
            url("ringfence_platform", PASSWORDS.platform),
        )

    @contextmanager
    def clone(self) -> Iterator[Database]:
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.server.admin_url, autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER ringfence_owner STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE)
                )
            )
        database = self.database(name)
        with psycopg.connect(database.admin_url, autocommit=True) as inside:
            close_public(inside, name)
        try:
            yield database
        finally:
            with psycopg.connect(self.server.admin_url, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
