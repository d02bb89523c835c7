"""What the official SDK does against Twilio, it does against the emulator."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from tests.conformance.emulator_sdk.conftest import (
    CUSTOMER,
    NUMBER,
    OTHER_NUMBER,
    OTHER_SID,
    OTHER_TOKEN,
    SECOND,
    SID,
    Running,
)

# The SDK's own asynchronous transport still passes a way of giving credentials that aiohttp announces to drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter:DeprecationWarning"),
]


def until(ask: Callable[[], MessageInstance], status: str) -> MessageInstance:
    deadline = time.monotonic() + 15
    while (message := ask()).status != status:
        assert time.monotonic() < deadline, message.status
        time.sleep(0.02)
    return message


def test_create_fetch_and_delete(client: Client) -> None:
    message = client.messages.create(to=CUSTOMER, from_=NUMBER, body="Grüße 😀")
    assert message.sid.startswith("SM")
    assert (message.status, message.direction, message.body) == ("queued", "outbound-api", "Grüße 😀")
    assert (message.num_segments, message.num_media) == ("1", "0")
    assert message.date_sent is None
    assert isinstance(message.date_created, datetime)

    delivered = until(lambda: client.messages(message.sid).fetch(), "delivered")
    assert isinstance(delivered.date_sent, datetime)
    assert abs(datetime.now(UTC) - delivered.date_sent) < timedelta(minutes=1)

    assert client.messages(message.sid).delete() is True
    with pytest.raises(TwilioRestException) as missing:
        client.messages(message.sid).fetch()
    assert (missing.value.status, missing.value.code) == (404, 20404)


def test_the_price_arrives_as_text(client: Client) -> None:
    sid = client.messages.create(to=CUSTOMER, from_=NUMBER, body="a" * 161).sid
    deadline = time.monotonic() + 15
    while (message := client.messages(sid).fetch()).price is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert Decimal(message.price) == Decimal("-0.015")
    assert message.num_segments == "2"
    assert message.price_unit == "USD"


def test_lists_run_over_several_pages(client: Client) -> None:
    sids = [client.messages.create(to=CUSTOMER, from_=NUMBER, body=f"text {n}").sid for n in range(11)]
    assert [item.sid for item in client.messages.list(page_size=3)] == sids[::-1]
    assert [item.sid for item in client.messages.list(page_size=3, limit=5)] == sids[:5:-1]
    assert [item.sid for item in client.messages.stream(page_size=4)] == sids[::-1]

    page = client.messages.page(page_size=4)
    following = page.next_page()
    assert following is not None
    assert [item.sid for item in following] == sids[6:2:-1]
    before = following.previous_page()
    assert before is not None
    assert [item.sid for item in before] == sids[:6:-1]


def test_lists_filter_by_numbers_and_date(client: Client) -> None:
    one = client.messages.create(to=CUSTOMER, from_=NUMBER, body="one")
    two = client.messages.create(to="+16025550148", from_=SECOND, body="two")
    for message in (one, two):
        until(lambda sid=message.sid: client.messages(sid).fetch(), "delivered")
    assert [item.body for item in client.messages.list(to=CUSTOMER)] == ["one"]
    assert [item.body for item in client.messages.list(from_=SECOND)] == ["two"]
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert len(client.messages.list(date_sent_after=now - hour, date_sent_before=now + hour)) == 2
    assert client.messages.list(date_sent_after=now + hour) == []
    assert client.messages.list(date_sent_before=now - hour) == []


def test_calls_and_their_recordings(running: Running, client: Client) -> None:
    twiml = "<Response><Say>hello</Say><Record maxLength='1'/></Response>"
    made = client.calls.create(to=CUSTOMER, from_=NUMBER, twiml=twiml, status_callback_event=["ringing", "answered"])
    assert (made.status, made.direction, made.start_time) == ("queued", "outbound-api", None)
    deadline = time.monotonic() + 15
    while (call := client.calls(made.sid).fetch()).status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert isinstance(call.end_time, datetime)
    assert int(call.duration) >= 1
    assert [item.sid for item in client.calls.list(to=CUSTOMER, status="completed")] == [made.sid]
    assert client.calls.list(parent_call_sid=made.sid) == []

    recording = client.calls(made.sid).recordings.list()[0]
    while (found := client.recordings(recording.sid).fetch()).status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (found.call_sid, found.source, found.channels) == (made.sid, "RecordVerb", 1)
    assert client.recordings(recording.sid).delete() is True
    with pytest.raises(TwilioRestException) as finished:
        client.calls(made.sid).update(status="completed")
    assert finished.value.code == 21220
    with pytest.raises(TwilioRestException) as foreign:
        running.client(OTHER_SID, OTHER_TOKEN).calls(made.sid).fetch()
    assert (foreign.value.status, foreign.value.code) == (404, 20404)
    with pytest.raises(TwilioRestException) as unowned:
        client.calls.create(to=CUSTOMER, from_=OTHER_NUMBER, twiml=twiml)
    assert unowned.value.code == 21210


def test_a_body_can_be_redacted(client: Client) -> None:
    message = client.messages.create(to=CUSTOMER, from_=NUMBER, body="secret")
    assert client.messages(message.sid).update(body="").body == ""
    with pytest.raises(TwilioRestException) as refused:
        client.messages(message.sid).update(status="canceled")
    assert refused.value.code == 30409


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"to": "12"}, 400, 21211),
        ({"from_": "+16025559999"}, 400, 21659),
        ({"from_": OTHER_NUMBER}, 400, 21660),
        ({"body": "a" * 1601}, 400, 21617),
        ({"to": "+15005550004"}, 400, 21610),
        ({"to": "+15005550009"}, 400, 21614),
        ({"from_": "+15005550008"}, 400, 21611),
        ({"media_url": [f"http://127.0.0.1:1/{n}" for n in range(11)]}, 400, 21623),
    ],
)
def test_refusals_become_exceptions_with_code(
    client: Client, changes: dict[str, object], status: int, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**{"to": CUSTOMER, "from_": NUMBER, "body": "x"} | changes)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.msg
    assert client.messages.create(to=CUSTOMER, from_="+15005550006", body="x").sid


def test_wrong_credentials_are_refused_for_one_thing_and_for_lists(running: Running, client: Client) -> None:
    stranger = running.client(token="wrong")
    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to=CUSTOMER, from_=NUMBER, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    # Lists raise another class, with the answer as its second argument.
    with pytest.raises(TwilioException) as unlisted:
        stranger.messages.list()
    assert unlisted.value.args[1].status_code == 401
    assert client.messages.list() == []


def test_a_page_that_is_too_large_is_refused(client: Client) -> None:
    with pytest.raises(TwilioException) as refused:
        client.messages.list(limit=1500)
    assert refused.value.args[1].status_code == 400
    assert '"code": 20007' in refused.value.args[1].text


def test_the_answers_carry_twilios_headers(client: Client) -> None:
    answer = client.messages.create_with_http_info(to=CUSTOMER, from_=NUMBER, body="x")
    assert answer.status_code == 201
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    assert answer.headers["Twilio-Concurrent-Requests"] == "1"
    assert float(answer.headers["Twilio-Request-Duration"]) >= 0


def test_numbers_are_listed_changed_bought_and_released(client: Client) -> None:
    numbers = client.incoming_phone_numbers.list(page_size=1)
    assert {item.phone_number for item in numbers} == {NUMBER, SECOND}
    assert [item.friendly_name for item in client.incoming_phone_numbers.list(phone_number=SECOND)] == ["Second"]
    assert [item.phone_number for item in client.incoming_phone_numbers.list(friendly_name="Second")] == [SECOND]
    assert numbers[0].capabilities["sms"] is True

    changed = client.incoming_phone_numbers(numbers[0].sid).update(
        sms_url="http://127.0.0.1:1/in?x=1", sms_method="POST", friendly_name="Front desk"
    )
    assert (changed.sms_url, changed.friendly_name) == ("http://127.0.0.1:1/in?x=1", "Front desk")
    assert client.incoming_phone_numbers(numbers[0].sid).fetch().sms_url == "http://127.0.0.1:1/in?x=1"

    offers = client.available_phone_numbers("US").local.list(area_code=602, sms_enabled=True, limit=5)
    assert len(offers) == 5
    assert all(offer.phone_number.startswith("+1602") and offer.locality == "Phoenix" for offer in offers)
    wanted = next(offer for offer in offers if offer.phone_number not in {NUMBER, SECOND})
    bought = client.incoming_phone_numbers.create(phone_number=wanted.phone_number, sms_url="http://127.0.0.1:1/in")
    assert bought.friendly_name == wanted.friendly_name
    assert client.messages.create(to=CUSTOMER, from_=bought.phone_number, body="x").sid

    with pytest.raises(TwilioRestException) as taken:
        client.incoming_phone_numbers.create(phone_number=wanted.phone_number)
    assert taken.value.code == 21422

    assert client.incoming_phone_numbers(bought.sid).delete() is True
    assert len(client.incoming_phone_numbers.list()) == 2


def test_numbers_for_sale_are_found_by_kind_place_and_digits(client: Client) -> None:
    toll_free = client.available_phone_numbers("US").toll_free.list(limit=3)
    assert all(offer.phone_number.startswith(("+1800", "+1833", "+1844", "+1855")) for offer in toll_free)
    assert client.available_phone_numbers("US").local.list(in_region="TX")[0].locality == "Austin"
    assert client.available_phone_numbers("GB").mobile.list(limit=1)[0].phone_number.startswith("+447700900")
    assert client.available_phone_numbers("US").local.list(contains="6025550137")
    assert {country.country_code for country in client.available_phone_numbers.list()} == {"US", "CA", "GB"}
    with pytest.raises(TwilioException):
        client.available_phone_numbers("US").mobile.list()

    assert client.incoming_phone_numbers.create(area_code="206").phone_number.startswith("+1206")
    assert client.incoming_phone_numbers.toll_free.create(phone_number=toll_free[0].phone_number).sid
    assert len(client.incoming_phone_numbers.toll_free.list()) == 1
    assert len(client.incoming_phone_numbers.local.list()) == 3


@pytest.mark.parametrize(
    ("purchase", "code"),
    [
        ({"phone_number": "+15005550000"}, 21422),
        ({"phone_number": "+15005550001"}, 21421),
        ({"area_code": "533"}, 21452),
        ({"area_code": "999"}, 21452),
        ({"area_code": "x"}, 21451),
        ({}, 21421),
    ],
)
def test_purchases_that_cannot_be(client: Client, purchase: dict[str, str], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(**purchase)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert client.incoming_phone_numbers.create(phone_number="+15005550006").phone_number == "+15005550006"


def test_subaccounts_have_credentials_and_a_life_of_their_own(running: Running, client: Client) -> None:
    made = client.api.accounts.create(friendly_name="Branch")
    assert made.owner_account_sid == SID
    assert {account.friendly_name for account in client.api.accounts.list()} == {"Acme", "Branch"}

    branch = running.client(made.sid, made.auth_token)
    number = branch.incoming_phone_numbers.create(area_code="312")
    assert branch.messages.create(to=CUSTOMER, from_=number.phone_number, body="x").account_sid == made.sid
    # The parent may act on the child by its path; a stranger may not.
    assert len(running.client(account=made.sid).messages.list()) == 1
    with pytest.raises(TwilioRestException) as refused:
        running.client(account=OTHER_SID).api.accounts(OTHER_SID).fetch()
    assert refused.value.code == 20003

    client.api.accounts(made.sid).update(status="suspended")
    with pytest.raises(TwilioRestException) as suspended:
        branch.messages.create(to=CUSTOMER, from_=number.phone_number, body="x")
    assert suspended.value.code == 20005
    assert branch.api.accounts(made.sid).fetch().status == "suspended"
    client.api.accounts(made.sid).update(status="active")
    assert branch.messages.create(to=CUSTOMER, from_=number.phone_number, body="x").sid


def test_a_number_moves_to_an_account_of_the_family(running: Running, client: Client) -> None:
    branch = client.api.accounts.create(friendly_name="Branch")
    sid = client.incoming_phone_numbers.list(phone_number=SECOND)[0].sid
    moved = client.incoming_phone_numbers(sid).update(account_sid=branch.sid)
    assert moved.account_sid == branch.sid
    theirs = running.client(branch.sid, branch.auth_token).incoming_phone_numbers.list()
    assert [item.phone_number for item in theirs] == [SECOND]
    assert [item.phone_number for item in client.incoming_phone_numbers.list()] == [NUMBER]
    with pytest.raises(TwilioRestException):
        client.incoming_phone_numbers(client.incoming_phone_numbers.list()[0].sid).update(account_sid=OTHER_SID)


def test_the_balance_is_the_parents(running: Running, client: Client) -> None:
    assert client.balance.fetch().balance == "100.00000"
    branch = client.api.accounts.create(friendly_name="Branch")
    with pytest.raises(TwilioRestException) as missing:
        running.client(branch.sid, branch.auth_token).balance.fetch()
    assert missing.value.code == 20404


def test_what_is_not_there_is_20404(client: Client) -> None:
    with pytest.raises(TwilioRestException) as missing:
        client.calls("CA" + "0" * 32).fetch()
    assert (missing.value.status, missing.value.code) == (404, 20404)


async def test_the_asynchronous_sdk_does_the_same(async_client: Client) -> None:
    sids = []
    for number in range(5):
        message = await async_client.messages.create_async(to=CUSTOMER, from_=NUMBER, body=f"text {number}")
        sids.append(message.sid)
    assert [item.sid for item in await async_client.messages.list_async(page_size=2)] == sids[::-1]
    fetched = await async_client.messages(sids[0]).fetch_async()
    assert fetched.body == "text 0"
    assert {item.phone_number for item in await async_client.incoming_phone_numbers.list_async()} == {NUMBER, SECOND}
    bought = await async_client.incoming_phone_numbers.create_async(area_code="415")
    assert await async_client.incoming_phone_numbers(bought.sid).delete_async() is True
    with pytest.raises(TwilioRestException) as refused:
        await async_client.messages.create_async(to="12", from_=NUMBER, body="x")
    assert refused.value.code == 21211
