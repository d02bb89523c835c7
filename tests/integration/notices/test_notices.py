"""Who is told of what, in the browser and by mail, and who is not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from ringfence.features.events.values import TellStaff
from ringfence.features.notices.jobs import note_reply, trim_notices
from ringfence.features.notices.values import MailNotices, NoteReply, TrimNotices
from ringfence.features.outgoing_webhooks.actions.endpoints import give_up
from ringfence.features.outgoing_webhooks.queries.endpoints import get_endpoint
from ringfence.kit.clock import utc_now
from tests.factories.notices import Noticing
from tests.factories.texts import CUSTOMER

SECRET = "canary-in-a-text"


async def thread_of(noticing: Noticing) -> str:
    return (await noticing.texting.get("/api/sms/conversations", noticing.a))["items"][0]["id"]


async def test_replies_of_a_thread_are_one_notice_until_it_is_read(noticing: Noticing) -> None:
    agent = noticing.a.company.agent
    first = await noticing.reply(noticing.a)
    second = await noticing.reply(noticing.a)
    await note_reply(noticing.context(noticing.a), NoteReply(message_id=second))
    [notice] = await noticing.notices(agent)
    browser = await noticing.texting.world.log_in(agent)
    read = await browser.post(f"/api/notices/{notice['id']}/read")
    left = await noticing.notices(agent)
    await noticing.reply(noticing.a)

    assert first != second
    assert (notice["kind"], notice["count"], notice["message_id"]) == ("message.received", 2, str(second))
    assert notice["conversation_id"] == notice["subject_id"] == await thread_of(noticing)
    assert (read.status_code, left) == (204, [])
    assert [item["count"] for item in await noticing.notices(agent)] == [1]
    assert len(await noticing.notices(agent, unread="false")) == 2
    kinds = [row["kind"] for row in noticing.texting.stored(noticing.a, "events")["events"]]
    assert "notice.created" in kinds
    assert (await browser.post("/api/notices/read")).status_code == 204
    assert await noticing.notices(agent) == []


async def test_of_whose_threads_a_person_is_told(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.reply(noticing.a)
    noticing.texting.change("UPDATE conversations SET assigned_to = %s", company.agent.id)
    await noticing.choose(company.manager, about="all")
    await noticing.choose(company.admin, about="mine")
    for person in company.people:
        await (await noticing.texting.world.log_in(person)).post("/api/notices/read")
    await noticing.reply(noticing.a)

    assert [len(await noticing.notices(person)) for person in company.people] == [0, 1, 1]
    noticing.texting.change("UPDATE conversations SET assigned_to = %s", company.admin.id)
    await noticing.reply(noticing.a)
    assert [len(await noticing.notices(person)) for person in company.people] == [1, 1, 1]
    assert (await noticing.notices(company.agent))[0]["count"] == 1


async def test_who_may_not_see_a_thread_hears_and_reads_nothing_of_it(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.choose(company.agent, about="all", email="at_once")
    await noticing.reply(noticing.a)
    assert len(await noticing.notices(company.agent)) == 1
    noticing.texting.change("UPDATE company_settings SET agents_see = 'own_and_unassigned'")
    noticing.texting.change("UPDATE conversations SET assigned_to = %s", company.admin.id)

    assert await noticing.notices(company.agent) == []
    assert await noticing.mail(noticing.a, company.agent) == []
    await noticing.reply(noticing.a, sender="+16025550777")
    assert len(await noticing.notices(company.agent)) == 1
    noticing.texting.change("UPDATE conversations SET assigned_to = %s", company.agent.id)
    assert len(await noticing.notices(company.agent)) == 2
    assert len(await noticing.mail(noticing.a, company.agent)) == 1


async def test_one_mail_for_a_thread_until_it_is_read_and_never_what_was_said(noticing: Noticing) -> None:
    agent = noticing.a.company.agent
    await noticing.choose(agent, email="at_once")
    await noticing.reply(noticing.a, body=SECRET)
    await noticing.reply(noticing.a, body=SECRET)
    [planned] = noticing.waiting(noticing.a, MailNotices.kind)
    [(to, subject, body)] = await noticing.mail(noticing.a, agent)
    await noticing.reply(noticing.a)
    again = await noticing.mail(noticing.a, agent)
    await noticing.reply(noticing.a, sender="+16025550777")
    [(_, other, _)] = await noticing.mail(noticing.a, agent)

    assert UUID(planned["user_id"]) == agent.id
    assert timedelta(seconds=30) < planned["run_at"] - utc_now() < timedelta(minutes=2)
    assert (to, subject) == (agent.email, f"2 new texts from {CUSTOMER} · {noticing.a.company.name}")
    assert SECRET not in body
    assert again == []
    assert "+16025550777" in other


async def test_mails_are_not_more_often_than_every_few_minutes_or_once_a_day(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.choose(company.agent, email="at_once")
    await noticing.choose(company.manager, email="digest")
    await noticing.reply(noticing.a)
    await noticing.mail(noticing.a, company.agent)
    noticing.texting.change("DELETE FROM procrastinate_jobs WHERE task_name = 'notices.mail'")
    await noticing.reply(noticing.a, sender="+16025550777")
    at = {UUID(item["user_id"]): item["run_at"] for item in noticing.waiting(noticing.a, MailNotices.kind)}

    assert timedelta(minutes=4) < at[company.agent.id] - utc_now() <= timedelta(minutes=5)
    digest: datetime = at[company.manager.id].astimezone(UTC)
    assert (digest.hour, digest.minute) == (15, 0)  # 8:00 in Phoenix


async def test_a_mail_asks_again_whether_it_may_go_out(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.choose(company.agent, email="at_once")
    await noticing.reply(noticing.a)
    for change, back in (
        ("UPDATE users SET status = 'suspended'", "UPDATE users SET status = 'active'"),
        ("UPDATE notice_preferences SET email = 'off'", "UPDATE notice_preferences SET email = 'at_once'"),
        ("UPDATE conversations SET unread_count = 0", "UPDATE conversations SET unread_count = 1"),
    ):
        noticing.texting.change(change)
        assert await noticing.mail(noticing.a, company.agent) == [], change
        noticing.texting.change(back)
    assert len(await noticing.mail(noticing.a, company.agent)) == 1


async def test_admins_are_told_when_a_webhook_is_given_up(noticing: Noticing) -> None:
    company = noticing.a.company
    body = {"url": "http://127.0.0.1:9/", "kinds": ["call.ended"]}
    made = (await noticing.texting.call("POST", "/api/webhooks", noticing.a, json=body)).json()
    async with noticing.texting.world.tenancy.tenant(noticing.a.company_id) as session:
        await give_up(session, await get_endpoint(session, UUID(made["id"]), lock=True), "failing")
    [job] = noticing.waiting(noticing.a, TellStaff.kind)
    await noticing.tell(noticing.a, TellStaff(news=job["news"], subject_id=UUID(job["subject_id"])))

    [notice] = await noticing.notices(company.admin)
    assert (notice["kind"], notice["subject_id"]) == ("webhook.disabled", made["id"])
    assert await noticing.notices(company.agent) == []


async def test_a_person_is_told_of_what_others_give_them(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.reply(noticing.a)
    path = f"/api/sms/conversations/{await thread_of(noticing)}"
    own = await noticing.texting.world.log_in(company.manager)
    assert (await own.patch(path, json={"assigned_to": str(company.manager.id)})).is_success
    assert noticing.waiting(noticing.a, TellStaff.kind) == []
    for _ in range(2):
        assert (await own.patch(path, json={"assigned_to": str(company.agent.id)})).is_success
    [job] = noticing.waiting(noticing.a, TellStaff.kind)

    assert (job["news"], job["user_id"]) == ("conversation.assigned", str(company.agent.id))
    assert path.endswith(job["subject_id"])


async def test_one_person_can_be_told_and_old_notices_go(noticing: Noticing) -> None:
    company = noticing.a.company
    await noticing.reply(noticing.a)
    thread = UUID(await thread_of(noticing))
    news = TellStaff(
        news="conversation.assigned", subject_id=thread, conversation_id=thread, user_id=company.manager.id
    )
    await noticing.tell(noticing.a, news)
    assert {item["kind"] for item in await noticing.notices(company.manager)} >= {"conversation.assigned"}
    assert {item["kind"] for item in await noticing.notices(company.agent)} == {"message.received"}
    noticing.texting.change("UPDATE notices SET updated_at = now() - interval '31 days' WHERE kind <> %s", news.news)
    await trim_notices(noticing.context(noticing.a), TrimNotices())
    assert {row["kind"] for row in noticing.texting.stored(noticing.a, "notices")["notices"]} == {news.news}


async def test_who_wants_nothing_gets_nothing_and_keys_have_no_notices(noticing: Noticing) -> None:
    await noticing.choose(noticing.a.company.agent, browser=False)
    await noticing.reply(noticing.a)
    by_key = await noticing.texting.call("GET", "/api/notices", noticing.a)

    assert await noticing.notices(noticing.a.company.agent) == []
    assert len(await noticing.notices(noticing.a.company.manager)) == 1
    assert (by_key.status_code, by_key.json()["code"]) == (403, "no_person")
