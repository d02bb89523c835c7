"""Creating, listing, changing and deleting messages."""

import pytest

from ringfence.emulator import Behaviour, Span
from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import (
    ACME_NUMBER,
    ACME_SECOND,
    ACME_SID,
    BOLT_NUMBER,
    BOLT_SID,
    BOLT_TOKEN,
    CUSTOMER,
    OTHER_CUSTOMER,
    Application,
    Phone,
    running_emulator,
)


async def test_a_message_goes_from_queued_to_delivered_and_its_price_comes_last(phone: Phone) -> None:
    status, made = await phone.send("hello")
    assert status == 201
    assert made["status"] == "queued"
    assert made["date_sent"] is None
    assert made["price"] is None
    assert made["num_segments"] == "1"
    assert made["sid"].startswith("SM")

    done = await phone.until_status(made["sid"], "delivered")
    assert done["date_sent"].endswith("+0000")

    async def priced() -> bool:
        _, message = await phone.rest("GET", f"/Messages/{made['sid']}.json")
        return message["price"] == "-0.00750"

    await eventually(priced)
    _, balance = await phone.rest("GET", "/Balance.json")
    assert balance == {"account_sid": ACME_SID, "balance": "99.99250", "currency": "USD"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"To": "12"}, 21211),
        ({"From": "x"}, 21212),
        ({"From": "+16025559999"}, 21659),
        ({"From": BOLT_NUMBER}, 21660),
        ({"Body": "a" * 1601}, 21617),
        ({"Body": "😀" * 801}, 21617),
        ({"StatusCallback": "ftp://127.0.0.1/x"}, 21609),
        ({"StatusCallback": "http://under_score.example/x"}, 21609),
        ({"MediaUrl": "nonsense"}, 21620),
        ({"ValidityPeriod": "36001"}, 21624),
        ({"ScheduleType": "fixed"}, 35118),
        ({"MessagingServiceSid": "MG" + "0" * 32}, 21701),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(phone: Phone, changes: dict[str, str], code: int) -> None:
    status, refused = await phone.send(**{"body": "hello"} | changes)
    assert (status, refused["code"], refused["status"]) == (400, code, 400)
    assert refused["more_info"].endswith(f"/{code}")

    status, _ = await phone.send("a" * 1600)
    assert status == 201
    _, listed = await phone.rest("GET", "/Messages.json")
    assert len(listed["messages"]) == 1


async def test_more_than_ten_pictures_are_refused(phone: Phone) -> None:
    form = [("From", ACME_NUMBER), ("To", CUSTOMER)] + [("MediaUrl", f"http://127.0.0.1:1/{n}") for n in range(11)]
    _, refused = await phone.rest("POST", "/Messages.json", form=form)
    assert refused["code"] == 21623
    _, made = await phone.rest("POST", "/Messages.json", form=form[:-1])
    assert made["num_media"] == "10"
    assert made["sid"].startswith("MM")


async def test_lists_are_paged_by_token_and_do_not_shift_when_messages_come_and_go(phone: Phone) -> None:
    sids = [(await phone.send(f"text {n}"))[1]["sid"] for n in range(7)]
    _, first = await phone.rest("GET", "/Messages.json?PageSize=3")
    assert [item["sid"] for item in first["messages"]] == sids[:3:-1]
    assert (first["page"], first["start"], first["end"], first["page_size"]) == (0, 0, 2, 3)

    await phone.until_status(sids[4], "delivered")
    await phone.send("came in between")
    status, _ = await phone.rest("DELETE", f"/Messages/{sids[4]}.json")
    assert status == 204

    prefix = f"/2010-04-01/Accounts/{ACME_SID}"
    _, second = await phone.rest("GET", first["next_page_uri"].removeprefix(prefix))
    assert [item["sid"] for item in second["messages"]] == [sids[3], sids[2], sids[1]]
    _, third = await phone.rest("GET", second["next_page_uri"].removeprefix(prefix))
    assert [item["sid"] for item in third["messages"]] == [sids[0]]
    assert third["next_page_uri"] is None

    _, back = await phone.rest("GET", third["previous_page_uri"].removeprefix(prefix))
    assert [item["sid"] for item in back["messages"]] == [sids[3], sids[2], sids[1]]

    status, refused = await phone.rest("GET", "/Messages.json?PageSize=1001")
    assert (status, refused["code"]) == (400, 20007)


async def test_lists_filter_by_numbers_and_day(phone: Phone) -> None:
    _, one = await phone.send("one")
    _, two = await phone.send("two", To=OTHER_CUSTOMER, From=ACME_SECOND)
    await phone.text("three")
    await phone.until_status(one["sid"], "delivered")
    await phone.until_status(two["sid"], "delivered")

    async def bodies(**query: str) -> list[str]:
        url = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in query.items())
        _, listed = await phone.rest("GET", f"/Messages.json?{url}")
        return [item["body"] for item in listed["messages"]]

    assert await bodies() == ["three", "two", "one"]
    assert await bodies(To=CUSTOMER) == ["one"]
    assert await bodies(From=CUSTOMER) == ["three"]
    assert await bodies(From=ACME_SECOND) == ["two"]
    assert await bodies(To=CUSTOMER, From=ACME_SECOND) == []
    assert await bodies(To=ACME_NUMBER) == ["three"]
    assert await bodies(**{"DateSent%3E": "2026-01-01"}) == ["three", "two", "one"]
    assert await bodies(**{"DateSent%3C": "2026-01-01"}) == []
    assert await bodies(DateSent="2020-01-01") == []


async def test_a_text_can_be_redacted_but_not_rewritten_or_canceled(phone: Phone) -> None:
    _, made = await phone.send("secret")
    path = f"/Messages/{made['sid']}.json"
    status, refused = await phone.rest("POST", path, form={"Body": "other"})
    assert (status, refused["code"]) == (400, 20001)
    status, refused = await phone.rest("POST", path, form={"Status": "canceled"})
    assert (status, refused["code"]) == (400, 30409)
    status, redacted = await phone.rest("POST", path, form={"Body": ""})
    assert (status, redacted["body"]) == (200, "")


async def test_only_finished_messages_can_be_deleted(application: Application) -> None:
    slow = Behaviour(sent_delay=Span(60, 60))
    async with running_emulator(application.url, slow) as phone:
        _, made = await phone.send()
        status, refused = await phone.rest("DELETE", f"/Messages/{made['sid']}.json")
        assert (status, refused["code"]) == (409, 20009)
        received = await phone.text("finished as it arrives")
        status, _ = await phone.rest("DELETE", f"/Messages/{received['message_sid']}.json")
        assert status == 204
        status, missing = await phone.rest("GET", f"/Messages/{received['message_sid']}.json")
        assert (status, missing["code"]) == (404, 20404)


async def test_another_account_cannot_see_a_message_by_any_path(phone: Phone) -> None:
    _, made = await phone.send()
    path = f"/Messages/{made['sid']}.json"
    own, _ = await phone.rest("GET", path)
    assert own == 200
    status, refused = await phone.rest("GET", path, sid=BOLT_SID, token=BOLT_TOKEN)
    assert (status, refused["code"]) == (404, 20404)
    status, refused = await phone.rest("GET", path, sid=BOLT_SID, token=BOLT_TOKEN, account=ACME_SID)
    assert (status, refused["code"]) == (401, 20003)
    status, refused = await phone.rest("GET", path, token="wrong")
    assert (status, refused["code"]) == (401, 20003)


async def test_the_carrier_decides_what_becomes_of_texts_to_a_number(phone: Phone) -> None:
    for outcome, expected, code in (
        ("undelivered", "undelivered", 30005),
        ("failed", "failed", 30008),
        ("sent_only", "sent", None),
        ("delivered", "delivered", None),
    ):
        body = {"outcome": outcome} | ({"error_code": 30005} if outcome == "undelivered" else {})
        await phone.control("POST", f"/numbers/{CUSTOMER}/carrier", body)
        _, made = await phone.send(outcome)
        done = await phone.until_status(made["sid"], expected)
        assert done["error_code"] == code
        assert (done["error_message"] is None) == (code is None)


async def test_a_text_to_a_number_of_another_company_arrives_there(phone: Phone, application: Application) -> None:
    _, made = await phone.send("between companies", To=BOLT_NUMBER)
    await phone.until_status(made["sid"], "delivered")
    received = (await application.until(1))[0]
    assert (received.form["AccountSid"], received.form["From"], received.genuine) == (BOLT_SID, ACME_NUMBER, True)


async def test_paths_the_emulator_does_not_have_are_404_with_twilios_code(phone: Phone) -> None:
    for path in ("/Conferences.json", "/Messages", "/Keys.json"):
        status, missing = await phone.rest("GET", path)
        assert (status, missing["code"]) == (404, 20404)
    status, refused = await phone.rest("GET", "/Conferences.json", token="wrong")
    assert (status, refused["code"]) == (401, 20003)
