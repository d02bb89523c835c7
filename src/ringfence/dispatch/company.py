"""One company's part of the engine: claim texts, hand them to Twilio, record what came of it, recover what is open.

Everything here works inside one company's sessions. Between transactions nothing is held but what is in flight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ringfence.dispatch import statements
from ringfence.dispatch.ports import Credentials, Hold, Noted, Refuse, Settled, Text, Texts, Verdict
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.tenancy.sessions import Tenancy, TenantSession


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All waits of the protocol, in seconds."""

    post: float
    grace: float
    look_after: float
    give_up_after: float

    @property
    def presumed_dead(self) -> float:
        """After the intent, how long until a POST without outcome cannot be under way any more."""
        return self.post + self.grace


@dataclass(frozen=True, slots=True)
class Right:
    """The lease under which a claim is made: owner and fence."""

    owner: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A text with its intent committed: the POST may begin."""

    text: Text
    sender_id: UUID
    attempt: int
    credentials: Credentials
    claimed_at: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim brought: texts to POST, what they cost per sender, and whether any work is left.

    `alarmed` are the senders with texts of unknown outcome whose turn it is.
    """

    texts: Sequence[Claimed]
    spent: Mapping[UUID, int]
    emptied: bool
    alarmed: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """A text of unknown outcome that is looked for at Twilio, or (`rival`) one beside it that is still under way."""

    text: Text
    attempt: int
    started_at: datetime
    give_up: bool = False
    rival: bool = False


@dataclass(slots=True)
class Results:
    """Outcomes of one company's POSTs, to be recorded in one transaction."""

    settled: list[Settled] = field(default_factory=list[Settled])
    requeued: list[tuple[UUID, int, datetime]] = field(default_factory=list[tuple[UUID, int, datetime]])
    unknown: list[tuple[UUID, int]] = field(default_factory=list[tuple[UUID, int]])
    paused: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])
    notes: list[Noted] = field(default_factory=list[Noted])

    def merge(self, newer: "Results | None") -> "Results":
        """Put newer results behind these, which could not be written yet."""
        if newer is not None:
            self.settled += newer.settled
            self.requeued += newer.requeued
            self.unknown += newer.unknown
            self.paused |= newer.paused
            self.notes += newer.notes
        return self

    def singles(self) -> Iterator["Results"]:
        """The same results one text at a time, for when the database refuses one of them."""
        for settled in self.settled:
            yield Results(settled=[settled])
        for parked in self.unknown:
            yield Results(unknown=[parked], notes=self._notes_of(parked[0]))
        for requeued in self.requeued:
            yield Results(requeued=[requeued], notes=self._notes_of(requeued[0]))
        if self.paused:
            yield Results(paused=self.paused)

    def _notes_of(self, message_id: UUID) -> list[Noted]:
        return [note for note in self.notes if note.message_id == message_id]

    def __len__(self) -> int:
        return len(self.settled) + len(self.requeued) + len(self.unknown) + len(self.paused)


class CompanyWork:
    """The engine's transactions for one company."""

    def __init__(self, tenancy: Tenancy, texts: Texts, company_id: UUID, deadlines: Deadlines) -> None:
        self._tenancy = tenancy
        self._texts = texts
        self._company_id = company_id
        self._deadlines = deadlines

    @property
    def deadlines(self) -> Deadlines:
        """The waits this work is done under."""
        return self._deadlines

    async def claim(
        self, right: Right, budgets: Mapping[UUID, int], eligible: Mapping[UUID, datetime], most: int
    ) -> Claim:
        """Lease ready texts, ask the gate again, and commit the intents: all in one transaction.

        `budgets` maps each sender to the segments it may send now (0: only look after its alarms), `eligible` to the
        instant its rate allows more; `most` caps the texts. Returns nothing to send when the lease has gone.
        """
        async with self._tenancy.tenant(self._company_id) as session:
            company = {"company_id": self._company_id}
            senders = sorted(budgets)
            await session.execute(statements.LOCK_LANES, company | {"senders": senders})
            await self._presume_dead(session, senders)
            claimed_at = monotonic_seconds()
            rows = (
                await session.execute(
                    statements.CLAIM,
                    company
                    | {
                        "senders": senders,
                        "budgets": [budgets[sender] for sender in senders],
                        "most": most,
                        "owner": right.owner,
                        "fence": right.fence,
                        "presumed_dead": self._deadlines.presumed_dead,
                    },
                )
            ).all()
            texts: list[Claimed] = []
            spent: dict[UUID, int] = {}
            if rows:
                credentials = await self._texts.credentials(session)
                verdicts = await self._verdicts(session, [row.message_id for row in rows], credentials)
                for row in rows:
                    verdict = verdicts.get(row.message_id)
                    if isinstance(verdict, Text) and isinstance(credentials, Credentials):
                        texts.append(Claimed(verdict, row.sender_id, row.attempt, credentials, claimed_at))
                        spent[row.sender_id] = spent.get(row.sender_id, 0) + row.segments
                await self._turn_away(session, {row.message_id: row.attempt for row in rows}, verdicts)
                await self._intend(session, texts, right.fence)
            lanes = (
                await session.execute(
                    statements.NEXT_DUE,
                    company | {"senders": senders, "eligible": [eligible[sender] for sender in senders]},
                )
            ).all()
            if len(lanes) < len(senders):
                await session.execute(statements.DROP_EMPTY_LANES, company | {"senders": senders})
        emptied = not any(lane.more for lane in lanes)
        return Claim(texts, spent, emptied, [lane.sender_id for lane in lanes if lane.alarmed])

    async def _verdicts(
        self, session: TenantSession, message_ids: Sequence[UUID], credentials: Credentials | Refuse
    ) -> Mapping[UUID, Verdict]:
        if isinstance(credentials, Refuse):
            return dict.fromkeys(message_ids, credentials)
        return await self._texts.judge(session, message_ids)

    async def _turn_away(
        self, session: TenantSession, attempts: Mapping[UUID, int], verdicts: Mapping[UUID, Verdict]
    ) -> None:
        """Record what the gate refused or holds; a text that is gone (deleted meanwhile) just leaves the outbox."""
        refused = {message: verdict for message, verdict in verdicts.items() if isinstance(verdict, Refuse)}
        held = {message: verdict for message, verdict in verdicts.items() if isinstance(verdict, Hold)}
        gone = [message for message in attempts if message not in verdicts]
        if refused:
            await self._texts.refuse(session, refused)
        if refused or gone:
            await self._done(session, [(message, attempts[message]) for message in (*refused, *gone)])
        if held:
            await self._texts.hold(session, held)
            await self._requeue(session, [(m, attempts[m], hold.until) for m, hold in held.items()])

    async def _intend(self, session: TenantSession, texts: Sequence[Claimed], fence: int) -> None:
        if texts:
            await session.execute(
                statements.INTEND,
                {
                    "company_id": self._company_id,
                    "message_ids": [claimed.text.message_id for claimed in texts],
                    "attempts": [claimed.attempt for claimed in texts],
                    "fence": fence,
                },
            )

    async def _presume_dead(self, session: TenantSession, senders: Sequence[UUID]) -> None:
        dead = await session.execute(
            statements.PRESUME_DEAD,
            {
                "company_id": self._company_id,
                "senders": list(senders),
                "look_after": self._deadlines.look_after,
                "give_up_after": self._deadlines.give_up_after,
                "presumed_dead": self._deadlines.presumed_dead,
            },
        )
        notes = [Noted(row.message_id, row.attempt, "unknown", {"reason": "process_died"}) for row in dead]
        if notes:
            await self._texts.note(session, notes)

    async def record(self, results: Results) -> None:
        """Write outcomes in one transaction; safe to repeat after a failure."""
        async with self._tenancy.tenant(self._company_id) as session:
            if results.settled:
                await self._texts.settle(session, results.settled)
                await self._done(session, [(item.message_id, item.attempt) for item in results.settled])
            due = await self._park(session, results.unknown) + await self._requeue(session, results.requeued)
            if results.notes:
                await self._texts.note(session, results.notes)
            await self._wake(session, due, results.paused)

    async def open_texts(self, senders: Sequence[UUID], most: int) -> tuple[Credentials | Refuse | None, list[Open]]:
        """Texts of unknown outcome whose turn it is with their rivals, and the way to Twilio to ask about them.

        Their next turn is set at once, so whoever takes them need not put them back.
        """
        company = {"company_id": self._company_id, "senders": list(senders)}
        async with self._tenancy.tenant(self._company_id) as session:
            times = {"most": most, "look_after": self._deadlines.look_after}
            turn = (await session.execute(statements.TAKE_UNKNOWN, company | times)).all()
            if not turn:
                return None, []
            taken = [row.message_id for row in turn]
            rivals = (await session.execute(statements.RIVALS, company | {"taken": taken})).all()
            credentials = await self._texts.credentials(session)
            texts = await self._texts.load(session, [*taken, *(row.message_id for row in rivals)])
            await self._done(session, [(row.message_id, row.attempt) for row in turn if row.message_id not in texts])
        found = [Open(texts[r.message_id], r.attempt, r.started_at, r.give_up) for r in turn if r.message_id in texts]
        beside = [
            Open(texts[r.message_id], r.attempt, r.started_at, rival=True) for r in rivals if r.message_id in texts
        ]
        return credentials, found + beside

    async def adopted(self, sids: Sequence[str]) -> set[str]:
        """Which SIDs already belong to one of the company's texts."""
        async with self._tenancy.tenant(self._company_id) as session:
            return await self._texts.adopted_sids(session, sids)

    async def resolve(self, found: Sequence[Settled], given_up: Sequence[Open]) -> None:
        """Record what looking at Twilio's list brought: adopted, or left to a person."""
        async with self._tenancy.tenant(self._company_id) as session:
            if found:
                await self._texts.settle(session, found)
                await self._done(session, [(item.message_id, item.attempt) for item in found])
            # A callback may have answered meanwhile: then the row is gone, and nothing is unconfirmed.
            left = await self._done(session, [(item.text.message_id, item.attempt) for item in given_up])
            notes = [
                Noted(o.text.message_id, o.attempt, "unconfirmed", {}) for o in given_up if o.text.message_id in left
            ]
            if notes:
                await self._texts.note(session, notes)

    async def _done(self, session: TenantSession, texts: Sequence[tuple[UUID, int]]) -> set[UUID]:
        """Take settled texts out; returns those that were still there."""
        if not texts:
            return set()
        rows = await session.execute(statements.DONE, {"company_id": self._company_id, **_columns(texts)})
        return {row.message_id for row in rows}

    async def _park(self, session: TenantSession, texts: Sequence[tuple[UUID, int]]) -> list[tuple[UUID, datetime]]:
        """Texts become unknown; returns each one's sender and next alarm."""
        if not texts:
            return []
        rows = await session.execute(
            statements.PARK,
            {
                "company_id": self._company_id,
                "look_after": self._deadlines.look_after,
                "give_up_after": self._deadlines.give_up_after,
                **_columns(texts),
            },
        )
        return [(row.sender_id, row.due_at) for row in rows]

    async def _requeue(
        self, session: TenantSession, texts: Sequence[tuple[UUID, int, datetime]]
    ) -> list[tuple[UUID, datetime]]:
        """Texts that were proved unsent become ready again; returns each one's sender and time."""
        if not texts:
            return []
        rows = await session.execute(
            statements.REQUEUE,
            {
                "company_id": self._company_id,
                "due": [due for _, _, due in texts],
                **_columns([(message, attempt) for message, attempt, _ in texts]),
            },
        )
        return [(row.sender_id, row.due_at) for row in rows]

    async def _wake(
        self, session: TenantSession, due: Sequence[tuple[UUID, datetime]], paused: Mapping[UUID, datetime]
    ) -> None:
        """Bring lanes forward to their rows' alarms, and pause those whose sender has to rest.

        All lanes are locked first, in the order of their ids like everywhere: a claim may hold one and want another.
        """
        senders = sorted({sender for sender, _ in due} | set(paused))
        if not senders:
            return
        company = {"company_id": self._company_id}
        await session.execute(statements.LOCK_LANES, company | {"senders": senders})
        await session.execute(
            statements.WAKE_LANES,
            company | {"senders": [sender for sender, _ in due], "due": [instant for _, instant in due]},
        )
        for until in set(paused.values()):
            resting = [sender for sender, instant in paused.items() if instant == until]
            await session.execute(statements.PAUSE_LANE, company | {"senders": resting, "until": until})


def _columns(texts: Sequence[tuple[UUID, int]]) -> dict[str, list[UUID] | list[int]]:
    return {"message_ids": [message for message, _ in texts], "attempts": [attempt for _, attempt in texts]}


def eligible_at(seconds: float) -> datetime:
    """The instant (UTC) that lies so many seconds ahead."""
    return utc_now() + timedelta(seconds=seconds)
