"""Texts of unknown outcome: Twilio's own list is asked, and at the end a person.

A status callback usually answers first and adopts the text; this is for those whose callback never came.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import groupby
from uuid import UUID

import structlog

from ringfence.dispatch.company import CompanyWork, Open
from ringfence.dispatch.ports import Credentials, Settled
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import TwilioError
from ringfence.providers.twilio.records import MessageInfo, TwilioCredentials

log = structlog.get_logger()

MOST_AT_ONCE = 200
# Look-ups share Twilio's limit of concurrent requests with the texts that are being sent.
LOOKUPS_AT_ONCE = 4
# Twilio's clock and ours may differ, and its times are whole seconds.
CLOCK_SKEW = timedelta(seconds=30)
# What Twilio puts before each text of a trial account; it is in the list's body too.
TRIAL_NOTICE = re.compile(r"^Sent from [a-z]{1,9} Twilio trial account - ")


class MessageFinder:
    """The way to Twilio's message list, with a company's own credentials."""

    def __init__(self, api_url: str, *, timeout_seconds: float = 30.0) -> None:
        self._api_url = api_url
        self._timeout_seconds = timeout_seconds

    def account(self, credentials: Credentials) -> AbstractAsyncContextManager[TwilioAccount]:
        """The company's account; each of its requests has the deadline."""
        login = TwilioCredentials(credentials.account_sid, credentials.account_sid, credentials.auth_token)
        return TwilioAccount(login, api_url=self._api_url, timeout_seconds=self._timeout_seconds)


async def recover(work: CompanyWork, senders: Sequence[UUID], finder: MessageFinder) -> None:
    """Look for one batch of a company's unknown texts, and record what was found."""
    credentials, texts = await work.open_texts(senders, MOST_AT_ONCE)
    found: list[Settled] = []
    if texts and isinstance(credentials, Credentials):
        found = await _look_up(work, credentials, texts, finder)
    known = {item.message_id for item in found}
    given_up = [item for item in texts if item.give_up and item.text.message_id not in known]
    if found or given_up:
        await work.resolve(found, given_up)


async def _look_up(
    work: CompanyWork, credentials: Credentials, texts: Sequence[Open], finder: MessageFinder
) -> list[Settled]:
    """Ask once per pair of numbers, a few at a time; a failed question answers nothing."""
    slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)
    likely: list[tuple[list[Open], list[MessageInfo]]] = []
    async with finder.account(credentials) as account, asyncio.TaskGroup() as group:

        async def ask(pair: list[Open]) -> None:
            async with slots:
                listed = await _list(pair, account)
            for _, same in groupby(sorted(pair, key=_content), key=_content):
                alike = list(same)
                likely.append((alike, [message for message in listed if _is_content(alike[0], message)]))

        for _, members in groupby(sorted(texts, key=_pair), key=_pair):
            pair = list(members)
            if not all(item.rival for item in pair):
                group.create_task(ask(pair))
    adopted = await work.adopted([message.sid for _, messages in likely for message in messages])
    longest = timedelta(seconds=work.deadlines.presumed_dead)
    return [
        _settled(item, message, credentials.account_sid)
        for alike, messages in likely
        for item, message in _match(alike, [m for m in messages if m.sid not in adopted], longest)
        if not item.rival
    ]


async def _list(pair: Sequence[Open], account: TwilioAccount) -> Sequence[MessageInfo]:
    text, since = pair[0].text, min(item.started_at for item in pair) - CLOCK_SKEW
    try:
        return await account.find_messages(to=text.to_number, from_number=text.from_number, sent_after=since)
    except TwilioError as error:
        log.warning("dispatcher.lookup.failed", error=type(error).__name__)
        return ()


def _settled(item: Open, message: MessageInfo, account_sid: str) -> Settled:
    return Settled(
        item.text.message_id,
        item.attempt,
        account_sid,
        message.sid,
        message.status,
        message.error_code,
        refused=False,
        via="list",
    )


def _match(
    alike: Sequence[Open], candidates: Sequence[MessageInfo], longest: timedelta
) -> list[tuple[Open, MessageInfo]]:
    """Texts with the same content and the messages that can only be they: as many of these as of those, or none.

    Fewer messages than texts do not say which text arrived, and more do not say which of them is ours. A message made
    after a POST can have ended is a later text.
    """
    made = sorted(candidates, key=lambda message: message.created_at)
    begun = sorted(alike, key=lambda item: item.started_at)
    if len(made) != len(begun):
        return []
    matches = list(zip(begun, made, strict=True))
    fits = all(i.started_at - CLOCK_SKEW <= m.created_at <= i.started_at + longest + CLOCK_SKEW for i, m in matches)
    return matches if fits else []


def _is_content(item: Open, message: MessageInfo) -> bool:
    body = TRIAL_NOTICE.sub("", message.body)
    return body.strip() == item.text.body.strip() and (message.num_media or 0) == len(item.text.media_urls)


def _pair(item: Open) -> tuple[str, str]:
    return item.text.to_number, item.text.from_number


def _content(item: Open) -> tuple[str, int]:
    return item.text.body.strip(), len(item.text.media_urls)
