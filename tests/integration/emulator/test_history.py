"""An account's past: texts, calls and recordings of earlier times, as the lists show them."""

from datetime import UTC, datetime, timedelta

from tests.integration.emulator.emulator_world import ACME_NUMBER, ACME_SID, BOLT_SID, CUSTOMER, Application, Phone

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PICTURE = "data:image/png;base64,iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU="


def text(minutes: int, **more: object) -> dict[str, object]:
    what = {"from": CUSTOMER, "to": ACME_NUMBER, "direction": "inbound", "status": "received", "body": f"No {minutes}"}
    return {**what, "at": (NOON + timedelta(minutes=minutes)).isoformat(), **more}


async def test_texts_of_the_past_are_listed_and_nobody_is_told(phone: Phone, application: Application) -> None:
    texts = [text(n) for n in range(3)] + [text(3, status="failed", direction="outbound-api", error_code=30007)]
    texts.append(text(4, price="-0.00750", media=[PICTURE]))
    made = await phone.control("POST", "/history", {"account_sid": ACME_SID, "texts": texts})

    _, page = await phone.rest("GET", "/Messages.json?PageSize=2")
    assert [item["sid"] for item in page["messages"]] == made["texts"][:2:-1]
    assert page["messages"][0]["date_created"] == "Mon, 05 Jan 2026 12:04:00 +0000"
    assert (page["messages"][0]["price"], page["messages"][0]["num_media"]) == ("-0.00750", "1")
    assert (page["messages"][1]["error_code"], page["messages"][1]["date_sent"]) == (30007, None)
    following = page["next_page_uri"].split(ACME_SID)[1]
    _, rest = await phone.rest("GET", following)
    assert [item["body"] for item in rest["messages"]] == ["No 2", "No 1"]
    _, later = await phone.rest("GET", "/Messages.json?DateSent%3E=2026-01-05T12:02:00Z")
    assert [item["body"] for item in later["messages"]] == ["No 4", "No 2"]
    assert application.received == []


async def test_calls_of_the_past_have_their_legs_and_recordings(phone: Phone) -> None:
    at = NOON.isoformat()
    leg = {"from": CUSTOMER, "to": "+16025550171", "direction": "outbound-dial", "status": "completed", "at": at}
    call = {"from": CUSTOMER, "to": ACME_NUMBER, "direction": "inbound", "status": "completed", "at": at, "seconds": 65}
    body = {"account_sid": ACME_SID, "calls": [call | {"price": "-0.017", "recordings": [60], "legs": [leg]}]}
    (sid,) = (await phone.control("POST", "/history", body))["calls"]

    _, page = await phone.rest("GET", "/Calls.json?StartTime%3E=2026-01-05")
    assert [item["parent_call_sid"] for item in page["calls"]] == [sid, None]
    assert (page["calls"][1]["duration"], page["calls"][1]["price"]) == ("65", "-0.01700")
    _, recordings = await phone.rest("GET", "/Recordings.json")
    assert [(item["call_sid"], item["status"]) for item in recordings["recordings"]] == [(sid, "completed")]
    _, none = await phone.rest("GET", "/Calls.json?StartTime%3C=2026-01-04")
    assert none["calls"] == []


async def test_a_past_that_makes_no_sense_is_refused(phone: Phone) -> None:
    for body in (
        {"account_sid": BOLT_SID, "texts": [text(1, at="yesterday")]},
        {"account_sid": BOLT_SID, "texts": [text(1, at="2026-01-05T12:00:00")]},
        {"account_sid": BOLT_SID, "texts": [text(1, direction="sideways")]},
        {"account_sid": BOLT_SID, "texts": [text(1, colour="red")]},
        {"account_sid": BOLT_SID, "texts": "all"},
        {"account_sid": BOLT_SID, "calls": [text(1, status="ringing")]},
    ):
        assert (await phone.try_control("POST", "/history", body))[0] == 400, body
    assert (await phone.try_control("POST", "/history", {"account_sid": "AC1"}))[0] == 404
