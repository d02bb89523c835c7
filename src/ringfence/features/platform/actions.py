"""Keeping the health of a company where super admins can read it."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import case
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.platform import queries
from ringfence.features.platform.model import CompanyHealth
from ringfence.tenancy.sessions import TenantSession


async def refresh_health(session: TenantSession) -> None:
    """Work out how the session's company is doing and keep it. `settings_since` stays while the state is the same."""
    values = asdict(await queries.health(session))
    put = insert(CompanyHealth).values(company_id=session.company_id, **values)
    new = put.excluded
    changes: dict[str, Any] = {name: new[name] for name in values}
    changes["settings_since"] = case(
        (CompanyHealth.settings_state == new.settings_state, CompanyHealth.settings_since), else_=new.settings_since
    )
    await session.execute(put.on_conflict_do_update(index_elements=[CompanyHealth.company_id], set_=changes))
