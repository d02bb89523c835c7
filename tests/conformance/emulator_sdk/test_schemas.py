"""Every body the emulator answers has the shape of Twilio's own description of its API."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from requests import Response, Session

from tests.conformance.emulator_sdk.conftest import CUSTOMER, NUMBER, SID, TOKEN, Running

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "twilio_api_trimmed.json").read_text())
ROOT = "/2010-04-01/Accounts/{AccountSid}"


def plain_schema(value: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type."""
    if isinstance(value, list):
        return [plain_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    schema = {key: plain_schema(item) for key, item in value.items() if key != "nullable"}
    if value.get("nullable"):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


COMPONENTS = plain_schema(SPEC["components"])


def check(path: str, method: str, answer: Response) -> dict[str, Any]:
    """Validate an answer against the description of its path, status included; its body."""
    described = SPEC["paths"][path][method]["responses"]
    assert str(answer.status_code) in described, (answer.status_code, answer.text)
    content = described[str(answer.status_code)].get("content")
    if content is None:
        assert not answer.content
        return {}
    schema = plain_schema(content["application/json"]["schema"])
    body = answer.json()
    Draft202012Validator(schema | {"components": COMPONENTS}).validate(body)
    assert_whole(schema, body)
    return body


def assert_whole(schema: dict[str, Any], body: dict[str, Any]) -> None:
    """Every property of the description is there (null at least), and no other."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name:
        listed = [
            (item["items"], row)
            for key, item in schema["properties"].items()
            if item.get("type") == "array"
            for row in body[key]
        ]
        for item, row in listed:
            assert_whole(item, row)
        return
    described = set(COMPONENTS["schemas"][name]["properties"])
    assert described <= set(body)
    # The description leaves the type of a number out of the lists that are of one type already.
    assert set(body) - described <= {"type"}


@pytest.fixture
def session(running: Running) -> Session:
    session = Session()
    session.auth = (SID, TOKEN)
    return session


def test_messages(running: Running, session: Session) -> None:
    base = f"{running.emulator.base_url}/2010-04-01/Accounts/{SID}"
    form = {"To": CUSTOMER, "From": NUMBER, "Body": "x"}
    made = check(f"{ROOT}/Messages.json", "post", session.post(f"{base}/Messages.json", data=form))
    check(f"{ROOT}/Messages.json", "get", session.get(f"{base}/Messages.json"))
    path = f"{base}/Messages/{made['sid']}.json"
    check(f"{ROOT}/Messages/{{Sid}}.json", "get", session.get(path))
    check(f"{ROOT}/Messages/{{Sid}}.json", "post", session.post(path, data={"Body": ""}))

    picture = {"from": CUSTOMER, "to": NUMBER, "body": "", "media_urls": ["data:image/gif;base64,R0lGODlhAQABAAAAADs="]}
    result = session.post(f"{running.emulator.base_url}/emulator/inbound", json=picture).json()
    path = f"{base}/Messages/{result['message_sid']}"
    listed = check(f"{ROOT}/Messages/{{MessageSid}}/Media.json", "get", session.get(f"{path}/Media.json"))
    media = f"{path}/Media/{listed['media_list'][0]['sid']}.json"
    check(f"{ROOT}/Messages/{{MessageSid}}/Media/{{Sid}}.json", "get", session.get(media))
    check(f"{ROOT}/Messages/{{MessageSid}}/Media/{{Sid}}.json", "delete", session.delete(media))
    check(f"{ROOT}/Messages/{{Sid}}.json", "delete", session.delete(f"{path}.json"))


def test_calls(running: Running, session: Session) -> None:
    base = f"{running.emulator.base_url}/2010-04-01/Accounts/{SID}"
    form = {"To": CUSTOMER, "From": NUMBER, "Twiml": "<Response><Record/></Response>"}
    made = check(f"{ROOT}/Calls.json", "post", session.post(f"{base}/Calls.json", data=form))
    path, described = f"{base}/Calls/{made['sid']}.json", f"{ROOT}/Calls/{{Sid}}.json"
    deadline = time.monotonic() + 15
    while check(described, "get", session.get(path))["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    check(f"{ROOT}/Calls.json", "get", session.get(f"{base}/Calls.json"))
    of_call = f"{base}/Calls/{made['sid']}/Recordings.json"
    check(f"{ROOT}/Calls/{{CallSid}}/Recordings.json", "get", session.get(of_call))
    recordings = check(f"{ROOT}/Recordings.json", "get", session.get(f"{base}/Recordings.json"))["recordings"]
    assert len(recordings) == 1
    recording, one = f"{base}/Recordings/{recordings[0]['sid']}.json", f"{ROOT}/Recordings/{{Sid}}.json"
    check(one, "get", session.get(recording))
    check(one, "delete", session.delete(recording))
    check(described, "delete", session.delete(path))
    slow = check(f"{ROOT}/Calls.json", "post", session.post(f"{base}/Calls.json", data=form))
    canceled = session.post(f"{base}/Calls/{slow['sid']}.json", data={"Status": "canceled"})
    assert check(described, "post", canceled)["status"] == "canceled"


def test_numbers(running: Running, session: Session) -> None:
    base = f"{running.emulator.base_url}/2010-04-01/Accounts/{SID}"
    for kind in ("", "/Local", "/TollFree", "/Mobile"):
        path = f"/IncomingPhoneNumbers{kind}.json"
        check(f"{ROOT}{path}", "get", session.get(f"{base}{path}"))
    made = check(
        f"{ROOT}/IncomingPhoneNumbers.json",
        "post",
        session.post(f"{base}/IncomingPhoneNumbers.json", data={"AreaCode": "602"}),
    )
    path, described = f"{base}/IncomingPhoneNumbers/{made['sid']}.json", f"{ROOT}/IncomingPhoneNumbers/{{Sid}}.json"
    check(described, "get", session.get(path))
    check(described, "post", session.post(path, data={"SmsUrl": "http://127.0.0.1:1/x"}))
    check(described, "delete", session.delete(path))


def test_numbers_for_sale(running: Running, session: Session) -> None:
    base = f"{running.emulator.base_url}/2010-04-01/Accounts/{SID}/AvailablePhoneNumbers"
    described = f"{ROOT}/AvailablePhoneNumbers"
    check(f"{described}.json", "get", session.get(f"{base}.json"))
    check(f"{described}/{{CountryCode}}.json", "get", session.get(f"{base}/US.json"))
    for country, kind in (("US", "Local"), ("CA", "TollFree"), ("GB", "Mobile")):
        found = check(f"{described}/{{CountryCode}}/{kind}.json", "get", session.get(f"{base}/{country}/{kind}.json"))
        assert found["available_phone_numbers"]


def test_accounts(running: Running, session: Session) -> None:
    base = f"{running.emulator.base_url}/2010-04-01/Accounts"
    described = "/2010-04-01/Accounts"
    check(f"{described}.json", "get", session.get(f"{base}.json"))
    one = f"{described}/{{Sid}}.json"
    check(one, "get", session.get(f"{base}/{SID}.json"))
