"""Buying numbers and giving them back, under `/api/sms/phone-numbers`. Company admins only.

Twilio is asked between two transactions, never inside one.
"""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from ringfence.features.audit_log.values import Actor, actor_of
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.actions import buying, releasing
from ringfence.features.phone_numbers.errors import NoSuchOffersError, PurchaseRefusedError
from ringfence.features.phone_numbers.model import NumberPurchase
from ringfence.features.phone_numbers.routes.reach import reach, stored_credentials
from ringfence.features.phone_numbers.schemas import (
    BuyBody,
    OffersAnswer,
    PhoneNumberAnswer,
    PurchaseAnswer,
    ReleaseBody,
)
from ringfence.features.twilio_settings.errors import in_plain_words
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    NotFoundAtTwilioError,
    TwilioError,
    TwilioRefusedError,
    TwilioUnreachableError,
)
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.market import OfferKind, Wanted
from ringfence.providers.twilio.records import NumberInfo
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, Caller, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/phone-numbers", tags=["phone numbers"], responses=PROBLEM_RESPONSES)

_NOT_FOR_SALE = 21422
_BUSY = 20429

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body means the same purchase, for 24 hours.",
    ),
]
Can = Annotated[bool | None, Query(description="Only numbers that can, or that cannot.")]


@router.get("/available")
async def search_offers(
    request: Request,
    caller: Admin,
    *,
    country: Annotated[str, Query(pattern="^[A-Z]{2}$", description="ISO 3166, such as US.")] = "US",
    kind: Annotated[OfferKind, Query(alias="type")] = "local",
    area_code: Annotated[str | None, Query(pattern="^[2-9][0-9]{2}$", description="US and Canada only.")] = None,
    contains: Annotated[
        str | None,
        Query(pattern=r"^[0-9A-Za-z*+]{2,16}$", description="Digits or letters in a row; `*` is any one."),
    ] = None,
    sms: Can = None,
    mms: Can = None,
    voice: Can = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> OffersAnswer:
    """Numbers for sale at Twilio right now, and what one costs a month.

    422 `no_such_numbers` where a country has none of this type. Twilio ignores the area code outside the US and Canada.
    """
    wanted = Wanted(
        country=country,
        kind=kind,
        area_code=None if area_code is None else int(area_code),
        contains=contains,
        sms=sms,
        mms=mms,
        voice=voice,
        limit=limit,
    )
    credentials = await stored_credentials(request, caller)
    async with reach(request, caller, credentials) as account:
        with in_plain_words():
            try:
                offers = await account.search_offers(wanted)
            except NotFoundAtTwilioError:
                raise NoSuchOffersError(country, kind) from None
        try:
            price = await account.monthly_price(country, kind)
        except TwilioError:
            price = None
    return OffersAnswer.made_of(offers, price)


@router.post("/buy", status_code=201, responses={202: {"model": PurchaseAnswer}})
async def buy(
    request: Request, response: Response, caller: Admin, body: BuyBody, idempotency_key: Key = None
) -> PurchaseAnswer:
    """Buy a number; its inbound texts and calls come here from the first on. Twilio is asked once, whatever happens.

    201 when it is bought. 202 while Twilio's answer is lost: the account's numbers are looked through until it is
    known, see `GET …/purchases/{id}`. 422 `purchase_refused` with Twilio's code; 409 `number_is_yours`,
    `purchase_under_way`.
    """
    tenancy, gateway, actor = service(request, Tenancy), service(request, TwilioGateway), actor_of(caller)
    credentials = await stored_credentials(request, caller)
    async with tenancy.tenant(caller.company_id) as session:
        purchase, is_new = await buying.begin(
            session,
            account_sid=credentials.account_sid,
            phone_number=body.phone_number,
            friendly_name=body.friendly_name,
            key=idempotency_key,
            deadline_seconds=gateway.timeout_seconds,
            actor=actor,
        )
    if is_new:
        purchase = await _ask(request, caller, credentials, purchase, actor)
    if purchase.status in {"refused", "not_bought"}:
        raise PurchaseRefusedError(purchase.id, code=purchase.twilio_code, reason=purchase.reason or "")
    response.status_code = 201 if purchase.status == "bought" else 202
    return PurchaseAnswer.about(purchase)


@router.get("/purchases/{purchase_id}")
async def read_purchase(purchase_id: UUID, _caller: Admin, session: TenantDB) -> PurchaseAnswer:
    """What became of a purchase."""
    return PurchaseAnswer.about(await queries.get_purchase(session, purchase_id))


@router.post("/{number_id}/release")
async def release(request: Request, caller: Admin, number_id: UUID, body: ReleaseBody) -> PhoneNumberAnswer:
    """Give a number back to Twilio, for good: others can buy it. Its texts and conversations stay to read.

    422 `not_confirmed` unless `confirm` is the number itself; 409 `number_released` when it is gone already.
    """
    tenancy = service(request, Tenancy)
    credentials = await stored_credentials(request, caller)
    async with tenancy.tenant(caller.company_id) as session:
        number = await releasing.check_release(session, number_id, confirm=body.confirm)
    async with reach(request, caller, credentials) as account:
        with in_plain_words():
            info = await account.find_number(number.phone_number)
            if info is not None:
                await account.release_number(info.sid)
    async with tenancy.tenant(caller.company_id) as session:
        number = await releasing.note_released(session, number_id, actor=actor_of(caller))
    return PhoneNumberAnswer.about(number, None)


async def _ask(
    request: Request, caller: Caller, credentials: StoredCredentials, purchase: NumberPurchase, actor: Actor
) -> NumberPurchase:
    """Ask Twilio once, and write down what came of it."""
    tenancy = service(request, Tenancy)
    async with reach(request, caller, credentials) as account:
        try:
            info = await _buy(request, account, credentials, purchase)
        except TwilioRefusedError as error:
            async with tenancy.tenant(caller.company_id) as session:
                purchase = await buying.settle_refused(session, purchase.id, error.code, actor=actor)
            if isinstance(error, BadCredentialsError | AccountSuspendedError):
                with in_plain_words():
                    raise
            return purchase
        except TwilioUnreachableError as error:
            async with tenancy.tenant(caller.company_id) as session:
                if error.reason == "busy":
                    return await buying.settle_refused(session, purchase.id, _BUSY, actor=actor)
                return await buying.keep_open(session, purchase.id, look_again=False)
    async with tenancy.tenant(caller.company_id) as session:
        return await buying.settle_bought(session, purchase.id, info, actor=actor)


async def _buy(
    request: Request, account: TwilioAccount, credentials: StoredCredentials, purchase: NumberPurchase
) -> NumberInfo:
    """The number, bought; also when only Twilio's list says so. Raises TwilioError."""
    gateway, path = service(request, TwilioGateway), credentials.webhook_path
    try:
        return await account.buy_number(
            purchase.phone_number,
            friendly_name=purchase.friendly_name,
            sms_url=gateway.webhook_url(path, "inbound"),
            voice_url=gateway.webhook_url(path, "voice"),
            status_callback=gateway.webhook_url(path, "call-status"),
        )
    except TwilioRefusedError as error:
        # Not for sale, because the account has it: an earlier purchase went through after all.
        info = await account.find_number(purchase.phone_number) if error.code == _NOT_FOR_SALE else None
        if info is None:
            raise
        return info
    except TwilioUnreachableError as error:
        info = None
        if error.reason != "busy":
            with suppress(TwilioError):
                info = await account.find_number(purchase.phone_number)
        if info is None:
            raise
        return info
