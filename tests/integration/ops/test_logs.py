"""Logs: structured, with ids, and without what no log may hold, whoever writes it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ringfence.web import logs

TOKEN = "rf_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, as it would stand on standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    stream = io.StringIO()
    logs.configure(level="info", style="json", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(written: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_event_has_time_level_and_the_request_it_belongs_to(written: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-12345678"):
        structlog.get_logger("tests").info("contact.create.done", contact_id="c1")

    [line] = lines(written)
    assert line["event"] == "contact.create.done"
    assert {"contact_id": "c1", "level": "info", "request_id": "r-12345678", "logger": "tests"}.items() <= line.items()
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [
        {"auth_token": "6f7e"},
        {"password": "hunter22222"},
        {"body": "see you at 5"},
        {"headers": {"Authorization": "Basic QUM6c2VjcmV0"}},
        {"sealed_auth_token": "v1.abc"},
        {"cookie": "ringfence_session=rs_abc"},
        {"note": "to +16025550131 and +442071838750"},
        {"to": "+16025550131"},
        {"list": ["+16025550131", {"x": "+16025550131"}]},
        {"header": f"Bearer {TOKEN}"},
        {"url": "postgresql://ringfence_app:hunter22222@db/ringfence"},
        {"path": "/webhooks/twilio/8c1f0a7d2b9e4c55/inbound"},
    ],
)
def test_secrets_texts_and_numbers_are_hidden(written: io.StringIO, fields: dict) -> None:
    structlog.get_logger().info("x.y.z", **fields, kept="plain 12345")

    text = written.getvalue()
    for secret in ("6f7e", "hunter", "see you", "QUM6", "v1.abc", "rs_abc", "5550131", "71838750", TOKEN, "8c1f0a7d"):
        assert secret not in text
    assert "plain 12345" in text


def test_what_libraries_write_is_cleaned_too(written: io.StringIO) -> None:
    logging.getLogger("somelib").warning("calling %s with token %s", "+16025550131", TOKEN)

    [line] = lines(written)
    assert "5550131" not in line["event"]
    assert TOKEN not in line["event"]
    assert line["event"].startswith("calling +1602")


def test_a_traceback_never_quotes_a_row(written: io.StringIO) -> None:
    row = "DETAIL:  Failing row contains (…, +16025550131, Come at\nfive, secretly, null)."
    error = ValueError(f"null value in column\n{row}\n[SQL: INSERT INTO sms_messages]")
    structlog.get_logger().error("request.failed", exc_info=error)

    text = written.getvalue()
    assert "secretly" not in text
    assert "null value in column" in text
    assert "INSERT INTO sms_messages" in text


@pytest.mark.parametrize("name", ["uvicorn.access", "procrastinate.worker", "sqlalchemy.engine", "twilio.http_client"])
def test_chatty_libraries_are_quiet_at_info_and_heard_in_trouble(written: io.StringIO, name: str) -> None:
    logging.getLogger(name).info("GET https://api.twilio.com/…")
    assert written.getvalue() == ""

    logging.getLogger(name).critical("trouble")
    assert [line["event"] for line in lines(written)] == ["trouble"]


def test_below_the_level_nothing_is_written(written: io.StringIO) -> None:
    structlog.get_logger().debug("x.y.z")
    logging.getLogger("somelib").debug("x")

    assert written.getvalue() == ""
