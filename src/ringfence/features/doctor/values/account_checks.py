"""Checks of the account: credentials, its state at Twilio, its numbers here and there, its messaging services."""

from collections.abc import Iterator, Sequence

from ringfence.features.doctor.values.facts import Holders, Local, Pool, Remote, Silence
from ringfence.features.doctor.values.findings import SYNC_NUMBERS, Finding, about, ok
from ringfence.features.twilio_settings.values import EXPLANATIONS
from ringfence.providers.twilio.records import AccountInfo, NumberInfo


def check_account(account: AccountInfo | Silence) -> Iterator[Finding]:
    """Credentials, suspension, trial."""
    if isinstance(account, Silence):
        yield unknown("account.credentials", account)
        return
    yield ok("account.credentials", "Twilio accepts the Account SID and the auth token.")
    if account.status != "active":
        explained = EXPLANATIONS["account_closed" if account.status == "closed" else "account_suspended"]
        yield Finding("account.status", "problem", explained.reason, explained.fix)
    else:
        yield ok("account.status", "The account is active.")
    if account.type.lower() == "trial":
        yield Finding(
            "account.trial",
            "notice",
            "It is a trial account: it texts verified numbers only, 50 a day, and puts a notice in front.",
            "Upgrade the account at Twilio.",
        )


def check_numbers(local: Local, numbers: Sequence[NumberInfo] | Silence, holders: Holders | None) -> Iterator[Finding]:
    """Numbers that only one side knows, or that somebody else holds."""
    if isinstance(numbers, Silence):
        yield unknown("numbers.list", numbers)
        return
    there = {info.phone_number for info in numbers}
    here = {number.phone_number for number in local.numbers}
    others = holders.others if holders is not None else frozenset[str]()
    if new := sorted(there - here - others):
        yield about(
            "numbers.unknown_here",
            "problem",
            new,
            text="the account has them, this company does not know them.",
            fix="Sync the numbers.",
            button=SYNC_NUMBERS,
        )
    if gone := sorted(here - there):
        yield about(
            "numbers.gone",
            "problem",
            gone,
            text="known here, but no longer the account's: texts from them fail.",
            fix="Sync the numbers.",
            button=SYNC_NUMBERS,
        )
    if not new and not gone:
        yield ok("numbers.list", f"Twilio and this company know the same {len(here)} numbers.")
    yield from _check_holders(here, others, holders)


def _check_holders(here: set[str], others: frozenset[str], holders: Holders | None) -> Iterator[Finding]:
    if others:
        yield about(
            "account.shared",
            "problem",
            sorted(others),
            text="numbers of this account that another company on this server holds.",
            fix="Give each company a subaccount of its own, and move the numbers there.",
        )
    if holders is None:
        return
    if wrong := sorted(holders.twice | (here - holders.ours)):
        yield about(
            "numbers.holders",
            "problem",
            wrong,
            text="the directory does not lead to this company alone.",
            fix="Tell the operator: `ringfence db check` looks for what is wrong with the database.",
        )
    else:
        yield ok("numbers.holders", "Each number leads to this company alone; the database allows no second holder.")


def check_services(local: Local, remote: Remote) -> Iterator[Finding]:
    """Messaging services: which numbers' texts they take elsewhere."""
    if isinstance(remote.pools, Silence):
        yield unknown("services.list", remote.pools)
        return
    if not remote.pools:
        yield ok("services.list", "The account has no messaging service.")
        return
    names = ", ".join(sorted(pool.service.friendly_name or pool.service.sid for pool in remote.pools)[:10])
    yield ok("services.list", f"{len(remote.pools)} messaging services: {names}. Texts go out by number, not by them.")
    inbound = local.addresses.inbound if local.addresses else None
    active = {number.phone_number for number in local.numbers if number.active}
    for pool in remote.pools:
        yield from _check_pool(pool, inbound, active)


def _check_pool(pool: Pool, inbound: str | None, active: set[str]) -> Iterator[Finding]:
    service = pool.service
    name = service.friendly_name or service.sid
    if pool.numbers is None:
        yield Finding(
            "services.pool", "notice", f"The numbers of the messaging service {name} could not be read.", "Look again."
        )
    elif not service.number_decides and service.inbound_url != inbound:
        where = "elsewhere" if service.inbound_url else "nowhere"
        if taken := sorted(active.intersection(pool.numbers)):
            yield about(
                "services.override",
                "problem",
                taken,
                text=f"the messaging service {name} sends their inbound texts {where}, whatever the number says.",
                fix="At Twilio, let the service defer to the sender's webhook, or take the numbers out of it.",
            )


def unknown(check: str, silence: Silence) -> Finding:
    """Twilio did not say: a refusal is a problem, anything else proves nothing."""
    fix = EXPLANATIONS["credentials_refused"].fix if silence.refused else "Look again in a few minutes."
    return Finding(check, "problem" if silence.refused else "notice", silence.why, fix)
