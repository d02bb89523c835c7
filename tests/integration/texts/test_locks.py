"""A callback that brings a text's SID must not make the dispatcher wait that writes on the text's timeline.

The dispatcher holds the outbox row which the callback deletes last: if it waited for the callback, neither would end.
"""

import psycopg

from tests.factories.cluster import Database
from tests.factories.texts import Texting

NOTE = """
    INSERT INTO message_events (company_id, id, message_id, at, kind, detail)
    VALUES (%s, gen_random_uuid(), %s, now(), 'noted', '{}')
"""


async def test_a_new_sid_lets_the_timeline_be_written(texting: Texting, database: Database) -> None:
    text = await texting.sent(texting.a)
    key = (texting.a.company_id, text["id"])
    with psycopg.connect(database.admin_url) as callback, psycopg.connect(database.admin_url) as dispatcher:
        dispatcher.execute("SET lock_timeout = '2s'")
        callback.execute("UPDATE sms_messages SET twilio_sid = 'SM1' WHERE company_id = %s AND id = %s", key)

        written = dispatcher.execute(NOTE, key).rowcount
    assert written == 1


async def test_a_new_key_does_not(texting: Texting, database: Database) -> None:
    """The control: such a wait is there to be seen, and is seen."""
    text = await texting.sent(texting.a)
    key = (texting.a.company_id, text["id"])
    with psycopg.connect(database.admin_url) as other, psycopg.connect(database.admin_url) as dispatcher:
        dispatcher.execute("SET lock_timeout = '200ms'")
        other.execute("SELECT FROM sms_messages WHERE company_id = %s AND id = %s FOR UPDATE", key)
        try:
            dispatcher.execute(NOTE, key)
        except psycopg.errors.LockNotAvailable:
            waited = True
        else:
            waited = False
    assert waited
