"""Makes the database and its three roles by an administrator's login. Run by `ringfence db init` and the demo."""

from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from ringfence.errors import ConfigurationError
from ringfence.tenancy.policies import APP, OWNER, PLATFORM

MINIMUM_VERSION = 150000
CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Passwords:
    """The passwords of the three roles."""

    owner: str = field(repr=False)
    app: str = field(repr=False)
    platform: str = field(repr=False)


def provision(admin_url: str, *, database: str, passwords: Passwords) -> None:
    """Make the roles and the database, or bring existing ones to this state; safe to run again.

    The owner owns the schema and runs migrations; the other two own nothing, bypass nothing and are members of
    nothing. PUBLIC loses the right to make tables (temporary ones too: they outlive a pooled transaction).
    Raises ConfigurationError when the server is too old or the administrator's login may not do this.
    """
    try:
        with psycopg.connect(admin_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS) as admin:
            _require_version(admin)
            _make_roles(admin, passwords)
            _make_database(admin, database)
        with psycopg.connect(
            admin_url, dbname=database, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS
        ) as inside:
            close_public(inside, database)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The administrator's login may not make roles and databases ({error.diag.message_primary});"
            " use one that may."
        ) from None
    except psycopg.OperationalError as error:
        line = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"The administrator's login cannot connect: {line}") from None


def _require_version(admin: psycopg.Connection) -> None:
    if admin.info.server_version < MINIMUM_VERSION:
        raise ConfigurationError(f"PostgreSQL {admin.info.server_version // 10000} is too old: 15 or newer is needed.")


def _make_roles(admin: psycopg.Connection, passwords: Passwords) -> None:
    for role, password in ((OWNER, passwords.owner), (APP, passwords.app), (PLATFORM, passwords.platform)):
        exists = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        statement = "ALTER ROLE {} {} PASSWORD {}" if exists else "CREATE ROLE {} {} PASSWORD {}"
        admin.execute(
            sql.SQL(statement).format(
                sql.Identifier(role),
                sql.SQL("LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT"),
                sql.Literal(password),
            )
        )


def _make_database(admin: psycopg.Connection, database: str) -> None:
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                sql.Identifier(database), sql.Identifier(OWNER)
            )
        )


def close_public(inside: psycopg.Connection, database: str) -> None:
    """Take the rights on a database from PUBLIC and give the two working roles just what they need."""
    name = sql.Identifier(database)
    inside.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    inside.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(name, sql.Identifier(APP), sql.Identifier(PLATFORM))
    )
    inside.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(OWNER)))
    inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    inside.execute(
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}, {}").format(sql.Identifier(APP), sql.Identifier(PLATFORM))
    )
