"""Who looks: the caller, and what the company's rule lets them see, read anew for every request."""

from typing import Annotated

from fastapi import Depends

from ringfence.features.conversations.queries import viewer_for
from ringfence.features.conversations.values import Viewer
from ringfence.web.caller import Level, Reader, TenantDB


async def _viewer(caller: Reader, session: TenantDB) -> Viewer:
    return await viewer_for(session, user_id=caller.user_id, manages=caller.level >= Level.MANAGE)


Looking = Annotated[Viewer, Depends(_viewer)]
