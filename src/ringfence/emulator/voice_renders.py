"""Calls and recordings as the JSON bodies of the v2010 API."""

from ringfence.emulator import addresses
from ringfence.emulator.renders import API_VERSION, price_text
from ringfence.emulator.sids import optional_rfc2822, rfc2822
from ringfence.emulator.voice_book import Call, Recording

_CALL_PARTS = {
    "events": "Events",
    "notifications": "Notifications",
    "payments": "Payments",
    "recordings": "Recordings",
    "siprec": "Siprec",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
    "user_defined_messages": "UserDefinedMessages",
}


def _formatted(number: str) -> str:
    return addresses.national(number) if addresses.e164(number) == number else number


def call_json(call: Call, phone_number_sid: str | None) -> dict[str, object]:
    """A Call resource."""
    path = f"/2010-04-01/Accounts/{call.account_sid}/Calls/{call.sid}"
    return {
        "account_sid": call.account_sid,
        "answered_by": None,
        "api_version": API_VERSION,
        "caller_name": None,
        "date_created": rfc2822(call.date_created),
        "date_updated": rfc2822(call.date_updated),
        "direction": call.direction,
        "duration": None if call.duration is None else str(call.duration),
        "end_time": optional_rfc2822(call.end_time),
        "forwarded_from": None,
        "from": call.caller,
        "from_formatted": _formatted(call.caller),
        "group_sid": None,
        "parent_call_sid": call.parent_sid or None,
        "phone_number_sid": phone_number_sid,
        "price": price_text(call.price),
        "price_unit": "USD",
        "queue_time": "0",
        "sid": call.sid,
        "start_time": optional_rfc2822(call.start_time),
        "status": call.status,
        "subresource_uris": {name: f"{path}/{part}.json" for name, part in _CALL_PARTS.items()},
        "to": call.called,
        "to_formatted": _formatted(call.called),
        "trunk_sid": None,
        "uri": f"{path}.json",
    }


def _recording_common(recording: Recording, path: str) -> dict[str, object]:
    done = recording.status == "completed"
    return {
        "account_sid": recording.account_sid,
        "api_version": API_VERSION,
        "call_sid": recording.call_sid,
        "channels": recording.channels,
        "conference_sid": None,
        "date_created": rfc2822(recording.date_created),
        "date_updated": rfc2822(recording.date_updated),
        "duration": str(recording.seconds) if done else None,
        "encryption_details": None,
        "error_code": None,
        "price": None,
        "price_unit": "USD",
        "sid": recording.sid,
        "source": recording.source,
        "start_time": rfc2822(recording.date_created),
        "status": recording.status,
        "uri": f"{path}.json",
    }


def recording_json(recording: Recording, base_url: str) -> dict[str, object]:
    """A Recording resource of an account."""
    path = f"/2010-04-01/Accounts/{recording.account_sid}/Recordings/{recording.sid}"
    parts = {"add_on_results": f"{path}/AddOnResults.json", "transcriptions": f"{path}/Transcriptions.json"}
    return _recording_common(recording, path) | {"media_url": f"{base_url}{path}", "subresource_uris": parts}


def call_recording_json(recording: Recording) -> dict[str, object]:
    """A Recording resource of a call."""
    path = f"/2010-04-01/Accounts/{recording.account_sid}/Calls/{recording.call_sid}/Recordings/{recording.sid}"
    return _recording_common(recording, path) | {"track": "both"}
