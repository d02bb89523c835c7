"""Control-plane calls to one Twilio account: look at its numbers, texts and calls; set webhooks; call; delete."""

from datetime import datetime
from typing import Any, Final

from ringfence.providers.twilio import media
from ringfence.providers.twilio.answers import basic_authorization
from ringfence.providers.twilio.connection import LARGEST_PAGE, checked_sid, pages, unusable_is_unreachable
from ringfence.providers.twilio.errors import TwilioUnreachableError
from ringfence.providers.twilio.lists import Lists
from ringfence.providers.twilio.market import Market
from ringfence.providers.twilio.records import (
    AccountInfo,
    CallInfo,
    MessageInfo,
    NumberInfo,
    account_info,
    call_info,
    message_info,
    number_info,
)
from ringfence.providers.twilio.setup import Setup

_LARGEST_MEDIA_BYTES: Final = 16 * 1024 * 1024
LARGEST_RECORDING_BYTES: Final = 32 * 1024 * 1024
"""Two hours of Twilio's MP3 (32 kbit/s)."""
_RECORDING_SECONDS: Final = 120.0


class TwilioAccount(Market, Setup):
    """One account, reached with its own credentials. Use it as `async with TwilioAccount(...) as account:`.

    Every request has its own deadline of `timeout_seconds`; nothing is ever repeated. Every method raises
    TwilioError and nothing else, except ValueError for a SID that is none. An answer about another account is
    refused as no answer at all. Not for sending: that is SendClient.
    """

    async def fetch_account(self) -> AccountInfo:
        """The account itself: proves the credentials. A Standard API key may not ask this (code 20003)."""
        sid = self._credentials.account_sid
        with unusable_is_unreachable():
            info = account_info(await self._api.api.v2010.accounts(sid).fetch_async())
        self._require_own(info.sid)
        return info

    async def list_numbers(self, *, page_size: int = LARGEST_PAGE) -> list[NumberInfo]:
        """Every phone number of the account, through all pages, however many; or an error, never a part."""
        numbers: list[NumberInfo] = []
        with unusable_is_unreachable():
            first = await self._api.incoming_phone_numbers.page_async(page_size=page_size)
            async for page in pages(first):
                numbers += [number_info(instance) for instance in page]
        for number in numbers:
            self._require_own(number.account_sid)
        return numbers

    async def set_number_webhooks(
        self,
        sid: str,
        *,
        sms_url: str,
        sms_fallback_url: str | None = None,
        voice_url: str | None = None,
        status_callback: str | None = None,
    ) -> NumberInfo:
        """Point a number's inbound texts (and calls, if given) here by POST; returns it as it is now.

        A TwiML application would win over these addresses, so it is taken off the number. An address not
        given stays as it was.
        """
        changes: dict[str, str] = {"sms_url": sms_url, "sms_method": "POST", "sms_application_sid": ""}
        if sms_fallback_url is not None:
            changes |= {"sms_fallback_url": sms_fallback_url, "sms_fallback_method": "POST"}
        if voice_url is not None:
            changes |= {"voice_url": voice_url, "voice_method": "POST", "voice_application_sid": ""}
        if status_callback is not None:
            changes |= {"status_callback": status_callback, "status_callback_method": "POST"}
        number = self._api.incoming_phone_numbers(checked_sid(sid, "PN"))
        with unusable_is_unreachable():
            info = number_info(await number.update_async(**changes))
        self._require_own(info.account_sid)
        return info

    async def fetch_message(self, sid: str) -> MessageInfo:
        """One message of the account, as Twilio has it now."""
        message = self._api.messages(checked_sid(sid, "SM", "MM"))
        with unusable_is_unreachable():
            info = message_info(await message.fetch_async())
        self._require_own(info.account_sid)
        return info

    async def find_messages(
        self,
        *,
        to: str,
        from_number: str | None,
        sent_after: datetime,
        page_size: int = 200,
        max_pages: int = 5,
    ) -> list[MessageInfo]:
        """Texts sent by request (not replies, not inbound) to a number and created at or after an instant.

        Looks at up to `max_pages` pages of what passed between the two numbers. Twilio cannot filter by the
        time of creation, and its filter by the time of sending would miss texts still in its queue. A text just
        accepted may not be listed yet: an empty list proves nothing.
        """
        if sent_after.tzinfo is None:
            raise ValueError("sent_after must be aware")
        filters: dict[str, Any] = {"to": to, "page_size": page_size}
        if from_number is not None:
            filters["from_"] = from_number
        found: list[MessageInfo] = []
        with unusable_is_unreachable():
            first = await self._api.messages.page_async(**filters)
            async for page in pages(first, max_pages=max_pages):
                found += [message_info(instance) for instance in page]
        for message in found:
            self._require_own(message.account_sid)
        return [
            message
            for message in found
            # Twilio's times are whole seconds: one created in the second of `sent_after` counts.
            if message.direction == "outbound-api" and message.created_at >= sent_after.replace(microsecond=0)
        ]

    async def delete_message(self, sid: str) -> None:
        """Delete a message at Twilio, for ever. Code 20009: not finished yet, later."""
        message = self._api.messages(checked_sid(sid, "SM", "MM"))
        with unusable_is_unreachable():
            deleted = await message.delete_async()
        if not deleted:
            raise TwilioUnreachableError("bad_answer")

    async def create_call(
        self, *, to: str, from_number: str, url: str, status_callback: str, ring_seconds: int
    ) -> CallInfo:
        """Ring a number (E.164) from one of the account's own; `url` gives the TwiML once it is answered.

        `status_callback` is told of every state. Twilio has no idempotency key for calls: after any
        TwilioUnreachableError but `busy` the telephone may ring all the same, so asking again may ring twice.
        """
        with unusable_is_unreachable():
            instance = await self._api.calls.create_async(
                to=to,
                from_=from_number,
                url=url,
                status_callback=status_callback,
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                timeout=ring_seconds,
            )
            info = call_info(instance)
        self._require_own(info.account_sid)
        return info

    async def end_call(self, sid: str) -> CallInfo:
        """Hang up a call, whether it rings or people talk. Code 21220: it has ended already."""
        call = self._api.calls(checked_sid(sid, "CA"))
        with unusable_is_unreachable():
            info = call_info(await call.update_async(status="completed"))
        self._require_own(info.account_sid)
        return info

    async def fetch_call(self, sid: str) -> CallInfo:
        """One leg of a call, as Twilio has it now; reading may lag behind its callbacks."""
        call = self._api.calls(checked_sid(sid, "CA"))
        with unusable_is_unreachable():
            info = call_info(await call.fetch_async())
        self._require_own(info.account_sid)
        return info

    async def find_calls(
        self, *, to: str, from_number: str, created_after: datetime, page_size: int = 50
    ) -> list[CallInfo]:
        """Calls made by request between two numbers and created at or after an instant: the newest page of them.

        A call just accepted may not be listed yet: an empty list proves nothing.
        """
        with unusable_is_unreachable():
            page = await self._api.calls.page_async(to=to, from_=from_number, page_size=page_size)
            found = [call_info(instance) for instance in page]
        for call in found:
            self._require_own(call.account_sid)
        since = created_after.replace(microsecond=0)
        return [call for call in found if call.direction == "outbound-api" and call.created_at >= since]

    async def fetch_recording(self, sid: str, *, max_bytes: int = LARGEST_RECORDING_BYTES) -> media.FetchedMedia:
        """The sound of a recording as MP3, whole and in memory. Raises MediaRefusedError over `max_bytes`."""
        account = self._credentials.account_sid
        path = f"/2010-04-01/Accounts/{account}/Recordings/{checked_sid(sid, 'RE')}.mp3"
        return await self.fetch_media(
            f"{self._base_url}{path}", max_bytes=max_bytes, timeout_seconds=_RECORDING_SECONDS
        )

    async def fetch_media(
        self, url: str, *, max_bytes: int = _LARGEST_MEDIA_BYTES, timeout_seconds: float | None = None
    ) -> media.FetchedMedia:
        """A media file by the address a webhook gave, with the account's credentials, whole and in memory.

        Raises MediaRefusedError for an address that is not Twilio's or a file over `max_bytes`.
        """
        if self._session is None:
            raise RuntimeError("use TwilioAccount in an `async with`")
        return await media.fetch_media(
            self._session,
            url,
            base_url=self._base_url,
            authorization=basic_authorization(self._credentials.auth_user, self._credentials.auth_secret),
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds or self._timeout_seconds,
        )

    @property
    def lists(self) -> Lists:
        """The account's log of texts, calls and recordings."""
        return Lists(self._api, self._credentials.account_sid, self._base_url)
