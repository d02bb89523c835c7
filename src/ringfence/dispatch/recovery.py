"""Texts of unknown outcome: Twilio's own list is asked, and at the end a person.

A status callback usually answers first and adopts the text; this is for those whose callback never came.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ringfence.dispatch.company import CompanyWork, Open
from ringfence.dispatch.ports import Credentials, Settled
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import TwilioError
from ringfence.providers.twilio.records import MessageInfo, TwilioCredentials

log = structlog.get_logger()

MOST_AT_ONCE = 50
# Twilio's clock and ours may differ, and a message is created a little before or after our intent was written.
CLOCK_SKEW = timedelta(seconds=30)


class MessageFinder:
    """Asks Twilio's message list, with the company's own credentials."""

    def __init__(self, api_url: str, *, timeout_seconds: float = 30.0) -> None:
        self._api_url = api_url
        self._timeout_seconds = timeout_seconds

    async def find(
        self, credentials: Credentials, *, to_number: str, from_number: str, since: datetime
    ) -> Sequence[MessageInfo]:
        """Outbound messages of this pair created since an instant (aware); raises TwilioError."""
        login = TwilioCredentials(credentials.account_sid, credentials.account_sid, credentials.auth_token)
        async with TwilioAccount(login, api_url=self._api_url, timeout_seconds=self._timeout_seconds) as account:
            return await account.find_messages(to=to_number, from_number=from_number, sent_after=since)


async def recover(work: CompanyWork, senders: Sequence[UUID], finder: MessageFinder) -> None:
    """Look for one batch of a company's unknown texts, and record what was found."""
    credentials, texts = await work.open_texts(senders, MOST_AT_ONCE)
    if not texts:
        return
    found: list[Settled] = []
    given_up: list[Open] = []
    look_again: list[Open] = []
    for text in texts:
        match = None
        if isinstance(credentials, Credentials):
            match = await _find(work, credentials, text, finder, taken={item.sid or "" for item in found})
        if match is not None:
            found.append(match)
        elif text.give_up:
            given_up.append(text)
        else:
            look_again.append(text)
    await work.resolve(found, given_up, look_again)


async def _find(
    work: CompanyWork, credentials: Credentials, text: Open, finder: MessageFinder, *, taken: set[str]
) -> Settled | None:
    """The one message at Twilio that can only be this text, or None: two candidates answer nothing."""
    since = text.started_at - CLOCK_SKEW
    try:
        listed = await finder.find(
            credentials, to_number=text.text.to_number, from_number=text.text.from_number, since=since
        )
    except TwilioError as error:
        log.warning("dispatcher.lookup.failed", error=type(error).__name__)
        return None
    # A trial account's texts begin with a notice, so the body is compared from its end.
    alike = [
        m for m in listed if (m.body or "").endswith(text.text.body) and (m.num_media or 0) == len(text.text.media_urls)
    ]
    adopted = await work.adopted([message.sid for message in alike]) | taken
    free = [message for message in alike if message.sid not in adopted]
    if len(free) != 1:
        return None
    message = free[0]
    return Settled(
        text.text.message_id,
        text.attempt,
        credentials.account_sid,
        message.sid,
        message.status,
        message.error_code,
        refused=False,
        via="list",
    )
