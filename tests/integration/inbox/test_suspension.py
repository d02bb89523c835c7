"""The conversations of somebody suspended become nobody's; those of all others stay."""

import psycopg
from psycopg.types.json import Jsonb

from ringfence.features.conversations.jobs import release_conversations
from ringfence.features.users.values import ReleaseConversations
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.texts import Line
from tests.integration.inbox.conftest import Desk

HERS, HIS = "+16025550801", "+16025550802"


async def released(desk: Desk, line: Line) -> None:
    """What the worker does with the job, in the name of a company."""
    job = ReleaseConversations(user_id=desk.people["olga"].id)
    await release_conversations(JobContext(desk.texting.world.tenancy, line.company_id), job)


async def set_status(desk: Desk, status: str) -> None:
    path = f"/api/users/{desk.people['olga'].id}"
    answer = await desk.texting.call("PATCH", path, desk.texting.a, json={"status": status})
    assert answer.status_code == 200, answer.text


async def test_colleagues_see_what_a_suspended_person_had(desk: Desk) -> None:
    await desk.rule("own_and_unassigned")
    for number, owner in ((HERS, "olga"), (HIS, "mo")):
        await desk.texting.inbound(desk.texting.a, sender=number)
        await desk.patch(await desk.thread(number), desk.mo, assigned_to=desk.id_of(owner))
    assert await desk.listed(desk.ari) == []
    # Nothing is taken from somebody who is active.
    await released(desk, desk.texting.a)
    assert await desk.listed(desk.ari) == []

    await set_status(desk, "suspended")
    with psycopg.connect(desk.texting.database.admin_url) as admin:
        waiting = admin.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND args->>'company_id' = %s"
            " AND args->'fields' = %s",
            [
                ReleaseConversations.kind,
                str(desk.texting.a.company_id),
                Jsonb({"user_id": str(desk.people["olga"].id)}),
            ],
        ).fetchone()
    assert waiting == (1,)
    # In another company's name the job finds nobody.
    await released(desk, desk.texting.b)
    assert await desk.listed(desk.ari) == []

    await released(desk, desk.texting.a)

    assert await desk.listed(desk.ari) == [HERS]
    assert (await desk.look(await desk.thread(HERS)))["assigned_to"] is None
    with psycopg.connect(desk.texting.database.admin_url) as admin:
        mine = admin.execute("SELECT assigned_to FROM conversations WHERE outside_number = %s", [HIS]).fetchone()
    assert mine == (desk.people["mo"].id,)


async def test_unknown_person_is_nothing_to_do(desk: Desk) -> None:
    thread = await desk.text()
    await desk.patch(thread, assigned_to=desk.id_of("ari"))
    await release_conversations(
        JobContext(desk.texting.world.tenancy, desk.texting.a.company_id), ReleaseConversations(user_id=new_id())
    )
    assert (await desk.look(thread))["assigned_to"] == desk.id_of("ari")
