"""The text that a scheduled one becomes."""

from dataclasses import replace
from typing import cast

from ringfence.features.audit_log.values import Actor, ActorKind
from ringfence.features.messages.actions.sending import Draft
from ringfence.features.messages.queries.filling import fill_template
from ringfence.features.scheduling.model import ScheduledText
from ringfence.tenancy.sessions import TenantSession


def draft_of(scheduled: ScheduledText) -> Draft:
    """The text as it would be handed in; a template is still to be filled."""
    return Draft(
        to_number=scheduled.to_number,
        body=scheduled.body,
        media_urls=tuple(scheduled.media_urls),
        from_number=scheduled.from_number,
        contact_id=scheduled.contact_id,
        template_id=scheduled.template_id,
        source="scheduled",
    )


def actor_of(scheduled: ScheduledText) -> Actor:
    """Who scheduled it: in whose name it goes out."""
    return Actor(kind=cast("ActorKind", scheduled.actor_kind), id=scheduled.actor_id, name=scheduled.actor_name)


async def filled(session: TenantSession, scheduled: ScheduledText, draft: Draft) -> Draft:
    """The draft with its template, if it has one, filled as of now. Raises what `fill_template` raises."""
    if draft.template_id is None:
        return draft
    done = await fill_template(
        session,
        draft.template_id,
        variables=cast("dict[str, str]", scheduled.variables),
        to_number=draft.to_number,
        contact_id=draft.contact_id,
        from_number=draft.from_number,
        media=len(draft.media_urls),
        actor=actor_of(scheduled),
    )
    return replace(draft, body=done.body, from_number=done.from_number)
