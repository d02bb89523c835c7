"""STOP, START and HELP: Twilio answers, blocks the pair, and still tells the application."""

import pytest

from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import ACME_SECOND, CUSTOMER, OTHER_CUSTOMER, Application, Phone


async def answers(phone: Phone) -> list[str]:
    listed = await phone.control("GET", "/messages?direction=outbound-reply")
    return [item["body"] for item in listed["messages"]]


@pytest.mark.parametrize(
    "word", ["STOP", "stop", " Stop ", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
)
async def test_a_stop_word_blocks_this_pair_only(phone: Phone, application: Application, word: str) -> None:
    result = await phone.text(word)
    assert application.received[0].form["Body"] == word
    assert result["webhook"]["status"] == 200
    assert len(await answers(phone)) == 1
    status, refused = await phone.send()
    assert (status, refused["code"]) == (400, 21610)
    assert (await phone.send(To=OTHER_CUSTOMER))[0] == 201
    assert (await phone.send(From=ACME_SECOND))[0] == 201
    assert (await phone.control("GET", "/opt-outs"))["opt_outs"] == [{"number": "+16025550100", "customer": CUSTOMER}]


@pytest.mark.parametrize("word", ["START", "yes", "UNSTOP"])
async def test_a_start_word_opens_it_again(phone: Phone, word: str) -> None:
    await phone.text("STOP")
    assert (await phone.send())[1]["code"] == 21610
    await phone.text(word)
    assert (await phone.send())[0] == 201
    assert len(await answers(phone)) == 2


@pytest.mark.parametrize("word", ["please stop", "STOP.", "stop it", "no", "😀"])
async def test_sentences_are_not_keywords(phone: Phone, word: str) -> None:
    await phone.text(word)
    assert (await phone.send())[0] == 201
    assert await answers(phone) == []
    await phone.text("stop")
    assert (await phone.send())[1]["code"] == 21610


async def test_repeated_words_are_answered_once_and_help_always(phone: Phone) -> None:
    await phone.text("STOP")
    await phone.text("STOP")
    assert len(await answers(phone)) == 1
    await phone.text("HELP")
    await phone.text("info")
    assert len(await answers(phone)) == 3


async def test_the_confirmation_is_delivered_although_the_pair_is_blocked(phone: Phone) -> None:
    await phone.text("STOP")

    async def delivered() -> bool:
        listed = await phone.control("GET", "/messages?direction=outbound-reply")
        return [item["status"] for item in listed["messages"]] == ["delivered"]

    await eventually(delivered)


async def test_advanced_opt_out_names_the_wish_and_takes_other_words(phone: Phone, application: Application) -> None:
    await phone.text("BASTA", opt_out_type="STOP")
    assert application.received[0].form["OptOutType"] == "STOP"
    assert application.received[0].genuine
    assert (await phone.send())[1]["code"] == 21610
    status, _ = await phone.try_control(
        "POST", "/inbound", {"from": CUSTOMER, "to": "+16025550100", "body": "x", "opt_out_type": "NO"}
    )
    assert status == 400
