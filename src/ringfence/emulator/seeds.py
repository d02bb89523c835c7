"""What an emulator starts with: accounts and their numbers."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

ACCOUNT_SID = re.compile(r"AC[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSeed:
    """A number the account owns at the start. `phone_number` is E.164; the URLs may be empty (no webhook)."""

    phone_number: str
    friendly_name: str | None = None
    sms_url: str = ""
    sms_fallback_url: str = ""
    voice_url: str = ""
    sms: bool = True
    mms: bool = True
    voice: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeed:
    """An account at the start. SID and token are made up when not given; `owner_account_sid` names a parent."""

    friendly_name: str
    account_sid: str | None = None
    auth_token: str | None = field(default=None, repr=False)
    owner_account_sid: str | None = None
    numbers: Sequence[NumberSeed] = ()


def read_seeds(path: Path) -> list[AccountSeed]:
    """The accounts in a JSON file: a list of objects with the fields of `AccountSeed`.

    Raises ValueError with one line that names what is wrong; OSError if the file cannot be read.
    """
    try:
        loaded: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(loaded, list):
        raise ValueError(f"{path} must hold a list of accounts")  # noqa: TRY004 - the caller's file, not a type
    return [account_seed(item) for item in cast("list[object]", loaded)]


def account_seed(value: object) -> AccountSeed:
    """An `AccountSeed` from parsed JSON. Raises ValueError naming the field that is wrong."""
    given = _object(value, "an account")
    numbers = given.pop("numbers", [])
    if not isinstance(numbers, list):
        raise ValueError("numbers must be a list")  # noqa: TRY004 - input of a person, answered with one line
    texts = _texts(given, {"friendly_name", "account_sid", "auth_token", "owner_account_sid"}, "an account")
    account_sid = texts.get("account_sid")
    if account_sid is not None and not ACCOUNT_SID.fullmatch(account_sid):
        raise ValueError("account_sid must be AC followed by 32 lower-case hexadecimal digits")
    return AccountSeed(
        friendly_name=texts.get("friendly_name") or "Account",
        account_sid=account_sid,
        auth_token=texts.get("auth_token"),
        owner_account_sid=texts.get("owner_account_sid"),
        numbers=[number_seed(number) for number in cast("list[object]", numbers)],
    )


def number_seed(value: object) -> NumberSeed:
    """A `NumberSeed` from parsed JSON. Raises ValueError naming the field that is wrong."""
    given = _object(value, "a number")
    flags = {name: given.pop(name, True) for name in ("sms", "mms", "voice")}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise ValueError("sms, mms and voice must be true or false")
    texts = _texts(given, {"phone_number", "friendly_name", "sms_url", "sms_fallback_url", "voice_url"}, "a number")
    if "phone_number" not in texts:
        raise ValueError("a number needs phone_number")
    return NumberSeed(
        phone_number=texts["phone_number"],
        friendly_name=texts.get("friendly_name"),
        sms_url=texts.get("sms_url", ""),
        sms_fallback_url=texts.get("sms_fallback_url", ""),
        voice_url=texts.get("voice_url", ""),
        sms=bool(flags["sms"]),
        mms=bool(flags["mms"]),
        voice=bool(flags["voice"]),
    )


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")  # noqa: TRY004 - input of a person, one line
    return dict(cast("dict[str, object]", value))


def _texts(given: dict[str, object], allowed: set[str], what: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in given.items():
        if name not in allowed:
            raise ValueError(f"{what} has no field {name}")
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")  # noqa: TRY004 - input of a person, one line
        texts[name] = value
    return texts
