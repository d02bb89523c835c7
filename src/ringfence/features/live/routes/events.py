"""`/api/events`: what changes for the caller's company, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Header, Request

from ringfence.features.live.actions.hub import Hub
from ringfence.features.live.routes.stream import Stream
from ringfence.features.live.schemas import EventAnswer, StreamAnswer
from ringfence.features.live.values import SEND_SECONDS
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Reader
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service
from ringfence.web.sse import EventStream

router = APIRouter(prefix="/api", tags=["live events"], responses=PROBLEM_RESPONSES)

LastEventID = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The last id that was heard; browsers send it themselves.")
]


@router.get(
    "/events",
    # Said here because FastAPI looks for it in the response's constructor otherwise, and cannot describe the API.
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"model": EventAnswer | StreamAnswer, "description": "Server-sent events, one of these in each `data`."}
    },
)
async def events(request: Request, caller: Reader, last_event_id: LastEventID = None) -> EventStream:
    """What changes for the company, as it happens: ids only, and of threads only those that the caller may see.

    With `Last-Event-ID` it goes on after that event. 429 `too_many_streams` when too many are open.
    """
    hub = service(request, Hub)
    watcher = hub.enter(caller.company_id, caller.id)
    try:
        head = await hub.number_all(caller.company_id)
    except BaseException:
        hub.leave(watcher)
        raise
    stream = Stream(request, caller, hub, service(request, Keyring), watcher)
    first = stream.begin(head, last_event_id)
    return EventStream(stream.blocks(first), send_seconds=SEND_SECONDS, gone=stream.go, done=lambda: hub.leave(watcher))
