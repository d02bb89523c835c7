"""Who looks at conversations: a second agent, and the company's rule."""

from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.users import actions as users
from ringfence.features.users import queries as user_queries
from tests.factories.people import PASSWORD, Person
from tests.factories.texts import Texting
from tests.factories.world import World


async def second_agent(world: World) -> Person:
    """Another agent of company a."""
    async with world.tenancy.tenant(world.a.company_id) as session:
        ari = await user_queries.user(session, world.a.agent.id)
        user = await users.create_user(
            session,
            actor=COMMAND_LINE,
            email="olga@cactus-plumbing.example",
            name="Olga Owner",
            role="agent",
            password_hash=ari.password_hash,
        )
    return Person(user.id, user.email, user.name, user.role, PASSWORD)


async def agents_see(texting: Texting, rule: str) -> None:
    """Set company a's rule."""
    answer = await texting.call("PATCH", "/api/company", texting.a, json={"agents_see": rule})
    assert answer.status_code == 200, answer.text
