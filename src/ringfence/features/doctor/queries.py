"""What this server's database knows that the doctor wants to know."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from ringfence.features.doctor.values.facts import Backlog, Holders, KeyState, Local, OwnNumber
from ringfence.features.phone_numbers.model import DirectoryNumber, PhoneNumber
from ringfence.features.phone_numbers.values import Addresses
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import TokenUnreadableError
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.tenancy.statements import register

_DAY: Final = timedelta(days=1)
_REPORTED_AFTER: Final = timedelta(hours=1)
_MOST: Final = 100_000
_SAMPLE: Final = 1000
_LOOKUP_BATCH: Final = 1000

_WAITING = register(
    "doctor.waiting",
    """
    SELECT count(*) AS waiting, min(due_at) AS oldest FROM (
        SELECT due_at FROM outbox WHERE company_id = :company_id AND state = 'ready' AND due_at <= :now LIMIT :most
    ) AS due
    """,
)
# The newest texts of the day up to a bound, then counted: a busy company must not make its doctor slow.
_STATES = register(
    "doctor.states",
    """
    SELECT status, error_code, count(*) AS texts FROM (
        SELECT status, error_code FROM sms_messages
        WHERE company_id = :company_id AND created_at > :since AND direction = 'outbound'
        ORDER BY created_at DESC LIMIT :most
    ) AS day
    WHERE status IN ('held', 'unconfirmed', 'failed', 'undelivered')
    GROUP BY status, error_code
    """,
)
_REPORTS = register(
    "doctor.reports",
    """
    WITH taken AS (
        SELECT id FROM sms_messages
        WHERE company_id = :company_id AND created_at BETWEEN :since AND :until AND direction = 'outbound'
          AND accepted_at IS NOT NULL AND deleted_at IS NULL
        ORDER BY created_at DESC LIMIT :sample
    ), told AS (
        SELECT DISTINCT message_id FROM webhook_events
        WHERE company_id = :company_id AND received_at > :since AND kind = 'status'
          AND message_id IN (SELECT id FROM taken)
    )
    SELECT (SELECT count(*) FROM taken) AS accepted, (SELECT count(*) FROM told) AS told
    """,
)


async def local_facts(session: TenantSession, keyring: Keyring, gateway: TwilioGateway) -> Local:
    """Everything about the company that the database tells, in one transaction."""
    settings = await settings_queries.current(session)
    state: KeyState = "current"
    token: str | None = None
    if settings is not None:
        try:
            credentials = await settings_queries.credentials_for(session, keyring)
        except TokenUnreadableError:
            state = "unreadable"
        else:
            token = None if credentials is None else credentials.auth_token
            state = "current" if keyring.is_current(settings.sealed_auth_token) else "old"
    rows = await session.execute(
        select(PhoneNumber.phone_number, PhoneNumber.status).where(
            PhoneNumber.company_id == session.company_id, PhoneNumber.released_at.is_(None)
        )
    )
    return Local(
        account_sid=None if settings is None else settings.account_sid,
        key_state=state,
        auth_token=token,
        addresses=None if settings is None else _addresses(gateway, settings.webhook_path),
        numbers=[OwnNumber(row.phone_number, row.status == "active") for row in rows],
        backlog=await _backlog(session),
    )


async def holders(
    session: PlatformSession, *, company_id: UUID, account_sid: str, phone_numbers: Sequence[str]
) -> Holders:
    """Who holds these numbers of an account; of others only that they do.

    Only for numbers that Twilio itself has just listed to the company, and for the company's own.
    """
    ours: set[str] = set()
    others: set[str] = set()
    twice: set[str] = set()
    for start in range(0, len(phone_numbers), _LOOKUP_BATCH):
        rows = await session.execute(
            select(DirectoryNumber.phone_number, DirectoryNumber.company_id).where(
                DirectoryNumber.account_sid == account_sid,
                DirectoryNumber.phone_number.in_(phone_numbers[start : start + _LOOKUP_BATCH]),
                DirectoryNumber.released_at.is_(None),
            )
        )
        for row in rows:
            if row.phone_number in ours | others:
                twice.add(row.phone_number)
            (ours if row.company_id == company_id else others).add(row.phone_number)
    return Holders(frozenset(others), frozenset(ours), frozenset(twice))


async def _backlog(session: TenantSession) -> Backlog:
    now = utc_now()
    company = {"company_id": session.company_id}
    waiting = (await session.execute(_WAITING, company | {"now": now, "most": _MOST})).one()
    states = (await session.execute(_STATES, company | {"since": now - _DAY, "most": _MOST})).all()
    reports = (
        await session.execute(
            _REPORTS, company | {"since": now - _DAY, "until": now - _REPORTED_AFTER, "sample": _SAMPLE}
        )
    ).one()
    failed: dict[int | None, int] = {}
    for row in states:
        if row.status in {"failed", "undelivered"}:
            failed[row.error_code] = failed.get(row.error_code, 0) + row.texts
    return Backlog(
        waiting=waiting.waiting,
        oldest_due=waiting.oldest,
        held=sum(row.texts for row in states if row.status == "held"),
        unconfirmed=sum(row.texts for row in states if row.status == "unconfirmed"),
        failed=failed,
        accepted=reports.accepted,
        unreported=reports.accepted - reports.told,
    )


def _addresses(gateway: TwilioGateway, path: str) -> Addresses:
    return Addresses(
        inbound=gateway.webhook_url(path, "inbound"),
        voice=gateway.webhook_url(path, "voice"),
        call_status=gateway.webhook_url(path, "call-status"),
    )
