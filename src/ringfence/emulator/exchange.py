"""The parts that every door of one emulator shares."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field

from ringfence.emulator.behaviour import Behaviour
from ringfence.emulator.creates import CreateLedger
from ringfence.emulator.faults import FaultBook
from ringfence.emulator.sids import SidMaker
from ringfence.emulator.timeline import Timeline
from ringfence.emulator.voice_book import CallBook
from ringfence.emulator.world import World


@dataclass(slots=True)
class Exchange:
    """State and clockwork of one emulator. `base_url` is known once it listens."""

    rng: random.Random
    sids: SidMaker
    world: World
    behaviour: Behaviour
    faults: FaultBook
    creates: CreateLedger
    call_creates: CreateLedger
    calls: CallBook
    timeline: Timeline
    closing: asyncio.Event
    base_url: str = field(default="")
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something in the background; it is cancelled when the emulator stops or forgets its traffic."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def drop_pending(self) -> None:
        """Forget what is still to come and end what runs in the background."""
        self.timeline.clear()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def pause(self, seconds: float) -> bool:
        """Wait, or less if the emulator stops meanwhile; whether it is still open."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self.closing.wait(), seconds)
            except TimeoutError:
                return True
        return not self.closing.is_set()


def new_exchange(*, seed: int | None, behaviour: Behaviour) -> Exchange:
    """An empty exchange. With `seed` its SIDs, tokens and delays are the same every run."""
    rng = random.Random(seed)
    sids = SidMaker(rng)
    return Exchange(
        rng=rng,
        sids=sids,
        world=World(sids),
        behaviour=behaviour,
        faults=FaultBook(rng),
        creates=CreateLedger("message_id"),
        call_creates=CreateLedger("call_id"),
        calls=CallBook(sids),
        timeline=Timeline(),
        closing=asyncio.Event(),
    )
