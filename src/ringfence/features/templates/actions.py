"""Writing templates."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.templates import queries
from ringfence.features.templates.errors import TemplateExistsError
from ringfence.features.templates.model import Template
from ringfence.features.templates.values import check_body
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession


async def create_template(
    session: TenantSession, *, actor: Actor, name: str, body: str, category: str | None
) -> Template:
    """Add a template. Raises InvalidInputError for a text that cannot be one, TemplateExistsError for a taken name."""
    template = Template(id=new_id(), created_by=actor.user_id, created_at=utc_now(), usage_count=0)
    await _store(session, template, name=name, body=body, category=category)
    record(
        session,
        actor=actor,
        action="template.created",
        target_kind="template",
        target_id=template.id,
        after=_described(template),
    )
    return template


async def change_template(
    session: TenantSession, template_id: UUID, *, actor: Actor, name: str, body: str, category: str | None
) -> Template:
    """Put a new name, text and category in place. Texts that were handed in before keep what they said.

    Raises NotFoundError and what `create_template` raises.
    """
    template = await queries.get_template(session, template_id)
    before = _described(template)
    await _store(session, template, name=name, body=body, category=category)
    after = _described(template)
    changed = [field for field in after if after[field] != before[field]]
    if changed:
        record(
            session,
            actor=actor,
            action="template.changed",
            target_kind="template",
            target_id=template.id,
            before={field: before[field] for field in changed},
            after={field: after[field] for field in changed},
        )
    return template


async def delete_template(session: TenantSession, template_id: UUID, *, actor: Actor) -> None:
    """Remove a template from view and free its name. Raises NotFoundError."""
    template = await queries.get_template(session, template_id)
    template.deleted_at = utc_now()
    record(
        session,
        actor=actor,
        action="template.deleted",
        target_kind="template",
        target_id=template.id,
        before=_described(template),
    )
    await session.flush()


async def note_used(session: TenantSession, template_id: UUID, *, texts: int = 1) -> None:
    """Count texts that were handed in with a template. The row stays locked until the transaction ends."""
    await session.execute(
        update(Template)
        .where(Template.company_id == session.company_id, Template.id == template_id)
        .values(usage_count=Template.usage_count + texts, last_used_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def _store(session: TenantSession, template: Template, *, name: str, body: str, category: str | None) -> None:
    """Flush the fields; the unique index has the last word when two requests bring one name at once."""
    check_body(body)
    norm = name.casefold()
    holder = await queries.find_by_name(session, norm)
    if holder is not None and holder.id != template.id:
        raise TemplateExistsError(holder.id)
    try:
        async with session.begin_nested():
            template.name, template.name_norm, template.body, template.category = name, norm, body, category
            template.updated_at = utc_now()
            session.add(template)
            await session.flush()
    except IntegrityError:
        holder = await queries.find_by_name(session, norm)
        if holder is None:
            raise
        raise TemplateExistsError(holder.id) from None


def _described(template: Template) -> dict[str, object]:
    return {"name": template.name, "category": template.category, "body": template.body}
