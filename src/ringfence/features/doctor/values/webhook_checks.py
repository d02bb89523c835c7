"""Checks of where Twilio sends the numbers' texts and calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringfence.features.doctor.values.facts import Local
from ringfence.features.doctor.values.findings import SET_WEBHOOKS, Finding, Level, about, ok
from ringfence.features.phone_numbers.values import Addresses
from ringfence.providers.twilio.records import NumberInfo


@dataclass(frozen=True, slots=True)
class _Fault:
    check: str
    level: Level
    text: str
    fix: str
    has_button: bool = True


_HERE = "Let this server set the numbers' webhooks."
_FAULTS = {
    "unset": _Fault("webhooks.unset", "problem", "their inbound texts go nowhere.", _HERE),
    "elsewhere": _Fault("webhooks.elsewhere", "problem", "their inbound texts go elsewhere.", _HERE),
    "method": _Fault("webhooks.method", "problem", "their inbound texts come by GET, which is not answered.", _HERE),
    "application": _Fault(
        "webhooks.application", "problem", "a TwiML app takes their texts, whatever the number says.", _HERE
    ),
    "calls": _Fault("webhooks.calls", "notice", "their calls, or the news about them, do not come here.", _HERE),
    "call_application": _Fault(
        "webhooks.call_application", "notice", "a TwiML app takes their calls, whatever the number says.", _HERE
    ),
    "trunk": _Fault(
        "webhooks.trunk",
        "notice",
        "their calls go to a SIP trunk.",
        "If calls are to come here, take the numbers off the trunk at Twilio, then set the webhooks.",
        has_button=False,
    ),
}


def check_webhooks(local: Local, numbers: Sequence[NumberInfo]) -> Iterator[Finding]:
    """Each active number's texts and calls: do they come here?"""
    if local.addresses is None:
        return
    active = {number.phone_number for number in local.numbers if number.active}
    found: dict[str, list[str]] = {}
    for info in numbers:
        if info.phone_number in active:
            for fault in (_texts(info, local.addresses), _calls(info, local.addresses)):
                if fault is not None:
                    found.setdefault(fault, []).append(info.phone_number)
    for name, fault in _FAULTS.items():
        if name in found:
            button = SET_WEBHOOKS if fault.has_button else None
            yield about(fault.check, fault.level, found[name], text=fault.text, fix=fault.fix, button=button)
    if not found:
        yield ok("webhooks.numbers", "Texts and calls to every active number come here.")


def _texts(info: NumberInfo, addresses: Addresses) -> str | None:
    if info.sms_application_sid is not None:
        return "application"
    if info.sms_url is None:
        return "unset"
    if info.sms_url != addresses.inbound:
        return "elsewhere"
    return None if info.sms_method in {None, "POST"} else "method"


def _calls(info: NumberInfo, addresses: Addresses) -> str | None:
    if not info.voice:
        return None
    if info.trunk_sid is not None:
        return "trunk"
    if info.voice_application_sid is not None:
        return "call_application"
    here = info.voice_url == addresses.voice and info.voice_method in {None, "POST"}
    return None if here and info.status_callback == addresses.call_status else "calls"
