"""Which handler does which job, and which jobs come round by themselves. A kind that is not here fails clearly."""

from collections.abc import Sequence
from datetime import timedelta

from ringfence.features.audit_log.jobs import seal_audit_log
from ringfence.features.audit_log.values import SealAuditLog
from ringfence.features.bulk.jobs.lists import ReadListHandler, SweepListsHandler
from ringfence.features.bulk.jobs.sends import rehearse_bulk, run_bulk
from ringfence.features.bulk.queries.sends import COMPANIES_DUE as COMPANIES_WITH_BULK_DUE
from ringfence.features.bulk.values.lists import ReadList, SweepLists
from ringfence.features.bulk.values.sends import RehearseBulk, RunBulk
from ringfence.features.calls.jobs import (
    FetchRecordingHandler,
    HangUpHandler,
    PlaceCallHandler,
    RemoveRecordingsHandler,
    SweepCallsHandler,
)
from ringfence.features.calls.values.jobs import FetchRecording, HangUpCall, PlaceCall, RemoveRecordings, SweepCalls
from ringfence.features.companies.values import RefreshHealth, ReviewHeld
from ringfence.features.contacts.jobs import ImportHandler
from ringfence.features.contacts.values import ImportContacts
from ringfence.features.conversations.jobs import EndSnoozeHandler, release_conversations
from ringfence.features.conversations.values import EndSnooze, PurgeConversation
from ringfence.features.events.jobs import trim_events
from ringfence.features.events.values import TellStaff, TrimEvents
from ringfence.features.inbox.jobs import PurgeHandler
from ringfence.features.messages.jobs import (
    AnswerByItselfHandler,
    FetchMediaHandler,
    IndexTextsHandler,
    RemoveMediaHandler,
    RemoveUploadHandler,
    ReviewHeldHandler,
    SweepHandler,
)
from ringfence.features.messages.values import (
    AnswerByItself,
    FetchMedia,
    IndexTexts,
    RemoveMedia,
    RemoveUpload,
    SweepMessages,
)
from ringfence.features.notices.jobs import NoticeMailer, note_reply, tell_staff, trim_notices
from ringfence.features.notices.values import MailNotices, NoteReply, TrimNotices
from ringfence.features.outgoing_webhooks.jobs import trim_webhooks
from ringfence.features.outgoing_webhooks.values.jobs import TrimWebhooks
from ringfence.features.phone_numbers.jobs import SettlePurchaseHandler, SyncHandler
from ringfence.features.phone_numbers.values import SettlePurchase, SyncPhoneNumbers
from ringfence.features.platform.jobs import refresh_health
from ringfence.features.platform.queries import ALL_COMPANIES
from ringfence.features.scheduling.jobs import SendDueHandler
from ringfence.features.scheduling.queries import COMPANIES_DUE
from ringfence.features.scheduling.values import SendDue
from ringfence.features.sync.actions.sweeps import note_learned
from ringfence.features.sync.jobs import BeginSweepHandler, RunSyncHandler
from ringfence.features.sync.values import BeginSweep, RunSync
from ringfence.features.users.jobs import InvitationMailer, PasswordResetMailer
from ringfence.features.users.values import MailInvitation, MailPasswordReset, ReleaseConversations
from ringfence.jobqueue.fanout import Every, every
from ringfence.jobqueue.jobs import Handlers
from ringfence.runtime.build import Runtime
from ringfence.runtime.receiving import AFTER_RECEIVING
from ringfence.worker.mail import NoMailer, SMTPMailer

# Twilio reports by itself, mostly within seconds; only a text that stays unfinished for so many sweeps is asked about.
TURNS_BEFORE_FIRST_LOOK = 5

SEAL_SECONDS = 60.0
TRIM_WEBHOOKS_SECONDS = 3600.0
TRIM_NOTICES_SECONDS = 6 * 3600.0
HEALTH_SECONDS = 60.0
TRIM_EVENTS_SECONDS = 300.0
LISTS_SECONDS = 3600.0


def handlers(runtime: Runtime) -> Handlers:
    """Every kind of job with its handler. Raises ConfigurationError for an unusable mail server address."""
    smtp_url = runtime.settings.smtp_url
    mailer = SMTPMailer(smtp_url.get_secret_value(), runtime.settings.mail_from) if smtp_url else NoMailer()
    return {
        SealAuditLog: seal_audit_log,
        RefreshHealth: refresh_health,
        TrimEvents: trim_events,
        MailInvitation: InvitationMailer(mailer, runtime.keyring),
        MailPasswordReset: PasswordResetMailer(mailer, runtime.keyring),
        SyncPhoneNumbers: SyncHandler(runtime.gateway, runtime.keyring),
        SettlePurchase: SettlePurchaseHandler(runtime.gateway, runtime.keyring),
        ImportContacts: ImportHandler(runtime.uploads),
        FetchMedia: FetchMediaHandler(runtime.gateway, runtime.keyring, runtime.media),
        RemoveMedia: RemoveMediaHandler(runtime.media),
        RemoveUpload: RemoveUploadHandler(runtime.media),
        ReviewHeld: ReviewHeldHandler(),
        AnswerByItself: AnswerByItselfHandler(),
        SendDue: SendDueHandler(),
        ReadList: ReadListHandler(runtime.list_files),
        SweepLists: SweepListsHandler(runtime.list_files),
        RehearseBulk: rehearse_bulk,
        RunBulk: run_bulk,
        EndSnooze: EndSnoozeHandler(),
        ReleaseConversations: release_conversations,
        IndexTexts: IndexTextsHandler(),
        PurgeConversation: PurgeHandler(),
        TrimWebhooks: trim_webhooks,
        NoteReply: note_reply,
        TellStaff: tell_staff,
        MailNotices: NoticeMailer(mailer, runtime.settings.public_url),
        TrimNotices: trim_notices,
        SweepMessages: SweepHandler(
            runtime.gateway,
            runtime.keyring,
            first_look=timedelta(seconds=TURNS_BEFORE_FIRST_LOOK * runtime.settings.sweep_seconds),
            tell=note_learned,
        ),
        RunSync: RunSyncHandler(runtime.gateway, runtime.keyring, AFTER_RECEIVING),
        BeginSweep: BeginSweepHandler(),
        PlaceCall: PlaceCallHandler(runtime.gateway, runtime.keyring),
        HangUpCall: HangUpHandler(runtime.gateway, runtime.keyring),
        FetchRecording: FetchRecordingHandler(runtime.gateway, runtime.keyring, runtime.media),
        RemoveRecordings: RemoveRecordingsHandler(runtime.media),
        SweepCalls: SweepCallsHandler(
            runtime.gateway,
            runtime.keyring,
            silence=timedelta(seconds=TURNS_BEFORE_FIRST_LOOK * runtime.settings.sweep_seconds),
        ),
    }


def periodic(runtime: Runtime) -> Sequence[Every]:
    """What companies get from time to time: all active ones, or those that have something due."""
    return (
        every(runtime.settings.sweep_seconds, SweepMessages),
        every(runtime.settings.sweep_seconds, SweepCalls),
        every(runtime.settings.log_sweep_seconds, BeginSweep),
        every(runtime.settings.schedule_seconds, SendDue, among=COMPANIES_DUE),
        every(runtime.settings.bulk_seconds, RunBulk, among=COMPANIES_WITH_BULK_DUE),
        every(SEAL_SECONDS, SealAuditLog),
        every(TRIM_WEBHOOKS_SECONDS, TrimWebhooks),
        every(TRIM_NOTICES_SECONDS, TrimNotices),
        every(HEALTH_SECONDS, RefreshHealth, among=ALL_COMPANIES),
        every(TRIM_EVENTS_SECONDS, TrimEvents),
        every(LISTS_SECONDS, SweepLists),
    )
