"""Examining one company: gather what is known here, ask Twilio, and say what follows."""

from uuid import UUID

from ringfence.features.doctor import queries
from ringfence.features.doctor.actions.asking import ask_twilio
from ringfence.features.doctor.values.account_checks import check_account, check_numbers, check_services
from ringfence.features.doctor.values.facts import Holders, Local, Remote, Server, Silence
from ringfence.features.doctor.values.findings import Finding
from ringfence.features.doctor.values.server_checks import check_keys, check_server
from ringfence.features.doctor.values.traffic_checks import check_traffic
from ringfence.features.doctor.values.webhook_checks import check_webhooks
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import Tenancy


async def examine(
    tenancy: Tenancy, company_id: UUID, *, keyring: Keyring, gateway: TwilioGateway, server: Server
) -> tuple[str | None, list[Finding]]:
    """The company's Account SID (None while nothing is connected) and everything that the doctor has to say.

    Changes nothing, here or at Twilio. What Twilio does not say becomes a line, never an error.
    """
    async with tenancy.tenant(company_id) as session:
        local = await queries.local_facts(session, keyring, gateway)
    if local.account_sid is None:
        nothing = Finding(
            "account.connection",
            "notice",
            "No Twilio account is connected: nothing goes out or comes in.",
            "Connect one (POST /api/twilio-settings).",
        )
        return None, [nothing, *check_server(server)]
    findings = [*check_server(server), *check_keys(local.key_state)]
    if local.auth_token is not None:
        remote = await ask_twilio(gateway, local.account_sid, local.auth_token)
        findings += await _with_twilio(tenancy, company_id, local, local.account_sid, remote)
    findings += check_traffic(local.backlog, now=utc_now())
    return local.account_sid, findings


async def _with_twilio(
    tenancy: Tenancy, company_id: UUID, local: Local, account_sid: str, remote: Remote
) -> list[Finding]:
    findings = list(check_account(remote.account))
    if isinstance(remote.account, Silence) and remote.account.refused:
        return findings
    findings += check_numbers(local, remote.numbers, await _holders(tenancy, company_id, local, account_sid, remote))
    if not isinstance(remote.numbers, Silence):
        findings += check_webhooks(local, remote.numbers)
    return [*findings, *check_services(local, remote)]


async def _holders(
    tenancy: Tenancy, company_id: UUID, local: Local, account_sid: str, remote: Remote
) -> Holders | None:
    """By the directory; None when Twilio has not listed the account's numbers, for then they prove nothing."""
    if isinstance(remote.numbers, Silence):
        return None
    known = {info.phone_number for info in remote.numbers} | {number.phone_number for number in local.numbers}
    async with tenancy.platform() as session:
        return await queries.holders(
            session, company_id=company_id, account_sid=account_sid, phone_numbers=sorted(known)
        )
