"""The table of Twilio's error codes: complete sentences, and no code that permits a double text."""

import pytest

from ringfence.providers.twilio.codes import Retry, Scope, explain, known_codes


def test_every_code_reads_as_sentences() -> None:
    for code in known_codes():
        entry = explain(code)
        assert entry.code == code
        for sentence in filter(None, (entry.meaning, entry.fix)):
            assert sentence[0].isupper(), code
            assert sentence.endswith("."), code


@pytest.mark.parametrize(
    ("code", "retry", "scope"),
    [
        (20003, Retry.AFTER_FIX, Scope.ACCOUNT),
        (20429, Retry.SOON, Scope.ACCOUNT),
        (20500, Retry.UNKNOWN, Scope.TEXT),
        (21610, Retry.NEVER, Scope.RECIPIENT),
        (21611, Retry.LATER, Scope.SENDER),
        (21606, Retry.AFTER_FIX, Scope.SENDER),
        (30003, Retry.BY_PERSON, Scope.RECIPIENT),
        (30410, Retry.UNKNOWN, Scope.TEXT),
        (63038, Retry.LATER, Scope.ACCOUNT),
    ],
)
def test_codes_that_steer_sending_say_what_they_always_said(code: int, retry: Retry, scope: Scope) -> None:
    assert (explain(code).retry, explain(code).scope) == (retry, scope)


def test_only_the_concurrency_limit_may_be_retried_at_once() -> None:
    assert [code for code in known_codes() if explain(code).retry is Retry.SOON] == [20429]


def test_an_unknown_code_or_none_is_answered_and_never_retried() -> None:
    assert explain(99999).retry is Retry.NEVER
    assert "99999" in explain(99999).meaning
    assert explain(None).retry is Retry.NEVER
    assert explain(None).code is None
