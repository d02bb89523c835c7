"""One dispatcher is active at a time: a database lease with a fence that grows at every take-over.

The database's clock decides who holds it; the holder's own clock decides how long it may rely on that. Stand-bys try
every second and take over within the lease's life (10 s at most).
"""

from uuid import UUID

from sqlalchemy import text

from ringfence.kit.clock import monotonic_seconds
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy

_TAKE = text("""
    INSERT INTO dispatcher_lease AS l (name, owner, fence, until, beat_at)
    VALUES ('dispatcher', :owner, 1, now() + make_interval(secs => :life), now())
    ON CONFLICT (name) DO UPDATE SET
        fence = l.fence + CASE WHEN l.owner = excluded.owner THEN 0 ELSE 1 END,
        owner = excluded.owner, until = excluded.until, beat_at = excluded.beat_at
    WHERE l.owner = excluded.owner OR l.until < now()
    RETURNING l.fence
""")
_RELEASE = text("UPDATE dispatcher_lease SET until = now() - interval '1 second' WHERE owner = :owner")


class Lease:
    """This process's hold on the right to send."""

    def __init__(self, tenancy: Tenancy, *, life_seconds: float) -> None:
        self.owner: UUID = new_id()
        self.fence: int | None = None
        self._tenancy = tenancy
        self._life = life_seconds
        self._sure_until = float("-inf")

    @property
    def held(self) -> bool:
        """Whether the lease is surely ours: counted from before it was asked for, less a fifth for clock drift."""
        return self.fence is not None and monotonic_seconds() < self._sure_until

    @property
    def renew_every(self) -> float:
        """Seconds between renewals."""
        return self._life / 4

    async def take(self) -> bool:
        """Take or renew the lease; True if it is ours now."""
        asked_at = monotonic_seconds()
        async with self._tenancy.platform() as session:
            row = (await session.execute(_TAKE, {"owner": self.owner, "life": self._life})).first()
        if row is None:
            self.fence = None
            return False
        self.fence = int(row.fence)
        self._sure_until = asked_at + self._life * 0.8
        return True

    async def release(self) -> None:
        """Let a stand-by take over at once."""
        self.fence = None
        async with self._tenancy.platform() as session:
            await session.execute(_RELEASE, {"owner": self.owner})
