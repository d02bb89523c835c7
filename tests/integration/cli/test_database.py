"""`ringfence db` and `ringfence secrets` as an operator runs them."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.features.twilio_settings.values import token_context
from ringfence.features.users.model import Invitation, PasswordReset, User
from ringfence.features.users.values import reset_seal_context, seal_context
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.provision import provision
from ringfence.tenancy.sessions import Tenancy, TenantSession
from tests.factories.cluster import PASSWORDS, TEMPLATE, Cluster, Database
from tests.factories.processes import KEY, run, settings_of
from tests.integration.jobs.jobs_world import make_company

OLD_KEY = "the-key-that-sealed-it-all-in-the-old-days"


@pytest.fixture
def new_name(cluster: Cluster) -> Iterator[str]:
    """A database to be made; afterwards it is gone and the roles have the tests' passwords again."""
    name = f"init_{secrets.token_hex(6)}"
    yield name
    with psycopg.connect(cluster.server.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    provision(cluster.server.admin_url, database=TEMPLATE, passwords=PASSWORDS)


def printed_settings(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line.startswith("RINGFENCE_"))


async def test_init_makes_everything_and_its_output_is_a_working_environment(
    cluster: Cluster, new_name: str, tmp_path: Path
) -> None:
    command = f"db init --admin-url {cluster.server.admin_url} --database {new_name}"
    code, text = await run(command, {}, tmp_path)
    first = printed_settings(text)
    again = printed_settings((await run(command, {}, tmp_path))[1])
    checked = await run("db check", {**again, "RINGFENCE_SECRET_KEYS": KEY}, tmp_path)
    upgraded = await run("db upgrade", again, tmp_path)

    assert code == 0, text
    assert list(first) == [
        "RINGFENCE_DATABASE_URL",
        "RINGFENCE_APP_DATABASE_URL",
        "RINGFENCE_PLATFORM_DATABASE_URL",
    ]
    assert not set(first.values()) & set(again.values()), "a second run makes new passwords"
    assert checked == (0, "The fence stands.\n")
    assert upgraded[0] == 0, upgraded[1]
    admin_password = cluster.server.admin_url.split(":")[2].split("@")[0]
    assert admin_password not in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody:x@127.0.0.1:1/postgres", "administrator's login cannot connect"),
        ("mysql://x", "--admin-url must be"),
    ],
)
async def test_init_with_an_unusable_login_is_one_line(tmp_path: Path, url: str, words: str) -> None:
    code, text = await run(f"db init --admin-url {url}", {}, tmp_path)

    assert (code, len(text.splitlines())) == (2, 1)
    assert words in text


async def test_init_by_a_login_that_may_not_is_one_line(database: Database, tmp_path: Path) -> None:
    code, text = await run(f"db init --admin-url {database.app_url} --database other", {}, tmp_path)

    assert (code, len(text.splitlines())) == (2, 1)
    assert "may not make roles and databases" in text


async def test_check_prints_each_problem_with_its_fix(database: Database, tmp_path: Path) -> None:
    settings = settings_of(database, RINGFENCE_DATABASE_URL=database.owner_url)
    good = await run("db check", settings, tmp_path)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY extra ON opt_outs USING (true)")
    holes = await run("db check", settings, tmp_path)

    assert good == (0, "The fence stands.\n")
    assert holes[0] == 1
    assert [line.split(":")[0] for line in holes[1].splitlines()] == ["table contacts", "table opt_outs"]


async def test_check_finds_drift(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("ALTER TABLE contacts ADD COLUMN shoe_size int")

    code, text = await run("db check", settings_of(database, RINGFENCE_DATABASE_URL=database.owner_url), tmp_path)

    assert (code, text) == (1, "remove column contacts shoe_size: undo it, or make a migration for it.\n")


async def test_upgrade_needs_the_owners_login(database: Database, tmp_path: Path) -> None:
    code, text = await run("db upgrade", settings_of(database), tmp_path)

    assert (code, len(text.splitlines())) == (2, 1)
    assert "RINGFENCE_DATABASE_URL is not set" in text


async def test_rotate_seals_again_so_that_the_old_key_can_go(
    tenancy: Tenancy, database: Database, tmp_path: Path
) -> None:
    old, new = Keyring([OLD_KEY]), Keyring([KEY])
    companies = [await make_company(tenancy) for _ in range(3)]
    for number, company in enumerate(companies[:2]):
        async with tenancy.tenant(company) as session:
            session.add(_settings(old.seal(f"token-{number}", context=token_context(company)), number))
    invitation = _invitation(old)
    async with tenancy.tenant(companies[2]) as session:
        session.add(invitation)
        reset = await _reset(session, old)
    settings = settings_of(database, RINGFENCE_SECRET_KEYS=f"{KEY},{OLD_KEY}")

    first = await run("secrets rotate", settings, tmp_path)
    second = await run("secrets rotate", settings, tmp_path)
    with psycopg.connect(database.admin_url) as admin:
        sealed = dict(admin.execute("SELECT company_id, sealed_auth_token FROM twilio_settings").fetchall())
        link = admin.execute("SELECT sealed_link FROM invitations").fetchone()
        reset_link = admin.execute("SELECT sealed_link FROM password_resets").fetchone()

    assert first == (0, "Companies: 3. Sealed again: 4.\n")
    assert second == (0, "Companies: 3. Sealed again: 0.\n")
    opened = [new.open(sealed[company], context=token_context(company)) for company in companies[:2]]
    assert opened == ["token-0", "token-1"]
    assert link is not None
    assert new.open(link[0], context=seal_context(invitation.id)) == "a link"
    assert reset_link is not None
    assert new.open(reset_link[0], context=reset_seal_context(reset.id)) == "another link"


async def test_rotate_without_the_old_key_is_one_line_and_loses_nothing(
    tenancy: Tenancy, database: Database, tmp_path: Path
) -> None:
    company = await make_company(tenancy)
    sealed = Keyring([OLD_KEY]).seal("token", context=token_context(company))
    async with tenancy.tenant(company) as session:
        session.add(_settings(sealed, 1))

    code, text = await run("secrets rotate", settings_of(database), tmp_path)
    with psycopg.connect(database.admin_url) as admin:
        stored = admin.execute("SELECT sealed_auth_token FROM twilio_settings").fetchone()

    assert (code, len(text.splitlines())) == (2, 1)
    assert stored == (sealed,)


async def test_version_and_help_need_no_settings(tmp_path: Path) -> None:
    assert await run("--version", {"RINGFENCE_PORT": "x"}, tmp_path) == (0, "ringfence 0.1.0\n")
    code, text = await run("--help", {}, tmp_path)
    assert code == 0
    for command in ("serve", "work", "emulator", "demo", "db", "secrets", "company", "user"):
        assert command in text


def _settings(sealed: str, number: int) -> TwilioSettings:
    now = utc_now()
    return TwilioSettings(
        account_sid=f"AC{number:032x}",
        sealed_auth_token=sealed,
        auth_token_last4="oken",
        friendly_name="Test",
        status="verified",
        webhook_path=secrets.token_urlsafe(16),
        created_at=now,
        updated_at=now,
    )


def _invitation(keyring: Keyring) -> Invitation:
    invitation_id, now = new_id(), utc_now()
    return Invitation(
        id=invitation_id,
        email="new@example.com",
        email_norm="new@example.com",
        role="agent",
        invited_by=None,
        created_at=now,
        expires_at=now,
        sealed_link=keyring.seal("a link", context=seal_context(invitation_id)),
    )


async def _reset(session: TenantSession, keyring: Keyring) -> PasswordReset:
    """A person with a link to a new password that is not mailed yet."""
    now = utc_now()
    user = User(
        id=new_id(),
        email="a@example.com",
        email_norm="a@example.com",
        name="A",
        role="agent",
        password_hash="x",
        created_at=now,
        updated_at=now,
    )
    session.add(user)
    await session.flush()
    reset_id = new_id()
    sealed = keyring.seal("another link", context=reset_seal_context(reset_id))
    reset = PasswordReset(
        id=reset_id, user_id=user.id, requested_by=None, created_at=now, expires_at=now, sealed_link=sealed
    )
    session.add(reset)
    return reset
