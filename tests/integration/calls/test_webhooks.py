"""What comes in as Twilio's word about calls: forged, foreign, repeated, out of order."""

import itertools
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.factories.telephone import CONTACT, Line, Telephone

SID, CHILD = "CA" + "1" * 32, "CA" + "2" * 32


async def ids_of(telephone: Telephone, line: Line, call_id: str) -> tuple[Any, Any, Any]:
    """The call's id and those of its first two legs."""
    legs = sorted(telephone.stored(line, "call_legs")["call_legs"], key=lambda leg: leg["position"])
    mine = [leg for leg in legs if str(leg["call_id"]) == call_id]
    return mine[0]["call_id"], mine[0]["id"], mine[1]["id"]


def state(sid: str, status: str, sequence: int, **more: str) -> dict[str, str]:
    return {"CallSid": sid, "CallStatus": status, "SequenceNumber": str(sequence), **more}


STORY = (
    (0, state(SID, "initiated", 0, Timestamp="Mon, 23 Nov 2026 07:00:00 +0000")),
    (0, state(SID, "ringing", 1, Timestamp="Mon, 23 Nov 2026 07:00:01 +0000")),
    (0, state(SID, "in-progress", 2, Timestamp="Mon, 23 Nov 2026 07:00:05 +0000")),
    (1, state(CHILD, "ringing", 0, Timestamp="Mon, 23 Nov 2026 07:00:06 +0000")),
    (1, state(CHILD, "in-progress", 1, Timestamp="Mon, 23 Nov 2026 07:00:08 +0000")),
    (1, state(CHILD, "completed", 2, Timestamp="Mon, 23 Nov 2026 07:00:18 +0000", CallDuration="10")),
    (0, state(SID, "completed", 3, Timestamp="Mon, 23 Nov 2026 07:00:19 +0000", CallDuration="14")),
)
RANKS = ("queued", "initiated", "ringing", "in_progress", "completed")


async def test_states_in_any_order_and_twice_end_alike_and_never_go_back(still: Telephone) -> None:
    a = still.a
    orders = [STORY, STORY[::-1], STORY[3:] + STORY[:3] + STORY[2:5], STORY[1::2] + STORY[::2] + STORY]
    found: list[dict[str, Any]] = []
    for number, order in enumerate(orders):
        placed = await still.place(a, to=f"+1602555080{number}")
        call_id, *legs = await ids_of(still, a, placed["id"])
        reached = 0
        for leg, fields in order:
            url = still.addresses(a).of("call-status", call_id, legs[leg])
            told = fields | {"CallSid": f"{fields['CallSid'][:-1]}{number}"}
            assert (await still.webhook(a, url, told)).status_code == 200
            status = (await still.get(f"/api/calls/{call_id}", a))["status"]
            rank = RANKS.index(status) if status in RANKS else 4
            assert rank >= reached, (number, status)
            reached = rank
        found.append(await still.get(f"/api/calls/{call_id}", a))
    for call in found:
        assert (call["status"], call["reason"], call["duration_seconds"]) == ("completed", None, 10)
        assert (call["answered_at"], call["ended_at"]) == ("2026-11-23T07:00:08Z", "2026-11-23T07:00:19Z")


async def test_forged_and_foreign_webhooks_are_let_in_nowhere(still: Telephone) -> None:
    a, b = still.a, still.b
    placed = await still.place(a)
    call_id, user_leg, contact_leg = await ids_of(still, a, placed["id"])
    other = await ids_of(still, b, (await still.place(b))["id"])
    right = still.addresses(a)
    gateway = still.runtime.gateway
    story = state(SID, "completed", 9, CallDuration="9", DialCallSid=CHILD, DialCallStatus="busy", To=a.number)
    story |= {"From": CONTACT, "RecordingSid": "RE" + "3" * 32, "RecordingStatus": "completed"}
    before = still.stored(a), still.stored(b)
    kinds = ("voice/connect", "voice/after-dial", "voicemail", "recording", "call-status")
    for kind in kinds:
        url = right.of(kind, call_id, contact_leg)
        bare = gateway.webhook_url(a.webhook_path, kind)
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        forged = [
            ("unsigned", a, url, {"token": "0" * 32}),
            ("b's token", a, url, {"token": b.auth_token}),
            ("another kind's code", a, f"{bare}?{urlsplit(right.of('inbound', call_id, contact_leg)).query}", {}),
            ("another leg", a, url.replace(str(contact_leg), str(user_leg)), {}),
            ("b's call", a, url.replace(str(call_id), str(other[0])), {}),
            ("no code", a, f"{bare}?call_id={call_id}&leg_id={contact_leg}", {}),
            ("b's path", b, gateway.webhook_url(b.webhook_path, kind) + "?" + urlsplit(url).query, {}),
            ("empty code", a, f"{bare}?call_id={call_id}&leg_id={contact_leg}&code=", {}),
        ]
        for what, line, address, signed in forged:
            answer = await still.webhook(line, address, story, **signed)
            assert (answer.status_code, answer.content) == (403, b""), (kind, what)
        foreign = await still.webhook(a, url, story | {"AccountSid": b.account_sid})
        assert foreign.status_code == 403, kind
        assert query["call_id"] == str(call_id)
    for number in (b.number, "+1", ""):
        url = gateway.webhook_url(a.webhook_path, "voice")
        assert (await still.webhook(a, url, story | {"To": number})).status_code == 403, number
    assert (still.stored(a), still.stored(b)) == before
    # The control: the same words under the right address do something.
    for kind in kinds:
        assert (await still.webhook(a, right.of(kind, call_id, contact_leg), story)).status_code == 200, kind
    assert still.stored(a) != before[0]
    assert still.stored(b) == before[1]


async def test_what_is_asked_twice_is_answered_the_same_and_stored_once(still: Telephone) -> None:
    a = still.a
    await still.set_up(a, ring_order=[str(a.company.agent.id), str(a.company.manager.id)], record_calls=True)
    url = still.runtime.gateway.webhook_url(a.webhook_path, "voice")
    asked = {"CallSid": SID, "From": CONTACT, "To": a.number, "CallStatus": "ringing"}
    first, second = [(await still.webhook(a, url, asked)).content for _ in range(2)]
    assert first == second
    assert first.count(b"<Number") == 1
    assert a.phones[2].encode() in first
    stored = still.stored(a)
    assert (len(stored["calls"]), len(stored["call_legs"])) == (1, 3)

    legs = {leg["position"]: leg["id"] for leg in stored["call_legs"]}
    after = still.addresses(a).of("voice/after-dial", stored["calls"][0]["id"], legs[1])
    ended = {"CallSid": SID, "CallStatus": "in-progress", "DialCallSid": CHILD, "DialCallStatus": "no-answer"}
    answers = {(await still.webhook(a, after, ended)).content for _ in range(2)}
    assert len(answers) == 1
    assert a.phones[1].encode() in answers.pop()

    recording = still.addresses(a).of("recording", stored["calls"][0]["id"])
    told = {"CallSid": SID, "RecordingSid": "RE" + "4" * 32, "RecordingStatus": "completed", "RecordingDuration": "3"}
    for _ in range(2):
        assert (await still.webhook(a, recording, told)).status_code == 200
    assert len(still.stored(a, "call_recordings")["call_recordings"]) == 1


async def test_a_sid_of_another_call_is_not_taken_over(still: Telephone) -> None:
    a = still.a
    calls = [await ids_of(still, a, (await still.place(a, to=f"+1602555081{n}"))["id"]) for n in range(2)]
    for (call_id, user_leg, _), status in zip(calls, ("ringing", "completed"), strict=True):
        url = still.addresses(a).of("call-status", call_id, user_leg)
        assert (await still.webhook(a, url, state(SID, status, 1))).status_code == 200
    assert [(await still.get(f"/api/calls/{ids[0]}", a))["status"] for ids in calls] == ["ringing", "queued"]


async def test_a_number_nobody_holds_is_taken_in_and_one_held_elsewhere_is_not(still: Telephone) -> None:
    a, b = still.a, still.b
    url = still.runtime.gateway.webhook_url(a.webhook_path, "voice")
    sids = (f"CA{n:032d}" for n in itertools.count())
    new = await still.webhook(a, url, {"CallSid": next(sids), "From": CONTACT, "To": "+16025550155"})
    assert new.status_code == 200
    assert b"<Record" in new.content
    taken = await still.webhook(a, url, {"CallSid": next(sids), "From": CONTACT, "To": b.number})
    assert taken.status_code == 403
    assert [call["our_number"] for call in still.stored(a, "calls")["calls"]] == ["+16025550155"]


async def test_the_greeting_cannot_break_out_of_its_verb(still: Telephone) -> None:
    a = still.a
    await still.set_up(a, voicemail_greeting='</Say><Dial>+19005550000</Dial><Say>"&')
    url = still.runtime.gateway.webhook_url(a.webhook_path, "voice")
    answer = await still.webhook(a, url, {"CallSid": SID, "From": "anonymous", "To": a.number})
    assert b"<Dial>" not in answer.content
    assert b"&lt;Dial&gt;" in answer.content
    assert answer.headers["content-type"].startswith("text/xml")
