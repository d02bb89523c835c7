"""The texts room as the send engine sees it (`ringfence.dispatch.ports.Texts`)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select

from ringfence.dispatch.ports import Credentials, Hold, Noted, Refuse, Settled, Text, Verdict
from ringfence.features.consent import actions as consent
from ringfence.features.consent.values import OPTED_OUT_AT_TWILIO
from ringfence.features.messages.actions import budgeting, recording
from ringfence.features.messages.actions.links import with_links
from ringfence.features.messages.actions.merging import Event, Merged, News, Record, merge, refuse
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import facts, gate
from ringfence.features.messages.values import WAITING, moves_forward
from ringfence.features.twilio_settings import queries as twilio_settings
from ringfence.features.twilio_settings.errors import TokenUnreadableError
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession

CODE_PURPOSE = "status"


class MessageTexts:
    """Implements `Texts`: gate, records, timelines and callback addresses of one company at a time."""

    def __init__(self, keyring: Keyring, public_url: str) -> None:
        self._keyring = keyring
        self._public_url = public_url

    async def credentials(self, session: TenantSession) -> Credentials | Refuse:
        """The company's verified way to Twilio, or why there is none."""
        refusal = gate.ask_connection(await facts.connection(session))
        if refusal is not None:
            return refusal
        try:
            stored = await twilio_settings.credentials_for(session, self._keyring)
        except TokenUnreadableError as error:
            return Refuse("settings_unverified", error.detail)
        if stored is None:
            return Refuse("not_connected", "No Twilio account is connected.")
        return Credentials(session.company_id, stored.account_sid, stored.auth_token, stored.webhook_path)

    async def judge(self, session: TenantSession, message_ids: Sequence[UUID]) -> Mapping[UUID, Verdict]:
        """Ask the gate again. Texts that no longer wait (deleted, canceled, adopted) have no verdict."""
        claimed = await budgeting.in_turn(session, message_ids)
        verdicts: dict[UUID, Verdict] = {}
        spending = budgeting.Spending()
        for item in claimed:
            text = with_links(item.text, self._keyring, self._public_url, session.company_id)
            verdict = gate.ask(spending.before(item.facts)) or text
            if isinstance(verdict, Text):
                spending.let_out(item)
            verdicts[item.text.message_id] = verdict
        await spending.save(session)
        await self._release(session, [item.text.message_id for item in claimed if item.held], verdicts)
        return verdicts

    async def load(self, session: TenantSession, message_ids: Sequence[UUID]) -> Mapping[UUID, Text]:
        """What Twilio was told."""
        return {item.text.message_id: item.text for item in await facts.stored(session, message_ids)}

    async def refuse(self, session: TenantSession, refusals: Mapping[UUID, Refuse]) -> None:
        """Record the gate's last word on texts that were waiting."""
        records = await recording.lock(session, list(refusals))
        events: list[Event] = []
        for record in records.values():
            word = refusals[record.id]
            if record.status in WAITING:
                record.status, record.refusal_code, record.reason = "refused", word.code, word.reason
                record.not_before, record.changed = None, True
                events.append(Event(record.id, "refused", {"code": word.code, "reason": word.reason}))
        await recording.write(session, records.values(), events)

    async def hold(self, session: TenantSession, holds: Mapping[UUID, Hold]) -> None:
        """Record texts that wait until an instant. A text that was queued is held from now on."""
        records = await recording.lock(session, list(holds))
        events: list[Event] = []
        for record in records.values():
            word = holds[record.id]
            known = record.status == "held" and (record.refusal_code, record.not_before) == (word.code, word.until)
            if record.status in WAITING and not known:
                record.status, record.refusal_code, record.reason = "held", word.code, word.reason
                record.not_before, record.changed = word.until, True
                detail = {"code": word.code, "reason": word.reason, "until": word.until.isoformat()}
                events.append(Event(record.id, "held", detail))
        await recording.write(session, records.values(), events)

    async def settle(self, session: TenantSession, outcomes: Sequence[Settled]) -> None:
        """Record definite outcomes. A SID that belongs to another text already is noted and changes nothing."""
        records = await recording.lock(session, [outcome.message_id for outcome in outcomes])
        taken = await self._owners(session, [outcome.sid for outcome in outcomes if outcome.sid is not None])
        now = utc_now()
        events: list[Event] = []
        for outcome in outcomes:
            record = records.get(outcome.message_id)
            if record is None:
                continue
            merged = self._settled(record, outcome, taken, now=now)
            events += merged.events
        await recording.write(session, records.values(), events, at=now)
        for record in records.values():
            if record.changed and record.error_code == OPTED_OUT_AT_TWILIO:
                await note_opt_out_at_twilio(session, record)

    async def note(self, session: TenantSession, notes: Sequence[Noted]) -> None:
        """Add to the timelines; `unconfirmed` sets the status too, unless the text has been settled meanwhile."""
        unconfirmed = [item.message_id for item in notes if item.kind == "unconfirmed"]
        records = await recording.lock(session, unconfirmed)
        for record in records.values():
            if moves_forward(record.status, "unconfirmed"):
                record.status, record.changed = "unconfirmed", True
                record.reason = "Twilio never said whether it took this text. Look there before sending it again."
        still_open = {record.id for record in records.values() if record.changed}
        await recording.write(
            session,
            records.values(),
            [
                Event(item.message_id, item.kind, {"attempt": item.attempt, **item.detail})
                for item in notes
                if item.kind != "unconfirmed" or item.message_id in still_open
            ],
        )

    async def adopted_sids(self, session: TenantSession, sids: Sequence[str]) -> set[str]:
        """Which of these Twilio SIDs already belong to a text of the company."""
        return set(await self._owners(session, sids))

    def status_callback(self, credentials: Credentials, message_id: UUID, attempt: int) -> str:
        """Where Twilio reports on one attempt; the code proves that this server made the address."""
        code = self._keyring.sign(CODE_PURPOSE, str(credentials.company_id), str(message_id), str(attempt))
        query = urlencode({"message_id": message_id, "attempt": attempt, "code": code})
        return f"{self._public_url}/webhooks/twilio/{credentials.webhook_path}/status?{query}"

    async def _release(self, session: TenantSession, held: Sequence[UUID], verdicts: Mapping[UUID, Verdict]) -> None:
        """What held these texts is over."""
        free = [message_id for message_id in held if isinstance(verdicts[message_id], Text)]
        records = await recording.lock(session, free)
        for record in records.values():
            record.status, record.refusal_code, record.reason = "queued", None, None
            record.not_before, record.changed = None, True
        await recording.write(session, records.values(), [Event(message_id, "released", {}) for message_id in records])

    async def _owners(self, session: TenantSession, sids: Sequence[str]) -> dict[str, UUID]:
        if not sids:
            return {}
        rows = await session.execute(
            select(Message.twilio_sid, Message.id).where(
                Message.company_id == session.company_id, Message.twilio_sid.in_(sids)
            )
        )
        return {row.twilio_sid: row.id for row in rows if row.twilio_sid is not None}

    def _settled(self, record: Record, outcome: Settled, taken: dict[str, UUID], *, now: datetime) -> Merged:
        if outcome.refused or outcome.sid is None:
            return refuse(record, error_code=outcome.error_code, attempt=outcome.attempt)
        if taken.setdefault(outcome.sid, record.id) != record.id:
            detail = {"what": "sid_of_another_text", "twilio_sid": outcome.sid, "via": outcome.via}
            return Merged([Event(record.id, "anomaly", detail)])
        news = News(
            sid=outcome.sid,
            account_sid=outcome.account_sid,
            status=outcome.twilio_status,
            error_code=outcome.error_code,
            via="list" if outcome.via == "list" else "response",
            attempt=outcome.attempt,
        )
        return merge(record, news, now=now)


async def note_opt_out_at_twilio(session: TenantSession, record: Record) -> None:
    """Twilio refused with 21610: its list of opt-outs knows more than ours, so ours learns it."""
    await consent.opt_out_in_company_scope(
        session,
        outside_number=record.to_number,
        phone_number_id=record.phone_number_id,
        source="twilio_21610",
        evidence={"message_id": str(record.id)},
    )
