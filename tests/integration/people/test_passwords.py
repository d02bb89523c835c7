"""Passwords: Argon2id, the same cost for nobody, and a bound on how many are hashed at once."""

import asyncio

import pytest

from ringfence.errors import InvalidInputError, TooManyRequestsError
from ringfence.features.users.values import PasswordHasher, check_password, login_name, parse_email
from tests.factories.people import cheap_hasher


async def test_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    hasher = PasswordHasher()
    first, second = await hasher.hash("correct horse battery"), await hasher.hash("correct horse battery")

    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert await hasher.verify(first, "correct horse battery")
    assert not await hasher.verify(first, "Correct horse battery")


async def test_nobody_has_any_password() -> None:
    hasher = cheap_hasher()

    assert not await hasher.verify(None, "")
    assert not await hasher.verify(None, "correct horse battery")
    assert await hasher.verify(await hasher.hash(""), "")


async def test_flood_is_refused_instead_of_queued_without_end() -> None:
    hasher = PasswordHasher(time_cost=1, memory_kib=8, parallelism=1, at_once=1, waiting=2)

    answers = await asyncio.gather(*(hasher.hash("x") for _ in range(10)), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, TooManyRequestsError)]
    assert len(refused) == 7
    assert all(answer.startswith("$argon2id$") for answer in answers if isinstance(answer, str))
    assert await hasher.hash("afterwards")


@pytest.mark.parametrize(
    ("written", "shown", "norm"),
    [
        ("Ana@Example.com", "Ana@example.com", "ana@example.com"),
        ("  ana@crm.local ", "ana@crm.local", "ana@crm.local"),
        ("ana@office", "ana@office", "ana@office"),
        ("ána@exämple.de", "ána@exämple.de", "ána@exämple.de"),
    ],
)
def test_email_keeps_its_spelling_and_is_compared_in_lower_case(written: str, shown: str, norm: str) -> None:
    email = parse_email(written)

    assert (email.shown, email.norm) == (shown, norm)
    assert login_name(written) == login_name(written.upper()) == norm


@pytest.mark.parametrize("password", ["x" * 9, "x" * 201, "ana@example.com", " ANA@example.com "])
def test_weak_password(password: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_password(password, email="Ana@Example.com")
    assert refused.value.code == "weak_password"
    assert check_password("x" * 10, email="Ana@Example.com") == "x" * 10
