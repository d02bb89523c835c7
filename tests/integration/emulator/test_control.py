"""Accounts, numbers, settings, phones, mailbox and the process itself."""

import asyncio
import json
import signal
import sys
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import aiosmtplib
import pytest

from ringfence.emulator import AccountSeed, Emulator, NumberSeed, read_seeds
from ringfence.emulator.mailbox import Mailbox
from ringfence.emulator.process import main
from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import (
    ACME_NUMBER,
    ACME_SID,
    ACME_TOKEN,
    BOLT_NUMBER,
    BOLT_SID,
    CUSTOMER,
    Application,
    Phone,
)


async def test_accounts_and_their_numbers_are_shown(phone: Phone, application: Application) -> None:
    accounts = (await phone.control("GET", "/accounts"))["accounts"]
    assert (accounts[0]["sid"], accounts[0]["auth_token"]) == (ACME_SID, ACME_TOKEN)
    assert accounts[0]["numbers"][0]["phone_number"] == ACME_NUMBER
    assert accounts[0]["numbers"][0]["sms_url"] == f"{application.url}/sms?company=1&x=a%20b"


async def test_accounts_and_numbers_can_be_added_while_it_runs(phone: Phone) -> None:
    made = await phone.control(
        "POST", "/accounts", {"friendly_name": "Cove", "numbers": [{"phone_number": "+13055550100"}]}
    )
    sid, token = made["sid"], made["auth_token"]
    assert (await phone.rest("GET", ".json", sid=sid, token=token))[1]["friendly_name"] == "Cove"
    await phone.control("POST", f"/accounts/{sid}/numbers", {"phone_number": "+13055550101"})
    form = {"From": "+13055550101", "To": CUSTOMER, "Body": "x"}
    assert (await phone.rest("POST", "/Messages.json", sid=sid, token=token, form=form))[0] == 201
    for body in ({"numbers": [{"phone_number": ACME_NUMBER}]}, {"account_sid": ACME_SID}, {"account_sid": "AC1"}):
        status, _ = await phone.try_control("POST", "/accounts", {"friendly_name": "x"} | body)
        assert status == 400


async def test_a_rotated_token_signs_and_opens_and_the_old_one_does_not(phone: Phone, application: Application) -> None:
    await phone.control("PATCH", f"/accounts/{ACME_SID}", {"auth_token": "new-token"})
    assert (await phone.send())[0] == 401
    assert (await phone.rest("GET", ".json", token="new-token"))[0] == 200
    application.tokens[ACME_SID] = "new-token"
    await phone.text("hello")
    assert application.received[0].genuine


async def test_a_suspended_account_can_be_read_and_nothing_else(phone: Phone) -> None:
    await phone.control("PATCH", f"/accounts/{ACME_SID}", {"status": "suspended"})
    assert (await phone.rest("GET", ".json"))[1]["status"] == "suspended"
    status, refused = await phone.send()
    assert (status, refused["code"]) == (403, 20005)
    await phone.control("PATCH", f"/accounts/{ACME_SID}", {"status": "active"})
    assert (await phone.send())[0] == 201


async def test_settings_change_one_by_one_and_mistakes_change_nothing(phone: Phone) -> None:
    changed = await phone.control("PUT", "/settings", {"price_delay": [1, 2], "latency": 0.01})
    assert (changed["price_delay"], changed["latency"], changed["concurrency_limit"]) == ([1, 2], [0.01, 0.01], 0)
    for body in ({"latency": 0.5, "unknown": 1}, {"latency": [2, 1]}, {"latency": "x"}, {"concurrency_limit": -1}):
        status, answer = await phone.try_control("PUT", "/settings", body)
        assert status == 400
        assert answer["error"]
    assert await phone.control("GET", "/settings") == changed


@pytest.mark.parametrize(
    "body",
    [
        {"to": ACME_NUMBER, "body": "x"},
        {"from": CUSTOMER, "body": "x"},
        {"from": CUSTOMER, "to": ACME_NUMBER},
        {"from": CUSTOMER, "to": ACME_NUMBER, "body": "x" * 1601},
        {"from": CUSTOMER, "to": ACME_NUMBER, "body": "\ud800"},
        {"from": CUSTOMER, "to": ACME_NUMBER, "body": "x", "media_urls": ["data:nonsense"]},
        {"from": CUSTOMER, "to": ACME_NUMBER, "body": "x", "company": "y"},
    ],
)
async def test_mistaken_inbound_texts_are_refused(phone: Phone, application: Application, body: dict[str, str]) -> None:
    assert (await phone.try_control("POST", "/inbound", body))[0] == 400
    assert application.received == []
    await phone.text("x")
    assert len(application.received) == 1


async def test_a_text_goes_to_the_account_that_owns_the_number(phone: Phone, application: Application) -> None:
    body = {"from": CUSTOMER, "to": BOLT_NUMBER, "body": "x"}
    assert (await phone.try_control("POST", "/inbound", body | {"account_sid": ACME_SID}))[0] == 404
    result = await phone.control("POST", "/inbound", body | {"account_sid": BOLT_SID})
    assert result["account_sid"] == BOLT_SID
    assert application.received[0].form["AccountSid"] == BOLT_SID


async def test_pages_of_other_sites_cannot_use_the_control_interface(phone: Phone) -> None:
    url = f"{phone.emulator.base_url}/emulator/accounts"
    async with phone.session.get(url, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
        assert ACME_TOKEN not in await answer.text()
    async with phone.session.get(url, headers={"Sec-Fetch-Site": "same-origin"}) as answer:
        assert answer.status == 200


async def test_phones_show_threads_by_company_number(phone: Phone) -> None:
    _, made = await phone.send("<b>from Acme</b>")
    await phone.until_status(made["sid"], "delivered")
    await phone.control("POST", "/inbound", {"from": CUSTOMER, "to": BOLT_NUMBER, "body": "to Bolt"})
    listed = await phone.control("GET", "/phones")
    assert [item["number"] for item in listed["phones"]] == [CUSTOMER]
    assert listed["phones"][0]["last"]["body"] == "to Bolt"
    shown = await phone.control("GET", f"/phones/{CUSTOMER}")
    threads = {
        item["company"]: [(text["body"], text["mine"]) for text in item["messages"]] for item in shown["threads"]
    }
    assert threads == {"Bolt": [("to Bolt", True)], "Acme": [("<b>from Acme</b>", False)]}


async def test_the_page_is_told_of_changes(phone: Phone) -> None:
    async with phone.session.get(f"{phone.emulator.base_url}/emulator/events") as events:
        first = json.loads((await events.content.readline()).decode().removeprefix("data: "))
        await phone.send()
        await events.content.readline()
        second = json.loads((await events.content.readline()).decode().removeprefix("data: "))
    assert second["version"] > first["version"]


async def test_the_pages_load_nothing_from_elsewhere(phone: Phone) -> None:
    base = phone.emulator.base_url
    async with phone.session.get(base, allow_redirects=True) as answer:
        assert answer.url.path == "/phones"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert "/phones.js" in text
    for path in ("/phones", "/phones.js", "/phones.css"):
        async with phone.session.get(f"{base}{path}") as answer:
            assert answer.status == 200
            content = await answer.text()
        assert "https://" not in content
        assert "onclick" not in content
        assert "innerHTML" not in content


async def test_the_mailbox_takes_mail_by_smtp_and_shows_it() -> None:
    mailbox = Mailbox(limit=2)
    emulator = Emulator(mailbox=mailbox)
    await emulator.start()
    await mailbox.start()
    try:
        address = urlsplit(mailbox.url)
        for number in range(3):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "a@x.example", "b@y.example", f"Grüße {number}"
            message.set_content(f"link {number}: http://127.0.0.1/x")
            message.add_alternative(f"<p>link {number}</p>", subtype="html")
            await aiosmtplib.send(message, hostname=address.hostname, port=address.port, start_tls=False)
        assert [mail.subject for mail in mailbox.mails] == ["Grüße 2", "Grüße 1"]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{emulator.base_url}/emulator/mailbox?to=b@y.example") as answer:
                mails = (await answer.json())["mails"]
            assert mails[0]["text"].strip() == "link 2: http://127.0.0.1/x"
            assert mails[0]["html"].strip() == "<p>link 2</p>"
            assert (mails[0]["to"], mails[0]["sender"]) == (["b@y.example"], "a@x.example")
            async with session.get(f"{emulator.base_url}/mailbox") as answer:
                assert answer.status == 200
            async with session.delete(f"{emulator.base_url}/emulator/mailbox") as answer:
                assert (await answer.json())["removed"] == 2
    finally:
        await mailbox.stop()
        await emulator.stop()


def test_seeds_are_checked() -> None:
    number = NumberSeed(phone_number=ACME_NUMBER)
    account = AccountSeed(friendly_name="Acme", numbers=[number])
    assert len(Emulator([account]).accounts()) == 1
    for wrong in ([account, account], [AccountSeed(friendly_name="x", numbers=[NumberSeed(phone_number="1")])]):
        with pytest.raises(ValueError, match="number"):
            Emulator(wrong)


def test_a_seeded_emulator_repeats_itself() -> None:
    account = AccountSeed(friendly_name="Acme")
    assert Emulator([account], seed=1).accounts() == Emulator([account], seed=1).accounts()
    assert Emulator([account], seed=1).accounts() != Emulator([account], seed=2).accounts()
    assert ACME_TOKEN not in repr(AccountSeed(friendly_name="Acme", auth_token=ACME_TOKEN))


async def test_the_process_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    accounts, ready = tmp_path / "accounts.json", tmp_path / "ready.json"
    accounts.write_text(json.dumps([{"friendly_name": "Acme", "account_sid": ACME_SID, "auth_token": ACME_TOKEN}]))
    arguments = ["--accounts", str(accounts), "--ready-file", str(ready), "--smtp-port", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ringfence.emulator", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    try:

        async def is_ready() -> bool:
            return ready.exists()

        await eventually(is_ready, within=60)
        facts = json.loads(ready.read_text())
        assert facts["pid"] == process.pid
        assert facts["accounts"][0]["sid"] == ACME_SID
        assert facts["smtp_url"].startswith("smtp://127.0.0.1:")
        assert ready.stat().st_mode & 0o777 == 0o600
        async with aiohttp.ClientSession() as session, session.get(facts["base_url"] + "/emulator/creates") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert not ready.exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("text", ["nonsense", "{}", '[{"unknown": 1}]', '[{"numbers": [{}]}]', '[{"auth_token": 1}]'])
def test_a_wrong_accounts_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(text)
    assert main(["--accounts", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    path.write_text('[{"friendly_name": "Acme", "numbers": [{"phone_number": "+16025550100"}]}]')
    assert read_seeds(path)[0].numbers[0].phone_number == ACME_NUMBER


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(phone: Phone) -> None:
    port = urlsplit(phone.emulator.base_url).port
    assert port is not None
    second = Emulator()
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        await second.start(port=port)
    await second.stop()
