"""`ringfence audit twilio`: the doctor for every company, as the operator asks for it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringfence.cli.audit import BROKEN, companies_to_check, not_checked
from ringfence.errors import RingfenceError
from ringfence.features.doctor.actions.asking import leads_here
from ringfence.features.doctor.actions.examining import examine
from ringfence.features.doctor.schemas import DoctorAnswer
from ringfence.features.doctor.values.facts import Server
from ringfence.features.doctor.values.findings import Finding, worst
from ringfence.features.phone_numbers.values import last_four
from ringfence.kit.clock import utc_now
from ringfence.runtime.build import Runtime
from ringfence.runtime.readiness import first_line

OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]

_AT_ONCE = 8


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"


class TwilioAudit:
    """What stands behind `ringfence audit twilio`; the docstring of `run` is the command's help."""

    def __init__(self, open_runtime: OpenRuntime) -> None:
        self._open_runtime = open_runtime

    def run(
        self,
        company: Annotated[UUID | None, typer.Option(help="Only this company.")] = None,
        style: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.text,
    ) -> None:
        """Ask Twilio about every company's account, numbers and webhooks; print what is wrong, with its fix.

        Exit code 0: no problem found (notices may be); 1: a problem; 2: it could not be looked.
        """
        try:
            found = asyncio.run(self._examine(company))
        except RingfenceError as error:
            not_checked(error.detail)
        except (DBAPIError, InterfaceError, PoolTimeoutError, OSError) as error:
            not_checked(f"The database does not answer: {first_line(error)}")
        else:
            typer.echo(_as_json(found) if style is Format.json else _as_text(found))
            is_broken = any(worst(findings) == "problem" for findings in found.values())
            raise typer.Exit(BROKEN if is_broken else 0)

    async def _examine(self, only: UUID | None) -> dict[UUID, list[Finding]]:
        async with self._open_runtime() as runtime:
            ids = [company_id async for company_id in companies_to_check(runtime.tenancy, only)]
            gateway = runtime.gateway
            server = Server(gateway.api_url, gateway.public_url, await leads_here(gateway.public_url))
            turn = asyncio.Semaphore(_AT_ONCE)

            async def look(company_id: UUID) -> tuple[str | None, list[Finding]]:
                async with turn:
                    return await examine(
                        runtime.tenancy, company_id, keyring=runtime.keyring, gateway=gateway, server=server
                    )

            looked = await asyncio.gather(*(look(company_id) for company_id in ids))
        accounts: dict[str, list[UUID]] = {}
        for company_id, (account_sid, _) in zip(ids, looked, strict=True):
            if account_sid is not None:
                accounts.setdefault(account_sid, []).append(company_id)
        return {
            company_id: [*findings, *_shared(company_id, accounts.get(account_sid or "", []))]
            for company_id, (account_sid, findings) in zip(ids, looked, strict=True)
        }


def _shared(company_id: UUID, users: list[UUID]) -> list[Finding]:
    """That several companies use one account, which only the operator can see."""
    others = [str(user) for user in users if user != company_id]
    if not others:
        return []
    return [
        Finding(
            "account.used_by_several",
            "problem",
            f"Its Twilio account is also that of {', '.join(others)}.",
            "Give each company a subaccount of its own.",
        )
    ]


def _as_text(found: dict[UUID, list[Finding]]) -> str:
    lines: list[str] = []
    for company_id, findings in found.items():
        lines.append(f"{company_id}\t{worst(findings)}")
        for finding in findings:
            numbers = f" ({', '.join(last_four(number) for number in finding.numbers)})" if finding.numbers else ""
            fix = f" Fix: {finding.fix}" if finding.fix else ""
            lines.append(f"  {finding.level}\t{finding.check}\t{finding.text}{numbers}{fix}")
    return "\n".join(lines)


def _as_json(found: dict[UUID, list[Finding]]) -> str:
    at = utc_now()
    companies: list[dict[str, object]] = []
    for company_id, findings in found.items():
        answer = DoctorAnswer.made_of(findings, at=at).model_dump(mode="json")
        for finding in answer["findings"]:
            finding["numbers"] = [last_four(number) for number in finding["numbers"]]
        companies.append({"company_id": str(company_id), **answer})
    return json.dumps({"companies": companies}, indent=2, ensure_ascii=False)
