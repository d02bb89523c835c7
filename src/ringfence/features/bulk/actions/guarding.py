"""What makes a bulk send pause by itself: trouble of the company's own, or what becomes of its first texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringfence.dispatch.ports import Refuse
from ringfence.features.bulk.actions.counting import by_status
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.values.sends import LEAST_CANARY, Count
from ringfence.features.messages.queries import facts, gate
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.tenancy.sessions import TenantSession

GUARD_CODES = frozenset({"canary_failed", "canary_opt_outs", "too_many_failed", "too_many_opt_outs"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a bulk send pauses."""

    code: str
    reason: str


async def own_trouble(session: TenantSession, senders: Sequence[PhoneNumber]) -> Trouble | None:
    """What is wrong with the company's connection or the chosen numbers, or None."""
    refusal = gate.ask_connection(await facts.connection(session))
    if isinstance(refusal, Refuse):
        return Trouble(refusal.code, refusal.reason)
    return sender_trouble(senders)


def sender_trouble(senders: Sequence[PhoneNumber]) -> Trouble | None:
    """What is wrong with one of the chosen numbers, or None."""
    for sender in senders:
        if sender.released_at is not None:
            return Trouble("sender_released", f"{sender.phone_number} is not the company's any more.")
        if sender.status != "active" or not sender.sms:
            return Trouble("sender_inactive", f"{sender.phone_number} is inactive or cannot text.")
    return None


async def watch(session: TenantSession, bulk: BulkSend, counts: Sequence[Count], *, now: datetime) -> Trouble | None:
    """Judge what has become of the texts so far; moves the canary on. The trouble, or None to go on.

    Failures are what Twilio or a carrier refused or could not deliver, in per cent of the texts whose outcome is known
    (of the canary: of all its texts). Opt-outs are in per cent of the texts that went out.
    """
    if bulk.canary not in {"sending", "passed"}:
        return None
    bulk.opt_outs = await sends.count_opt_outs(session, bulk)
    stand = by_status(counts)
    failed = stand["failed"] + stand["undelivered"]
    delivered = stand["delivered"] + stand["read"]
    out = failed + delivered + stand["sent"] + stand["sending"] + stand["unconfirmed"]
    if bulk.canary == "sending":
        return _watch_canary(bulk, failed=failed, out=out, stand=stand, now=now)
    known = failed + delivered
    if known >= LEAST_CANARY and failed * 100 > bulk.most_failed_percent * known:
        return Trouble("too_many_failed", f"{failed} of {known} texts failed; {_most(bulk.most_failed_percent)}.")
    if out >= LEAST_CANARY and bulk.opt_outs * 100 > bulk.most_opt_out_percent * out:
        reason = f"{bulk.opt_outs} of {out} recipients opted out; {_most(bulk.most_opt_out_percent)}."
        return Trouble("too_many_opt_outs", reason)
    return None


def _watch_canary(bulk: BulkSend, *, failed: int, out: int, stand: dict[str, int], now: datetime) -> Trouble | None:
    size = bulk.canary_size
    if failed * 100 > bulk.most_failed_percent * size:
        reason = f"{failed} of the first {size} texts failed; {_most(bulk.most_failed_percent)}."
        return Trouble("canary_failed", reason)
    if bulk.opt_outs * 100 > bulk.most_opt_out_percent * size:
        reason = f"{bulk.opt_outs} of the first {size} recipients opted out; {_most(bulk.most_opt_out_percent)}."
        return Trouble("canary_opt_outs", reason)
    if bulk.taken < size or stand["queued"] + stand["held"] + stand["waiting"] > 0:
        return None
    since = bulk.canary_at = bulk.canary_at or now
    underway = stand["sending"] + stand["sent"]
    if out == 0 or underway == 0 or now >= since + timedelta(seconds=bulk.canary_wait_seconds):
        bulk.canary = "passed"
    return None


def _most(percent: int) -> str:
    return f"more than {percent} % pauses a bulk send"
