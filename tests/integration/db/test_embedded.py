"""The embedded PostgreSQL from first start to last stop, on every version that is supported."""

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from ringfence.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from ringfence.db.embedded_binaries import find_binaries
from tests.integration.db.embedded_support import (
    FAST,
    Supervisor,
    ask,
    do,
    postmaster,
    server_processes,
)


def test_a_second_start_finds_the_data_on_the_same_port(place: Path, bin_dir: Path | None) -> None:
    folder = place / "new" / "data"
    server = EmbeddedPostgres(folder, bin_dir=bin_dir, settings=FAST)
    with server:
        do(server.admin_url, "CREATE TABLE kept AS SELECT 'Åsa' AS name")
        first_port = server.port
        assert ask(server.admin_url, "SELECT current_setting('max_connections')") == FAST["max_connections"]
    assert server_processes(folder) == []

    with EmbeddedPostgres(folder, bin_dir=bin_dir, settings={"fsync": "off"}) as again:
        assert again.port == first_port
        assert ask(again.admin_url, "SELECT name FROM kept WHERE name ILIKE 'åSA'") == "Åsa"
        assert ask(again.admin_url, "SELECT current_setting('max_connections')") == "200"
        assert ask(again.admin_url, "SELECT current_setting('TimeZone')") == "UTC"
        assert ask(again.admin_url, "SELECT current_setting('server_encoding')") == "UTF8"
    assert server_processes(folder) == []
    again.stop()


def test_only_who_knows_a_password_gets_in(place: Path, bin_dir: Path | None) -> None:
    folder = place / "data"
    with EmbeddedPostgres(folder, bin_dir=bin_dir, settings=FAST) as server:
        password = (folder / "admin-password").read_text().strip()
        by_socket = {"host": str(folder), "port": server.port, "user": "postgres", "dbname": "postgres"}
        with psycopg.connect(**by_socket, password=password), psycopg.connect(server.admin_url):
            pass
        for wrong in (
            server.url(user="postgres", password="wrong", database="postgres"),
            psycopg.conninfo.make_conninfo(**by_socket, password="wrong"),
        ):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(wrong)

        do(server.admin_url, """CREATE ROLE "o'neil" LOGIN PASSWORD 'a/b@c:d e%'""")
        login = server.url(user="o'neil", password="a/b@c:d e%", database="postgres")
        assert ask(login, "SELECT current_user") == "o'neil"

        listening = {
            (connection.laddr.ip, connection.laddr.port) for connection in postmaster(folder).net_connections("inet")
        }
        assert listening == {("127.0.0.1", server.port)}
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "cluster").stat().st_mode) == 0o700
    for name in ("admin-password", "server.log", "port"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_no_password_on_a_command_line_or_in_the_log(place: Path) -> None:
    folder, programs, seen = place / "data", place / "bin", place / "seen"
    programs.mkdir()
    seen.touch()
    seen.chmod(0o666)
    for name in ("initdb", "pg_ctl", "postgres"):
        real = find_binaries(None).program(name)
        (programs / name).write_text(f'#!/bin/sh\necho "$0" "$@" >> \'{seen}\'\nexec \'{real}\' "$@"\n')
        (programs / name).chmod(0o755)
    with EmbeddedPostgres(folder, bin_dir=programs, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
    password = (folder / "admin-password").read_text().strip()
    assert "--pwfile=" in seen.read_text()
    for shown in (seen.read_text(), (folder / "server.log").read_text(), repr(server), repr(vars(server))):
        assert password not in shown


def test_failing_statements_leave_no_values_in_the_log(place: Path) -> None:
    folder = place / "data"
    with EmbeddedPostgres(folder, settings=FAST) as server:
        do(server.admin_url, "CREATE TABLE secret (number text UNIQUE)")
        do(server.admin_url, "INSERT INTO secret VALUES ('+15005550006')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            do(server.admin_url, "INSERT INTO secret VALUES ('+15005550006')")
    log = (folder / "server.log").read_text()
    assert "duplicate key value" in log
    assert "+15005550006" not in log


@pytest.mark.parametrize(
    "name",
    ["a" * 60 + "/" + "b" * 60, """it's a "$HOME" `folder`, Łódź"""],
    ids=["longer than a socket's path", "hard on a shell"],
)
def test_any_path_will_do(place: Path, name: str) -> None:
    folder = place / name
    with EmbeddedPostgres(folder, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
        with EmbeddedPostgres(folder, settings=FAST) as second:
            assert second.port == server.port
    assert server_processes(folder) == []


def test_the_last_of_several_supervisors_stops_the_server(place: Path) -> None:
    folder = place / "data"
    first, second = (EmbeddedPostgres(folder, settings=FAST) for _ in range(2))
    first.start()
    with Supervisor(folder) as third:
        assert third.url == first.admin_url
        second.start()
        first.stop()
        assert ask(second.admin_url, "SELECT 1") == 1
        second.stop()
        assert ask(third.url, "SELECT 1") == 1
    assert server_processes(folder) == []
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = first.admin_url


def test_simultaneous_first_starts_share_one_server(place: Path) -> None:
    folder = place / "data"
    with Supervisor(folder) as first, Supervisor(folder) as second, Supervisor(folder) as third:
        assert first.url == second.url == third.url
    assert server_processes(folder) == []


def test_clusters_started_at_once_get_ports_of_their_own(place: Path) -> None:
    servers = [EmbeddedPostgres(place / str(number), settings=FAST) for number in range(3)]
    with ThreadPoolExecutor() as threads:
        list(threads.map(EmbeddedPostgres.start, servers))
    try:
        assert len({server.port for server in servers}) == 3
        for number, server in enumerate(servers):
            do(server.admin_url, f"CREATE DATABASE mine_{number}")
        for number, server in enumerate(servers):
            names = ask(server.admin_url, "SELECT array_agg(datname) FROM pg_database WHERE datname ~ '^mine'")
            assert names == [f"mine_{number}"]
    finally:
        for server in servers:
            server.stop()


def test_a_port_that_somebody_took_meanwhile_is_left_to_them(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings=FAST)
    with server:
        old_port = server.port
    with socket.create_server(("127.0.0.1", old_port)), server:
        assert server.port != old_port
        assert ask(server.admin_url, "SELECT 1") == 1
        moved_to = server.port
    with server:
        assert server.port == moved_to


def test_a_port_lost_at_the_last_moment_is_replaced(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings=FAST)
    with server:
        pass
    settings = folder / "cluster" / "ringfence.conf"
    before = settings.stat().st_ino

    def take_the_port() -> socket.socket:
        while settings.stat().st_ino == before:
            pass
        port = next(line for line in settings.read_text().splitlines() if line.startswith("port"))
        return socket.create_server(("127.0.0.1", int(port.split("'")[1])))

    with ThreadPoolExecutor() as threads:
        thief = threads.submit(take_the_port)
        with server, thief.result() as stolen:
            assert server.port != stolen.getsockname()[1]
            assert ask(server.admin_url, "SELECT 1") == 1
    assert "could not create any TCP/IP sockets" in (folder / "server.log").read_text()
