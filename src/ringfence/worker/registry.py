"""Which handler does which job, and which jobs come round by themselves. A kind that is not here fails clearly."""

from collections.abc import Sequence

from ringfence.features.phone_numbers.jobs import SyncHandler
from ringfence.features.phone_numbers.values import SyncPhoneNumbers
from ringfence.features.users.jobs import InvitationMailer
from ringfence.features.users.values import MailInvitation
from ringfence.jobqueue.fanout import Every
from ringfence.jobqueue.jobs import Handlers
from ringfence.runtime.build import Runtime
from ringfence.worker.mail import NoMailer, SMTPMailer


def handlers(runtime: Runtime) -> Handlers:
    """Every kind of job with its handler. Raises ConfigurationError for an unusable mail server address."""
    smtp_url = runtime.settings.smtp_url
    mailer = SMTPMailer(smtp_url.get_secret_value(), runtime.settings.mail_from) if smtp_url else NoMailer()
    return {
        MailInvitation: InvitationMailer(mailer, runtime.keyring),
        SyncPhoneNumbers: SyncHandler(runtime.gateway, runtime.keyring),
    }


def periodic(_runtime: Runtime) -> Sequence[Every]:
    """What every active company gets from time to time."""
    return ()
