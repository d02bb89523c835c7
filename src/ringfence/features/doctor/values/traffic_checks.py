"""Checks of the last day's texts: what waits, what failed, and whether Twilio reports."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from ringfence.features.doctor.values.facts import Backlog
from ringfence.features.doctor.values.findings import Finding, ok
from ringfence.providers.twilio.codes import explain

_SLOW: Final = timedelta(minutes=15)
_MOST_CODES: Final = 5


def check_traffic(backlog: Backlog, *, now: datetime) -> Iterator[Finding]:
    """Waiting, held, unconfirmed and failed texts, and reports that are missing."""
    late = backlog.oldest_due is not None and now - backlog.oldest_due > _SLOW
    if backlog.waiting and late:
        minutes = int((now - (backlog.oldest_due or now)).total_seconds() // 60)
        yield Finding(
            "texts.waiting",
            "problem",
            f"{backlog.waiting} texts wait to go out, the oldest for {minutes} minutes.",
            "See that `ringfence work` runs (`/readyz` says so). A long bulk send through one number takes its time.",
        )
    else:
        yield ok("texts.waiting", f"{backlog.waiting} texts wait to go out, none for long.")
    if backlog.held:
        yield Finding(
            "texts.held",
            "notice",
            f"{backlog.held} texts of the last day are held by the company's own rules.",
            "They go out by themselves; each one's timeline says when and why.",
        )
    if backlog.unconfirmed:
        yield Finding(
            "texts.unconfirmed",
            "problem",
            f"{backlog.unconfirmed} texts of the last day are unconfirmed: nobody knows whether Twilio took them.",
            "Look at each in Twilio's log before sending it again.",
        )
    yield from _check_failures(backlog)
    yield from _check_reports(backlog)


def _check_failures(backlog: Backlog) -> Iterator[Finding]:
    worst = sorted(backlog.failed.items(), key=lambda item: -item[1])
    for code, count in worst[:_MOST_CODES]:
        explained = explain(code)
        word = "no code" if code is None else f"code {code}"
        fix = explained.fix or "Nothing can be done about it here."
        yield Finding("texts.failed", "notice", f"{count} texts failed in a day with {word}: {explained.meaning}", fix)
    if not worst:
        yield ok("texts.failed", "No text failed within a day.")


def _check_reports(backlog: Backlog) -> Iterator[Finding]:
    check = "texts.reports"
    if not backlog.accepted:
        yield ok(check, "No text of the last day is old enough to miss Twilio's report.")
        return
    if not backlog.unreported:
        yield ok(check, "Twilio reports on the texts that it takes.")
        return
    all_of_them = backlog.unreported == backlog.accepted
    yield Finding(
        check,
        "problem" if all_of_them else "notice",
        f"{backlog.unreported} of {backlog.accepted} texts that Twilio took over an hour ago have had no report.",
        "See that Twilio reaches PUBLIC_URL and that the proxy changes neither path nor query (signatures cover both);"
        " Twilio's error log says more."
        if all_of_them
        else "Some were lost, as happens when the server is away; a sweep asks Twilio about them.",
    )
