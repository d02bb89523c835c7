"""The Recordings resource of accounts and calls, and the sound itself at the address without `.json`."""

from aiohttp import web

from ringfence.emulator.answers import answer, no_content
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.filters import date_filter
from ringfence.emulator.messages import PREFIX
from ringfence.emulator.paging import page
from ringfence.emulator.voice_book import Recording
from ringfence.emulator.voice_renders import call_recording_json, recording_json
from ringfence.emulator.voice_sound import mp3, wav
from ringfence.emulator.world import Account


class Recordings:
    """Handlers of the Recordings resource; all of them behind Basic authentication."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        self._exchange = exchange
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """The routes; those with an ending come before the bare SID, which would match them too."""
        guard = self._door.guard
        path = f"{PREFIX}/Recordings"
        return [
            web.get(f"{path}.json", guard("read", self.list)),
            web.get(f"{PREFIX}/Calls/{{call_sid}}/Recordings.json", guard("read", self.list_of_call)),
            web.get(f"{path}/{{sid}}.json", guard("read", self.fetch)),
            web.delete(f"{path}/{{sid}}.json", guard("write", self.delete)),
            web.get(f"{path}/{{sid}}.mp3", guard("media", self.compressed)),
            web.get(f"{path}/{{sid}}.wav", guard("media", self.content)),
            web.get(f"{path}/{{sid}}", guard("media", self.content)),
        ]

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """A page of recordings, newest first, filtered by CallSid and DateCreated."""
        call_sid = request.query.get("CallSid", "")
        created = date_filter(request, "DateCreated")

        def matches(recording: Recording) -> bool:
            return call_sid in {"", recording.call_sid} and created(recording.date_created)

        rows = self._exchange.calls.recordings_of(account.sid)
        return answer(page(request, "recordings", rows, matches, self._render))

    async def list_of_call(self, request: web.Request, account: Account) -> web.StreamResponse:
        """A page of the recordings of one call."""
        call = self._exchange.calls.calls.get(request.match_info["call_sid"])
        if call is None or call.account_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return answer(page(request, "recordings", call.recordings, lambda _: True, call_recording_json))

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One recording as a resource."""
        return answer(self._render(self._recording(request, account)))

    async def delete(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Delete a recording for good."""
        self._exchange.calls.forget(self._recording(request, account))
        return no_content()

    async def content(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The sound as WAV; 404 until the recording is complete."""
        recording = self._complete(request, account)
        channels = 2 if request.query.get("RequestedChannels") == "2" and recording.channels == 2 else 1
        return web.Response(body=wav(recording.seconds, channels), content_type="audio/x-wav")

    async def compressed(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The sound as MP3; 404 until the recording is complete."""
        return web.Response(body=mp3(self._complete(request, account).seconds), content_type="audio/mpeg")

    def _complete(self, request: web.Request, account: Account) -> Recording:
        recording = self._recording(request, account)
        if recording.status != "completed":
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return recording

    def _recording(self, request: web.Request, account: Account) -> Recording:
        recording = self._exchange.calls.recordings.get(request.match_info["sid"])
        if recording is None or recording.account_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return recording

    def _render(self, recording: Recording) -> dict[str, object]:
        return recording_json(recording, self._exchange.base_url)
