"""`/api/sms/bulk`: one text to everybody on a list. Managers only."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.errors import InvalidInputError, RefusedError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.bulk.actions import sends as actions
from ringfence.features.bulk.actions.prices import set_prices
from ringfence.features.bulk.actions.sends import Plan
from ringfence.features.bulk.actions.trying import try_out
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.queries import sends as queries
from ringfence.features.bulk.queries.prices import prices
from ringfence.features.bulk.schemas.sends import (
    BulkAnswer,
    BulkBody,
    BulkChange,
    BulkDetail,
    PriceAnswer,
    PricesAnswer,
    PricesBody,
    RecipientAnswer,
    RehearsalAnswer,
    RetryBulkBody,
    TrialAnswer,
    TrialBody,
)
from ringfence.features.bulk.values.sends import Price, Status
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.messages.actions import idempotency
from ringfence.features.messages.actions.idempotency import FirstAnswer
from ringfence.features.messages.routes.sending import Key
from ringfence.features.users import queries as users
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Caller, Manager, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position, Rank
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/bulk", tags=["bulk sends"], responses=PROBLEM_RESPONSES)


@router.post("", status_code=201)
async def create_bulk_send(
    body: BulkBody, caller: Manager, session: TenantDB, idempotency_key: Key = None
) -> BulkDetail:
    """Keep a bulk send and rehearse it. Nothing goes out before its start."""
    if idempotency_key is None:
        return await _create(session, body, caller)
    request = body.model_dump(mode="json")
    first = await idempotency.begin(session, key=idempotency_key, operation="bulk", request=request)
    if first is None:
        first = FirstAnswer(201, (await _create(session, body, caller)).model_dump(mode="json"))
        await idempotency.finish(session, key=idempotency_key, answer=first)
    return BulkDetail.model_validate(first.response)


@router.get("")
async def list_bulk_sends(
    request: Request,
    caller: Manager,
    session: TenantDB,
    *,
    status: Status | None = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[BulkAnswer]:
    """The company's bulk sends, newest first, with their counts as of now."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "bulk", {"status": status})
    rows = await queries.list_sends(session, status=status, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    counts = await queries.counts_of(session, [row.id for row in page])
    items = [BulkAnswer.made_of(row, await queries.senders_of(session, row.id), counts[row.id]) for row in page]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/prices")
async def list_prices(_caller: Manager, session: TenantDB) -> PricesAnswer:
    """What a segment costs, by country: as it was set, else the median of what the company's own texts cost."""
    return await _prices(session)


@router.put("/prices")
async def put_prices(body: PricesBody, caller: Manager, session: TenantDB) -> PricesAnswer:
    """Set prices; those that were set before and are not named go."""
    given = [Price(price.country, price.micros, price.currency, 0) for price in body.prices]
    await set_prices(session, given, actor=actor_of(caller))
    return await _prices(session)


@router.get("/{bulk_send_id}")
async def get_bulk_send(bulk_send_id: UUID, _caller: Manager, session: TenantDB) -> BulkDetail:
    """One bulk send with its rehearsal, and its counts as of now."""
    return await _detail(session, await queries.get_send(session, bulk_send_id))


@router.patch("/{bulk_send_id}")
async def change_bulk_send(bulk_send_id: UUID, body: BulkChange, caller: Manager, session: TenantDB) -> BulkDetail:
    """Change one before its start, which rehearses it again; or the numbers of a paused one, the time of a scheduled.

    409 `bulk_state` for everything else.
    """
    given = body.model_dump(exclude_unset=True)
    changes: dict[str, Any] = {
        name: value for name, value in given.items() if value is not None or name == "scheduled_at"
    }
    if body.from_numbers is not None:
        changes["from_numbers"] = await _read_numbers(session, body.from_numbers)
    return await _detail(session, await actions.change(session, bulk_send_id, changes, actor=actor_of(caller)))


@router.delete("/{bulk_send_id}", status_code=204)
async def delete_bulk_send(bulk_send_id: UUID, caller: Manager, session: TenantDB) -> None:
    """Delete one that was never started."""
    await actions.discard(session, bulk_send_id, actor=actor_of(caller))


@router.post("/{bulk_send_id}/rehearse", status_code=202)
async def rehearse_bulk_send(bulk_send_id: UUID, _caller: Manager, session: TenantDB) -> BulkDetail:
    """Count anew what would happen."""
    return await _detail(session, await actions.rehearse_again(session, bulk_send_id))


@router.post("/{bulk_send_id}/test", status_code=202)
async def try_bulk_send(
    bulk_send_id: UUID, caller: Manager, session: TenantDB, body: TrialBody | None = None
) -> TrialAnswer:
    """Send the first recipient's text to oneself, or to `to`. 422 when the gate refuses it."""
    if body is not None and body.to is not None:
        to_number = read_number(body.to, region=await default_region(session))
    else:
        person = await users.user_or_none(session, caller.id) if caller.kind == "user" else None
        if person is None or person.phone is None:
            raise InvalidInputError("no_phone", "You have no phone number here; say where the trial goes with `to`.")
        to_number = person.phone
    source = "api" if caller.kind == "api_key" else "console"
    trial = await try_out(session, bulk_send_id, to_number=to_number, source=source, actor=actor_of(caller))
    message = trial.message
    # A refused text is kept although the request fails.
    await session.commit()
    if message.status == "refused":
        raise RefusedError(message.refusal_code or "refused", message.reason or "", {"message_id": str(message.id)})
    return TrialAnswer(
        message_id=message.id,
        status=message.status,
        to_number=message.to_number,
        body=message.body,
        position=trial.position,
    )


@router.post("/{bulk_send_id}/start", status_code=202)
async def start_bulk_send(bulk_send_id: UUID, caller: Manager, session: TenantDB) -> BulkDetail:
    """Let a rehearsed one go: now, or by itself at `scheduled_at`."""
    return await _detail(session, await actions.start(session, bulk_send_id, actor=actor_of(caller)))


@router.post("/{bulk_send_id}/pause", status_code=202)
async def pause_bulk_send(bulk_send_id: UUID, caller: Manager, session: TenantDB) -> BulkDetail:
    """Pause one; texts that Twilio has not been told of yet are held until it is resumed."""
    return await _detail(session, await actions.pause_by_hand(session, bulk_send_id, actor=actor_of(caller)))


@router.post("/{bulk_send_id}/resume", status_code=202)
async def resume_bulk_send(bulk_send_id: UUID, caller: Manager, session: TenantDB) -> BulkDetail:
    """Let a paused one go on where it stopped."""
    return await _detail(session, await actions.resume(session, bulk_send_id, actor=actor_of(caller)))


@router.post("/{bulk_send_id}/stop", status_code=202)
async def stop_bulk_send(bulk_send_id: UUID, caller: Manager, session: TenantDB) -> BulkDetail:
    """End one for good; texts that Twilio has not been told of yet are canceled."""
    return await _detail(session, await actions.stop_by_hand(session, bulk_send_id, actor=actor_of(caller)))


@router.post("/{bulk_send_id}/retry", status_code=201)
async def retry_bulk_send(
    bulk_send_id: UUID, caller: Manager, session: TenantDB, body: RetryBulkBody | None = None
) -> BulkDetail:
    """A new bulk send to those whose text failed; it is rehearsed, and waits for its start."""
    unconfirmed = body.unconfirmed if body else False
    again = await actions.retry(session, bulk_send_id, unconfirmed=unconfirmed, actor=actor_of(caller))
    return await _detail(session, again)


@router.get("/{bulk_send_id}/recipients")
async def list_bulk_recipients(
    request: Request,
    bulk_send_id: UUID,
    caller: Manager,
    session: TenantDB,
    *,
    state: Annotated[str | None, Query(pattern="^(handed_in|skipped|waiting)$")] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[RecipientAnswer]:
    """What became of each recipient so far, in the order of the list."""
    bulk = await queries.get_send(session, bulk_send_id)
    filters = {"bulk_send_id": bulk.id, "state": state}
    cursors = Cursors(service(request, Keyring), caller.company_id, "bulk-recipients", filters)
    after = cursors.read_rank(cursor)
    rows = await queries.told(session, bulk.id, after=after.count if after else 0, limit=limit + 1, state=state)
    page, next_cursor = cursors.page(rows, limit, lambda row: Rank(row.recipient.position, bulk.id))
    return Page(items=[RecipientAnswer.made_of(row.recipient, row.message) for row in page], next_cursor=next_cursor)


async def _create(session: TenantSession, body: BulkBody, caller: Caller) -> BulkDetail:
    plan = Plan(
        name=body.name,
        list_id=body.list_id,
        body=body.body,
        template_id=body.template_id,
        variables=body.variables,
        from_numbers=await _read_numbers(session, body.from_numbers),
        scheduled_at=body.scheduled_at,
        canary=body.canary,
        canary_wait_seconds=body.canary_wait_seconds,
        most_failed_percent=body.most_failed_percent,
        most_opt_out_percent=body.most_opt_out_percent,
    )
    return await _detail(session, await actions.create(session, plan, actor=actor_of(caller)))


async def _read_numbers(session: TenantSession, spelled: list[str]) -> list[str]:
    region = await default_region(session)
    return [read_number(number, region=region) for number in spelled]


async def _detail(session: TenantSession, bulk: BulkSend) -> BulkDetail:
    senders = await queries.senders_of(session, bulk.id)
    counts = (await queries.counts_of(session, [bulk.id]))[bulk.id]
    answer = BulkAnswer.made_of(bulk, senders, counts)
    known = await prices(session) if bulk.rehearsal else {}
    rehearsal = RehearsalAnswer.made_of(bulk, senders, known, now=utc_now())
    return BulkDetail(**answer.model_dump(), rehearsal=rehearsal)


async def _prices(session: TenantSession) -> PricesAnswer:
    found = await prices(session)
    return PricesAnswer(items=[PriceAnswer.made_of(found[country]) for country in sorted(found)])
