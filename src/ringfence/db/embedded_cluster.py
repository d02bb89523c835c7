"""The steps of an embedded PostgreSQL's life: initialise, configure, start, verify, stop."""

import os
import re
import secrets
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress

import psycopg

from ringfence.db.embedded_binaries import Binaries
from ringfence.db.embedded_error import EmbeddedPostgresError
from ringfence.db.embedded_folder import DataFolder
from ringfence.db.embedded_process import (
    Postmaster,
    clear_remains,
    live_postmaster,
    settled_postmaster,
)

HOST = "127.0.0.1"
ADMIN = "postgres"
_DEFAULTS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # A failing statement, or the row it names, may hold a password, a text or a phone number.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
FIXED_SETTINGS = frozenset({"port", "listen_addresses", "unix_socket_directories"})
_SETTINGS_FILE = "ringfence.conf"
_PORT_ATTEMPTS = 20
_WAIT = ("-w", "-t", "60")
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
# sockaddr_un.sun_path of Linux holds 108 bytes with the closing NUL.
_SOCKET_PATH_BYTES = 107
_BUILTIN_LOCALES_SINCE = 17
_PROBLEM = re.compile(r"FATAL|PANIC|error:|could not |invalid value|unrecognized ")
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d .*?\[\d+\] ")


class AdministratorRefusedError(EmbeddedPostgresError):
    """The server runs, but its administrator cannot log in with the stored password."""


def ensure_initialised(folder: DataFolder, binaries: Binaries, settings: Mapping[str, str]) -> str:
    """Make the cluster unless it is there; the superuser's password. Raises for another major version.

    A cluster appears under its name only when it is complete: a killed initdb leaves a draft, removed here.
    """
    for draft in folder.path.glob("cluster.new-*"):
        shutil.rmtree(draft, ignore_errors=True)
    password = (folder.read(folder.password_file) or "").strip()
    if folder.cluster.exists():
        _check_version(folder, binaries)
        if not password:
            raise EmbeddedPostgresError(
                f"{folder.password_file} is missing, so nobody can log in to this database; put the file back"
            )
        return password
    if not password:
        password = secrets.token_urlsafe(32)
        folder.write(folder.password_file, password + "\n")
    _initdb(folder, binaries, fast=settings.get("fsync") == "off")
    return password


def bring_up(folder: DataFolder, binaries: Binaries, settings: Mapping[str, str]) -> Postmaster:
    """The running postmaster of the folder: the one found there, else a new one on a port of its own."""
    found = settled_postmaster(folder)
    if found is not None:
        return found
    clear_remains(folder)
    _rotate_log(folder)
    port = _stored_port(folder)
    for _ in range(_PORT_ATTEMPTS):
        if port is None or not _is_free(port):
            port = _free_port()
        if _launched(folder, binaries, port, settings):
            started = settled_postmaster(folder)
            if started is None:
                raise EmbeddedPostgresError(f"{folder.path}: the server ended at once; see {folder.log}")
            folder.write(folder.port_file, f"{started.port}\n")
            return started
        # Somebody took the port between our look and the server's.
        port = None
    raise EmbeddedPostgresError(
        f"{folder.path}: found no free TCP port on {HOST} in {_PORT_ATTEMPTS} attempts; free some ports"
    )


def verify(folder: DataFolder, postmaster: Postmaster, password: str) -> None:
    """Log in once: this port leads to this cluster and the password is right.

    Raises AdministratorRefusedError.
    """
    try:
        with psycopg.connect(
            host=HOST,
            port=postmaster.port,
            user=ADMIN,
            password=password,
            dbname="postgres",
            connect_timeout=10,
        ) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise AdministratorRefusedError(
            f"{folder.path}: the server on port {postmaster.port} refuses its administrator:"
            f" {_problem(str(error))}; see {folder.log} and {folder.password_file}"
        ) from None


def shut_down(folder: DataFolder, binaries: Binaries) -> None:
    """Stop the server of the folder: cleanly within a minute, else at once (it recovers at the next start)."""
    for mode in ("fast", "immediate"):
        if live_postmaster(folder) is None:
            break
        with folder.reached() as (base, keep_open):
            stop = [binaries.program("pg_ctl"), "-D", f"{base}/{folder.cluster.name}", *_WAIT, "-m", mode, "stop"]
            folder.user.command(stop, keep_open=keep_open)
    clear_remains(folder)


def _initdb(folder: DataFolder, binaries: Binaries, *, fast: bool) -> None:
    draft = folder.make_draft()
    locale = (
        ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        if binaries.major >= _BUILTIN_LOCALES_SINCE
        else ("--lc-ctype=C.UTF-8",)
    )
    try:
        with folder.reached() as (base, keep_open):
            done = folder.user.command(
                [
                    binaries.program("initdb"),
                    "-D",
                    f"{base}/{draft.name}",
                    f"--username={ADMIN}",
                    f"--pwfile={base}/{folder.password_file.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    *locale,
                    "--data-checksums",
                    "--no-instructions",
                    *(("--no-sync",) if fast else ()),
                ],
                keep_open=keep_open,
            )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{folder.path}: initdb failed: {_problem(done.stderr)}")
        main_settings = draft / "postgresql.conf"
        folder.write(main_settings, f"{folder.read(main_settings)}\ninclude '{_SETTINGS_FILE}'\n")
        draft.rename(folder.cluster)
        folder.sync()
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_version(folder: DataFolder, binaries: Binaries) -> None:
    version = (folder.read(folder.cluster / "PG_VERSION") or "").strip()
    if version != str(binaries.major):
        raise EmbeddedPostgresError(
            f"{folder.path} was made by PostgreSQL {version or 'of unknown version'}, but {binaries.folder} is"
            f" PostgreSQL {binaries.major}; use that version, or dump and restore into a new folder"
        )


def _launched(folder: DataFolder, binaries: Binaries, port: int, settings: Mapping[str, str]) -> bool:
    """Start a server on the port; False if the port was taken after all, an error for any other trouble."""
    before = folder.log.stat().st_size if folder.log.exists() else 0
    with folder.reached() as (base, keep_open):
        _write_settings(folder, base, port, settings)
        done = folder.user.command(
            [
                binaries.program("pg_ctl"),
                *("-D", f"{base}/{folder.cluster.name}", "-l", f"{base}/{folder.log.name}"),
                *_WAIT,
                "start",
            ],
            keep_open=keep_open,
        )
    if done.returncode == 0:
        return True
    said = folder.read(folder.log, start=before) or ""
    if "could not create any TCP/IP sockets" in said:
        return False
    raise EmbeddedPostgresError(
        f"{folder.path}: PostgreSQL does not start: {_problem(said + done.stderr)}; its log is {folder.log}"
    )


def _write_settings(folder: DataFolder, base: str, port: int, settings: Mapping[str, str]) -> None:
    # Clients reach the socket by the folder's real path only, so a path too long for them means TCP only.
    longest = len(os.fsencode(folder.path / ".s.PGSQL.65535"))
    values = {
        **_DEFAULTS,
        **settings,
        "port": str(port),
        "listen_addresses": HOST,
        "unix_socket_directories": f'"{base}"' if longest <= _SOCKET_PATH_BYTES else "",
    }
    lines = [f"{name} = {_quoted(value)}\n" for name, value in values.items()]
    folder.write(folder.cluster / _SETTINGS_FILE, "".join(lines))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _stored_port(folder: DataFolder) -> int | None:
    text = (folder.read(folder.port_file) or "").strip()
    return int(text) if text.isdecimal() and 1024 <= int(text) <= 65535 else None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: a closed connection that lingers does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _rotate_log(folder: DataFolder) -> None:
    with suppress(FileNotFoundError):
        if folder.log.lstat().st_size > _LOG_LIMIT_BYTES:
            folder.log.replace(folder.log.with_name("server.log.1"))


def _problem(text: str) -> str:
    """The line of a tool's or the server's output that says what went wrong."""
    lines = [_LOG_PREFIX.sub("", line).strip() for line in text.splitlines()]
    return next((line for line in lines if _PROBLEM.search(line)), lines[-1] if lines else "it says nothing")
