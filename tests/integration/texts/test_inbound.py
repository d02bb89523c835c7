"""Texts from outside: genuine ones are stored once and whole before the 200, others leave no trace."""

import asyncio
import re
import secrets
from dataclasses import replace
from typing import Any

from ringfence.kit.secret import token_hash
from ringfence.web.metrics import WEBHOOK_REFUSALS
from tests.factories.texts import CUSTOMER, Line, Texting, new_sid

WRITTEN = (
    "sms_messages",
    "sms_media",
    "message_events",
    "webhook_events",
    "conversations",
    "opt_outs",
    "phone_numbers",
)


def assert_taken(answer: Any) -> None:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert re.fullmatch(rb"(<\?xml[^>]*\?>)?\s*<Response\s*/>", answer.content)


async def test_text_is_stored_with_thread_contact_and_timeline(texting: Texting) -> None:
    contact = (await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})).json()

    assert_taken(await texting.inbound(texting.a, sid="SM" + "1" * 32, body="Is Ana in? 😀"))

    text = (await texting.get("/api/sms/messages", texting.a))["items"][0]
    assert (text["direction"], text["status"], text["source"]) == ("inbound", "received", "webhook")
    assert (text["from_number"], text["to_number"], text["body"]) == (CUSTOMER, texting.a.number, "Is Ana in? 😀")
    assert (text["twilio_sid"], text["contact_id"]) == ("SM" + "1" * 32, contact["id"])
    thread = (await texting.get("/api/sms/conversations", texting.a, unread=True))["items"][0]
    assert (thread["unread_count"], thread["contact"]["id"]) == (1, contact["id"])
    assert (thread["id"], thread["last_preview"]) == (text["conversation_id"], "Is Ana in? 😀")
    assert [event["kind"] for event in await texting.timeline(texting.a, text["id"])] == ["received"]
    assert not any(texting.stored(texting.b, "sms_messages", "conversations", "webhook_events").values())


async def test_replays_change_nothing_and_are_answered_the_same(texting: Texting) -> None:
    sid = new_sid()
    first = await texting.inbound(texting.a, sid=sid, body="STOP")
    before = texting.stored(texting.a)

    replays = [await texting.inbound(texting.a, sid=sid, body="STOP") for _ in range(5)]
    at_once = await asyncio.gather(*(texting.inbound(texting.a, sid=sid, body="STOP") for _ in range(3)))

    assert {answer.content for answer in (*replays, *at_once)} == {first.content}
    assert {answer.status_code for answer in (*replays, *at_once)} == {200}
    assert texting.stored(texting.a) == before


async def test_equal_webhooks_at_once_are_one_text(texting: Texting) -> None:
    sid = new_sid()

    answers = await asyncio.gather(*(texting.inbound(texting.a, sid=sid) for _ in range(4)))

    assert {answer.status_code for answer in answers} == {200}
    stored = texting.stored(texting.a)
    assert [len(stored[table]) for table in ("sms_messages", "message_events", "webhook_events")] == [1, 1, 1]
    assert stored["conversations"][0]["unread_count"] == 1


def _forgeries(a: Line, b: Line) -> dict[str, dict[str, Any]]:
    return {
        "unsigned": {"signed": False},
        "empty signature": {"signature": ""},
        "wrong signature": {"signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        "signed by the other company": {"token": b.auth_token},
        "unknown path": {"path": "no-such-path"},
        "path of the other company": {"path": b.webhook_path},
        "other account": {"fields": {"AccountSid": b.account_sid}},
        "no account": {"fields": {"AccountSid": ""}},
        "the other company's number": {"to": b.number},
        "no number": {"to": ""},
        "not a number": {"to": "whatsapp:+16025550101"},
        "no sid": {"fields": {"MessageSid": "", "SmsSid": "", "SmsMessageSid": ""}},
        "endless sid": {"sid": secrets.token_hex(5000)},
        "endless sender": {"sender": secrets.token_hex(5000)},
    }


async def test_forged_webhooks_are_refused_alike_and_store_nothing(texting: Texting) -> None:
    before = texting.stored(texting.a, *WRITTEN), texting.stored(texting.b, *WRITTEN)

    for name, forged in _forgeries(texting.a, texting.b).items():
        for body in ("Forged", "STOP"):
            answer = await texting.inbound(texting.a, body=body, **forged)
            assert (answer.status_code, answer.content) == (403, b""), name

    assert (texting.stored(texting.a, *WRITTEN), texting.stored(texting.b, *WRITTEN)) == before
    assert_taken(await texting.inbound(texting.a, body="Genuine"))
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1


async def test_webhook_that_is_no_form_is_refused(texting: Texting) -> None:
    path = f"/webhooks/twilio/{texting.a.webhook_path}/inbound"
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    for content, headers in (
        (b"{}", {"Content-Type": "application/json"}),
        (b"a=1", {}),
        (b"&".join(b"a%d=1" % n for n in range(600)), form),
        (b"Body=" + b"a" * 300_000, form),
    ):
        answer = await texting.client.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.content) == (403, b"")


async def test_number_that_nobody_holds_is_discovered_with_its_first_text(texting: Texting) -> None:
    assert_taken(await texting.inbound(texting.a, to="+16025550177", body="To a new number"))

    number = next(row for row in texting.stored(texting.a)["phone_numbers"] if row["phone_number"] == "+16025550177")
    text = texting.stored(texting.a)["sms_messages"][0]
    assert (number["discovered"], text["phone_number_id"]) == (True, number["id"])


async def test_senders_that_are_no_numbers_are_kept_as_they_are(texting: Texting) -> None:
    senders = {"72345", "ACME Bank", "anonymous", "+266696687"}
    for sender in senders:
        assert_taken(await texting.inbound(texting.a, sender=sender))

    stored = texting.stored(texting.a)
    assert {row["from_number"] for row in stored["sms_messages"]} == senders
    assert {row["outside_number"] for row in stored["conversations"]} == senders
    assert stored["contacts"] == []


async def test_any_body_is_stored(texting: Texting) -> None:
    bodies = [
        "",
        " ",
        "\x00NUL\x00",
        "\ufffe\uffff",
        "e\u0301\u200d👩‍👩‍👧‍👦",
        "\u202eright to left",
        "a+b&c=d%20e",
        "line\r\nline",
        "x" * 1600,
    ]
    for body in bodies:
        assert_taken(await texting.inbound(texting.a, body=body))

    found = [row["body"] for row in sorted(texting.stored(texting.a)["sms_messages"], key=lambda row: row["id"])]
    assert found == [body.replace("\x00", "\ufffd") for body in bodies]


async def test_attachments_are_kept_whatever_their_count_says(texting: Texting) -> None:
    counts = ("2", "0", "", "many", "-1", "99999999999999999999")
    for num_media in counts:
        fields = {
            "NumMedia": num_media,
            "MediaUrl0": "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1",
            "MediaContentType0": "image/jpeg",
            "MediaUrl1": "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME2",
        }
        assert_taken(await texting.inbound(texting.a, body="", fields=fields))

    stored = texting.stored(texting.a)
    assert [row["num_media"] for row in stored["sms_messages"]] == [2] * len(counts)
    assert {row["status"] for row in stored["sms_media"]} == {"pending"}
    assert len(stored["sms_media"]) == 2 * len(counts)
    assert stored["conversations"][0]["last_preview"] == "2 attachments"


async def test_stop_takes_effect_before_the_answer_and_start_ends_it(texting: Texting) -> None:
    waiting = await texting.sent(texting.a, body="Waits")

    assert_taken(await texting.inbound(texting.a, body=" Stop \n"))

    refused = await texting.send(texting.a, body="After STOP")
    assert (refused.status_code, refused.json()["code"]) == (422, "opted_out")
    assert (await texting.judge(texting.a, waiting["id"])).code == "opted_out"
    assert (await texting.send(texting.b, body="Of another company")).status_code == 202
    assert_taken(await texting.inbound(texting.a, body="START"))
    await texting.sent(texting.a, body="After START")
    assert (await texting.judge(texting.a, waiting["id"])).body == "Waits"
    opt_outs = (await texting.get("/api/sms/opt-outs", texting.a))["items"]
    assert [(item["scope"], item["source"], item["ended_source"]) for item in opt_outs] == [
        ("company", "keyword", "keyword")
    ]


WORDS: list[tuple[str, str | None, bool]] = [
    *((word, None, True) for word in ("STOPALL", "unsubscribe", "Cancel", "END", "quit", "REVOKE", "OptOut")),
    ("please stop by at noon", None, False),
    ("STOP.", None, False),
    ("stop it", None, False),
    ("HELP", None, False),
    ("info", None, False),
    ("Genug", "STOP", True),
    ("STOP", "HELP", False),
    ("STOP", "START", False),
]


async def test_only_a_lone_keyword_or_twilios_own_word_opts_out(texting: Texting) -> None:
    for number, (body, opt_out_type, blocked) in enumerate(WORDS):
        sender = f"+16025558{number:03}"
        fields = {"OptOutType": opt_out_type} if opt_out_type else {}
        assert_taken(await texting.inbound(texting.a, sender=sender, body=body, fields=fields))
        assert (await texting.send(texting.a, to=sender)).status_code == (422 if blocked else 202), body


async def test_stop_holds_for_the_pair_only_where_the_company_says_so(texting: Texting) -> None:
    texting.change("UPDATE company_settings SET opt_out_scope = 'pair' WHERE company_id = %s", texting.a.company_id)
    first, second = texting.a.numbers

    assert_taken(await texting.inbound(texting.a, to=first, body="STOP"))

    assert (await texting.send(texting.a, from_number=first)).json()["code"] == "opted_out"
    assert (await texting.send(texting.a, from_number=second)).status_code == 202
    assert_taken(await texting.inbound(texting.a, to=second, body="START"))
    assert (await texting.send(texting.a, body="2", from_number=first)).json()["code"] == "opted_out"
    assert_taken(await texting.inbound(texting.a, to=first, body="UNSTOP"))
    assert (await texting.send(texting.a, body="3", from_number=first)).status_code == 202


async def test_start_does_not_undo_what_staff_decided(texting: Texting) -> None:
    body = {"outside_number": CUSTOMER, "evidence": "Asked on the phone"}
    added = await texting.call("POST", "/api/sms/opt-outs", texting.a, json=body)

    assert_taken(await texting.inbound(texting.a, body="YES"))

    assert (await texting.send(texting.a)).json()["code"] == "opted_out"
    path = f"/api/sms/opt-outs/{added.json()['id']}"
    assert (await texting.call("DELETE", path, texting.a, json={"evidence": "Signed form"})).status_code == 200
    await texting.sent(texting.a)


async def test_suspended_company_still_gets_its_texts(texting: Texting) -> None:
    texting.change("UPDATE companies SET status = 'suspended' WHERE id = %s", texting.a.company_id)

    assert_taken(await texting.inbound(texting.a, body="Hello?"))

    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1
    assert (await texting.send(texting.a)).status_code in {401, 403}


async def test_texts_at_once_to_one_thread_are_all_there(texting: Texting) -> None:
    answers = await asyncio.gather(*(texting.inbound(texting.a, body=f"Part {n}") for n in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert texting.stored(texting.a)["conversations"][0]["unread_count"] == 10
    assert len(texting.stored(texting.a)["sms_messages"]) == 10


async def test_path_and_token_of_the_past_open_nothing(texting: Texting) -> None:
    """Also where the server has just used them: what it remembers of a path is not what lets a webhook in."""
    assert_taken(await texting.inbound(texting.a))
    new_line = replace(texting.a, webhook_path="another-path")
    texting.change(
        "UPDATE twilio_settings SET webhook_path = %s WHERE company_id = %s",
        new_line.webhook_path,
        texting.a.company_id,
    )
    texting.change(
        "UPDATE directory_connections SET path_hash = %s WHERE company_id = %s",
        token_hash(new_line.webhook_path),
        texting.a.company_id,
    )

    assert (await texting.inbound(texting.a)).status_code == 403
    assert_taken(await texting.inbound(new_line))
    texting.change("DELETE FROM twilio_settings WHERE company_id = %s", texting.a.company_id)
    assert (await texting.inbound(new_line)).status_code == 403
    assert len(texting.stored(texting.a)["sms_messages"]) == 2


async def test_refusals_are_counted_by_reason(texting: Texting) -> None:
    def counted() -> dict[str, float]:
        return {
            sample.labels["reason"]: sample.value
            for metric in WEBHOOK_REFUSALS.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }

    before = counted()
    await texting.inbound(texting.a, signed=False)
    await texting.inbound(texting.a, path="no-such-path")
    await texting.inbound(texting.a, to=texting.b.number)
    await texting.inbound(texting.a, fields={"AccountSid": texting.b.account_sid})

    for reason in ("signature", "unknown_path", "number", "account"):
        assert counted()[reason] == before.get(reason, 0) + 1
