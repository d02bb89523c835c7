"""Which number a text goes out from, case by case."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ringfence.errors import RefusedError
from ringfence.features.phone_numbers import actions, queries
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from tests.factories.world import World

BASE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class N:
    """A number of the company: only what a case is about is given."""

    tail: str
    priority: int = 100
    used: int | None = None
    rotates: bool = True
    default: bool = False
    active: bool = True
    released: bool = False
    sms: bool = True
    mms: bool = True
    country: str = "US"


@dataclass(frozen=True)
class Case:
    name: str
    numbers: tuple[N, ...]
    expected: str
    conversation: str | None = None
    requested: str | None = None
    needs_mms: bool = False
    to_region: str | None = "US"


CASES = [
    Case("nothing at all", (), "no_sender"),
    Case("only switched off", (N("01", active=False, default=True),), "no_sender"),
    Case("only released", (N("01", released=True),), "no_sender"),
    Case("only voice", (N("01", sms=False),), "no_sender"),
    Case("one", (N("01"),), "01"),
    Case("lower priority number first", (N("01", priority=50, used=9), N("02", priority=60)), "01"),
    Case("never used before used", (N("01", used=1), N("02")), "02"),
    Case("least recently used", (N("01", used=3), N("02", used=1), N("03", used=2)), "02"),
    Case("priority before use", (N("01", priority=1, used=9), N("02", priority=2, used=1)), "01"),
    Case("switched off does not rotate", (N("01", priority=1, active=False), N("02")), "02"),
    Case("released does not rotate", (N("01", priority=1, released=True), N("02")), "02"),
    Case("out of rotation", (N("01", priority=1, rotates=False), N("02")), "02"),
    Case("rotation before default", (N("01", default=True, rotates=False), N("02")), "02"),
    Case("default when nothing rotates", (N("01", rotates=False), N("02", default=True, rotates=False)), "02"),
    Case("nothing rotates, no default", (N("01", rotates=False),), "no_sender"),
    Case("own country first among equals", (N("01"), N("02", country="GB")), "02", to_region="GB"),
    Case("priority before country", (N("01", priority=1), N("02", country="GB")), "01", to_region="GB"),
    Case("unknown country", (N("01", used=2), N("02", used=1, country="GB")), "02", to_region=None),
    Case("attachments need MMS", (N("01", priority=1, mms=False), N("02")), "02", needs_mms=True),
    Case("no MMS anywhere", (N("01", mms=False, default=True),), "no_sender", needs_mms=True),
    Case("conversation's own number", (N("01", priority=1), N("02", used=9)), "02", conversation="02"),
    Case("conversation's number out of rotation", (N("01"), N("02", rotates=False)), "02", conversation="02"),
    Case("conversation's number off", (N("01"), N("02", active=False)), "sender_inactive", conversation="02"),
    Case("conversation's number gone", (N("01"), N("02", released=True)), "sender_inactive", conversation="02"),
    Case("named instead", (N("01"), N("02", active=False)), "01", conversation="02", requested="01"),
    Case("named wins", (N("01"), N("02")), "01", conversation="02", requested="01"),
    Case("named but off", (N("01", active=False), N("02")), "sender_inactive", requested="01"),
    Case("named but released", (N("01", released=True), N("02")), "sender_inactive", requested="01"),
    Case("named, released and back", (N("01", released=True), N("01")), "01", requested="01"),
    Case("named but cannot text", (N("01", sms=False),), "sender_incapable", requested="01"),
    Case("named but no MMS", (N("01", mms=False), N("02")), "sender_incapable", requested="01", needs_mms=True),
    Case(
        "conversation without MMS", (N("01", mms=False), N("02")), "sender_incapable", conversation="01", needs_mms=True
    ),
    Case("named, nobody's", (N("01"),), "unknown_sender", requested="55"),
    Case("named, another company's", (N("01"),), "unknown_sender", requested="99"),
]


def row(number: N) -> PhoneNumber:
    now = utc_now()
    return PhoneNumber(
        account_sid="AC" + "0" * 32,
        phone_number=full(number.tail),
        friendly_name=number.tail,
        country=number.country,
        sms=number.sms,
        mms=number.mms,
        voice=True,
        status="active" if number.active else "inactive",
        is_default=number.default,
        rotation_enabled=number.rotates,
        rotation_priority=number.priority,
        last_used_at=None if number.used is None else BASE + timedelta(hours=number.used),
        released_at=now if number.released else None,
        created_at=now,
        updated_at=now,
    )


def full(tail: str) -> str:
    return f"+160255501{tail}"


async def outcome(session: TenantSession, case: Case) -> str:
    """The number's tail, or the code of the refusal."""
    rows = [row(number) for number in case.numbers]
    session.add_all(rows)
    await session.flush()
    own = next((item.id for item in rows if case.conversation and item.phone_number == full(case.conversation)), None)
    try:
        chosen = await queries.choose_sender(
            session,
            conversation_number_id=own,
            requested=full(case.requested) if case.requested else None,
            needs_mms=case.needs_mms,
            to_region=case.to_region,
        )
    except RefusedError as refusal:
        return refusal.code if "+1602" not in refusal.detail else refusal.detail
    return chosen.phone_number.removeprefix(full("")) if chosen in rows else "somebody else's"


async def test_choice(world: World) -> None:
    async with world.tenancy.tenant(world.b.company_id) as session:
        session.add(row(N("99")))
    found: dict[str, str] = {}
    for case in CASES:
        async with world.tenancy.tenant(world.a.company_id) as session:
            found[case.name] = await outcome(session, case)
            await session.rollback()
    assert found == {case.name: case.expected for case in CASES}
    assert len(found) == len(CASES)


async def test_rotation_goes_round(world: World) -> None:
    async with world.tenancy.tenant(world.a.company_id) as session:
        session.add_all([row(N(tail)) for tail in ("01", "02", "03")])
    seen: list[str] = []
    for _ in range(7):
        async with world.tenancy.tenant(world.a.company_id) as session:
            chosen = await queries.choose_sender(
                session, conversation_number_id=None, requested=None, needs_mms=False, to_region="US"
            )
            await actions.touch_used(session, chosen.id)
            seen.append(chosen.phone_number)
    assert sorted(seen[:3]) == [full("01"), full("02"), full("03")]
    assert seen[3:6] == seen[:3]
    assert seen[6] == seen[0]


async def test_use_never_goes_back_and_stays_inside_the_company(world: World) -> None:
    async with world.tenancy.tenant(world.b.company_id) as session:
        theirs = row(N("99", used=5))
        session.add(theirs)
    async with world.tenancy.tenant(world.a.company_id) as session:
        ours = row(N("01", used=5))
        session.add(ours)
        await session.flush()
        await actions.touch_used(session, ours.id, at=BASE)
        await actions.touch_used(session, theirs.id, at=BASE + timedelta(hours=8))
        await actions.touch_used(session, new_id())
    async with world.tenancy.tenant(world.a.company_id) as session:
        assert (await queries.get(session, ours.id)).last_used_at == BASE + timedelta(hours=5)
        await actions.touch_used(session, ours.id, at=BASE + timedelta(hours=8))
    async with world.tenancy.tenant(world.a.company_id) as session:
        assert (await queries.get(session, ours.id)).last_used_at == BASE + timedelta(hours=8)
    async with world.tenancy.tenant(world.b.company_id) as session:
        assert (await queries.get(session, theirs.id)).last_used_at == BASE + timedelta(hours=5)
