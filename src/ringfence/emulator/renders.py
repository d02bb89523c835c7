"""Resources as the JSON bodies of the v2010 API: strings where Twilio has strings, nulls instead of gaps."""

from decimal import Decimal

from ringfence.emulator.errors import explanation
from ringfence.emulator.sids import optional_rfc2822, rfc2822
from ringfence.emulator.world import Account, Media, Message, Number

API_VERSION = "2010-04-01"

_SUBRESOURCES = {
    "available_phone_numbers": "AvailablePhoneNumbers",
    "balance": "Balance",
    "calls": "Calls",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "messages": "Messages",
    "recordings": "Recordings",
}


def price_text(price: Decimal | None) -> str | None:
    """A price as text with five places; None while it is not settled."""
    return None if price is None else f"{price:.5f}"


def message_json(message: Message) -> dict[str, object]:
    """A Message resource."""
    path = f"/2010-04-01/Accounts/{message.account_sid}/Messages/{message.sid}"
    code = message.error_code
    return {
        "account_sid": message.account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.date_created),
        "date_sent": optional_rfc2822(message.date_sent),
        "date_updated": rfc2822(message.date_updated),
        "direction": message.direction,
        "error_code": code,
        "error_message": None if code is None else explanation(code),
        "from": message.sender,
        "messaging_service_sid": None,
        "num_media": str(message.num_media),
        "num_segments": str(message.num_segments),
        "price": price_text(message.price),
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": message.recipient,
        "uri": f"{path}.json",
    }


def media_path(media: Media) -> str:
    """The path of the bytes; with `.json` it is the resource."""
    return f"/2010-04-01/Accounts/{media.account_sid}/Messages/{media.message_sid}/Media/{media.sid}"


def media_json(media: Media) -> dict[str, object]:
    """A Media resource."""
    return {
        "account_sid": media.account_sid,
        "content_type": media.content_type,
        "date_created": rfc2822(media.date_created),
        "date_updated": rfc2822(media.date_created),
        "parent_sid": media.message_sid,
        "sid": media.sid,
        "uri": f"{media_path(media)}.json",
    }


def number_json(number: Number, kind: str) -> dict[str, object]:
    """An IncomingPhoneNumber resource; `kind` is its `type` (local, mobile, tollfree)."""
    settings = number.settings
    return {
        "account_sid": number.account_sid,
        "address_requirements": "none",
        "address_sid": None,
        "api_version": API_VERSION,
        "beta": False,
        "bundle_sid": None,
        "capabilities": {"fax": False, "mms": number.mms, "sms": number.sms, "voice": number.voice},
        "date_created": rfc2822(number.date_created),
        "date_updated": rfc2822(number.date_updated),
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "emergency_status": "Active",
        "friendly_name": number.friendly_name,
        "identity_sid": None,
        "origin": "twilio",
        "phone_number": number.phone_number,
        "sid": number.sid,
        "sms_application_sid": settings.get("sms_application_sid") or None,
        "sms_fallback_method": settings.get("sms_fallback_method", "POST"),
        "sms_fallback_url": settings.get("sms_fallback_url", ""),
        "sms_method": settings.get("sms_method", "POST"),
        "sms_url": settings.get("sms_url", ""),
        "status": "in-use",
        "status_callback": settings.get("status_callback", ""),
        "status_callback_method": settings.get("status_callback_method", "POST"),
        "trunk_sid": settings.get("trunk_sid") or None,
        "type": kind,
        "uri": f"/2010-04-01/Accounts/{number.account_sid}/IncomingPhoneNumbers/{number.sid}.json",
        "voice_application_sid": settings.get("voice_application_sid") or None,
        "voice_caller_id_lookup": False,
        "voice_fallback_method": settings.get("voice_fallback_method", "POST"),
        "voice_fallback_url": settings.get("voice_fallback_url", ""),
        "voice_method": settings.get("voice_method", "POST"),
        "voice_receive_mode": "voice",
        "voice_url": settings.get("voice_url", ""),
    }


def account_json(account: Account) -> dict[str, object]:
    """An Account resource, Auth Token included, as Twilio gives it to those who may read it."""
    path = f"/2010-04-01/Accounts/{account.sid}"
    return {
        "auth_token": account.auth_token,
        "date_created": rfc2822(account.date_created),
        "date_updated": rfc2822(account.date_updated),
        "friendly_name": account.friendly_name,
        "owner_account_sid": account.owner_sid,
        "sid": account.sid,
        "status": account.status,
        "subresource_uris": {name: f"{path}/{part}.json" for name, part in _SUBRESOURCES.items()},
        "type": account.kind,
        "uri": f"{path}.json",
    }
