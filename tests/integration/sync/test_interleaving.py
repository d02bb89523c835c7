"""Whatever order news of a text comes in, through whichever door, and however often: it ends in the same state."""

import asyncio
import itertools
from typing import Any, Literal
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from ringfence.dispatch.company import CompanyWork, Deadlines, Results
from ringfence.dispatch.ports import Settled
from ringfence.features.messages.actions.absorbing import LogPage, absorb
from ringfence.features.messages.actions.callbacks import learn
from ringfence.features.messages.actions.merging import news_of
from ringfence.features.phone_numbers.values import Holding
from ringfence.kit.clock import utc_now
from ringfence.kit.money import Money
from ringfence.providers.twilio.records import MessageInfo
from tests.factories.syncing import Syncing
from tests.factories.texts import new_sid

Door = Literal["response", "list", "callback", "sweep", "sync"]
_customers = itertools.count(1000)

# A text's life at Twilio: its words in their order, and at the end what it cost.
LIVES: dict[str, list[tuple[str, int | None, int | None]]] = {
    "delivered": [("queued", None, None), ("sent", None, None), ("delivered", None, None), ("delivered", None, 7500)],
    "undelivered": [
        ("queued", None, None),
        ("sent", None, None),
        ("undelivered", 30003, None),
        ("undelivered", 30003, 7500),
    ],
    "failed": [("queued", None, None), ("failed", 30007, None)],
    "sent": [("queued", None, None), ("sent", None, None), ("sent", None, 7500)],
}
SEEN = st.lists(
    st.tuples(st.sampled_from(["callback", "sweep", "sync", "list"]), st.integers(0, 3)), min_size=0, max_size=6
)


class Life:
    """One text that the dispatcher has just handed to Twilio, and everybody who may hear of it."""

    def __init__(self, syncing: Syncing, message_id: str, customer: str, words: list[Any]) -> None:
        self.syncing, self.line, self.message_id, self.customer = syncing, syncing.a, message_id, customer
        self.words, self.sid, self.at = words, new_sid(), utc_now()

    @classmethod
    async def begin(cls, syncing: Syncing, words: list[Any]) -> "Life":
        customer = f"+1602555{next(_customers)}"
        text = await syncing.texting.sent(syncing.a, to=customer, body=f"For {customer}", from_number=syncing.a.number)
        syncing.texting.change(
            "INSERT INTO send_attempt (company_id, message_id, attempt, fence, started_at)"
            " VALUES (%s, %s, 1, 1, now())",
            syncing.a.company_id,
            text["id"],
        )
        syncing.texting.change("UPDATE outbox SET state = 'posting', attempt = 1 WHERE message_id = %s", text["id"])
        return cls(syncing, text["id"], customer, words)

    def info(self, moment: int) -> MessageInfo:
        word, code, price = self.words[min(moment, len(self.words) - 1)]
        return MessageInfo(
            sid=self.sid,
            account_sid=self.line.account_sid,
            direction="outbound-api",
            status=word,
            to=self.customer,
            from_number=self.line.number,
            body=f"For {self.customer}",
            num_segments=1,
            num_media=0,
            error_code=code,
            price=None if price is None else Money(-price, "USD"),
            messaging_service_sid=None,
            created_at=self.at.replace(microsecond=0),
            sent_at=None,
            updated_at=None,
        )

    async def hear(self, door: Door, moment: int) -> None:
        info, tenancy = self.info(moment), self.syncing.texting.world.tenancy
        if door in {"response", "list"}:
            settled = Settled(
                UUID(self.message_id),
                1,
                info.account_sid,
                info.sid,
                info.status,
                info.error_code,
                refused=False,
                via=door,
            )
            work = CompanyWork(tenancy, self.syncing.texting.texts, self.line.company_id, Deadlines(1, 1, 1, 1))
            await work.record(Results(settled=[settled]))
        elif door == "callback":
            fields = {"ErrorCode": str(info.error_code)} if info.error_code else {}
            told = await self.syncing.texting.status(self.line, self.message_id, self.sid, info.status, fields=fields)
            assert told.status_code == 200
        else:
            async with tenancy.tenant(self.line.company_id) as session:
                if door == "sweep":
                    # The sweep asks about texts whose SID it knows.
                    if self.row()["twilio_sid"] is not None:
                        await learn(session, {UUID(self.message_id): news_of(info, via="sweep")})
                else:
                    number_id = self.row()["phone_number_id"]
                    page = LogPage(
                        account_sid=info.account_sid,
                        texts=[info],
                        holdings={self.line.number: Holding(number_id)},
                        via="sync",
                    )
                    await absorb(session, page)

    def row(self) -> dict[str, Any]:
        """The one row of the text; there must be no second."""
        with psycopg.connect(self.syncing.texting.database.admin_url, row_factory=dict_row) as connection:
            rows = connection.execute("SELECT * FROM sms_messages WHERE to_number = %s", [self.customer]).fetchall()
        assert len(rows) == 1, "a double"
        return rows[0]

    def state(self) -> tuple[Any, ...]:
        row = self.row()
        with psycopg.connect(self.syncing.texting.database.admin_url) as connection:
            waiting = connection.execute("SELECT 1 FROM outbox WHERE message_id = %s", [self.message_id]).fetchall()
        names = ("status", "error_code", "reason", "price_micros", "price_currency", "num_segments", "not_before")
        return (row["twilio_sid"] == self.sid, len(waiting), *(row[name] for name in names))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    life=st.sampled_from(sorted(LIVES)),
    seen=SEEN,
    how=st.tuples(st.booleans(), st.booleans()),
    rng=st.randoms(use_true_random=False),
)
async def test_any_interleaving_ends_as_the_ordered_one(
    syncing: Syncing, life: str, seen: list[tuple[Door, int]], how: tuple[bool, bool], rng: Any
) -> None:
    answered, at_once = how
    words = LIVES[life]
    last = len(words) - 1
    ordered, mixed = await Life.begin(syncing, words), await Life.begin(syncing, words)
    # The response, if it came; then everything in its time. In the end its last word is told, and its price listed.
    first: list[tuple[Door, int]] = [("response", 0)] if answered else [("callback", min(1, last))]
    for door, moment in [*first, *sorted(seen, key=lambda item: item[1]), ("callback", last), ("sync", last)]:
        await ordered.hear(door, moment)

    told: list[tuple[Door, int]] = [*first, *seen, ("callback", last)]
    rng.shuffle(told)
    if at_once:
        await asyncio.gather(*(mixed.hear(door, moment) for door, moment in told))
    else:
        for door, moment in told:
            await mixed.hear(door, moment)
    await mixed.hear("sync", last)

    assert mixed.state() == ordered.state()
    assert mixed.state()[:3] == (True, 0, words[-1][0])
    assert mixed.state()[5] == words[-1][2]
