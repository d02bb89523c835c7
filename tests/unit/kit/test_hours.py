"""Quiet hours, holidays and the first allowed instant, where the clock is changed too."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ringfence.kit.hours import Quiet, Week, first_allowed, midnight_after

NIGHT = Week(Quiet(time(21), time(8)))
SIESTA = Week(Quiet(time(12), time(14)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


@pytest.mark.parametrize(
    ("week", "zones", "now", "allowed"),
    [
        pytest.param(NIGHT, "America/Phoenix", "2026-06-01 18:00", "2026-06-01 18:00", id="in the day"),
        pytest.param(NIGHT, "America/Phoenix", "2026-06-02 03:59", "2026-06-02 03:59", id="the last minute"),
        pytest.param(NIGHT, "America/Phoenix", "2026-06-02 04:00", "2026-06-02 15:00", id="nine in the evening"),
        pytest.param(NIGHT, "America/Phoenix", "2026-06-02 14:59", "2026-06-02 15:00", id="early in the morning"),
        pytest.param(NIGHT, "America/Phoenix", "2026-06-02 15:00", "2026-06-02 15:00", id="eight sharp"),
        pytest.param(NIGHT, "America/Denver", "2026-07-01 13:30", "2026-07-01 14:00", id="Denver has summer time"),
        pytest.param(NIGHT, "America/Denver", "2026-12-01 14:30", "2026-12-01 15:00", id="Denver in winter"),
        pytest.param(NIGHT, "Asia/Kolkata", "2026-06-01 16:00", "2026-06-02 02:30", id="India"),
        pytest.param(SIESTA, "Europe/Madrid", "2026-06-01 10:30", "2026-06-01 12:00", id="quiet in the middle"),
        pytest.param(SIESTA, "Europe/Madrid", "2026-06-01 13:00", "2026-06-01 13:00", id="after the middle"),
        pytest.param(
            Week(Quiet(time(21), time(2, 30))), "America/New_York", "2026-03-08 05:00", "2026-03-08 07:00", id="gap"
        ),
        pytest.param(
            Week(Quiet(time(21), time(1, 30))), "America/New_York", "2026-11-01 05:00", "2026-11-01 05:30", id="overlap"
        ),
        pytest.param(
            Week(Quiet(time(21), time(1, 30))),
            "America/New_York",
            "2026-11-01 06:10",
            "2026-11-01 06:10",
            id="the second time round stays allowed",
        ),
        pytest.param(
            Week(Quiet(time(1, 30), time(8))),
            "America/New_York",
            "2026-11-01 06:10",
            "2026-11-01 13:00",
            id="the second time round stays quiet",
        ),
        pytest.param(
            NIGHT, "America/New_York America/Los_Angeles", "2026-06-01 13:00", "2026-06-01 15:00", id="both awake"
        ),
        pytest.param(
            NIGHT, "America/New_York America/Los_Angeles", "2026-06-02 02:00", "2026-06-02 15:00", id="one asleep"
        ),
        pytest.param(
            Week(Quiet(time(21), time(8)), {6: Quiet()}),
            "America/Phoenix",
            "2026-06-07 18:00",
            "2026-06-08 15:00",
            id="Sunday is quiet",
        ),
        pytest.param(
            Week(Quiet(time(21), time(8)), {5: None}),
            "America/Phoenix",
            "2026-06-07 06:00",
            "2026-06-07 06:00",
            id="Saturday night is not",
        ),
        pytest.param(
            Week(holidays=frozenset({date(2026, 12, 25), date(2026, 12, 26)})),
            "America/Phoenix",
            "2026-12-25 07:00",
            "2026-12-27 07:00",
            id="two holidays",
        ),
        pytest.param(
            Week(Quiet(time(0), time(8))), "America/Phoenix", "2026-06-01 07:30", "2026-06-01 15:00", id="from midnight"
        ),
        pytest.param(
            Week(Quiet(time(21), time(0))), "America/Phoenix", "2026-06-01 05:00", "2026-06-01 07:00", id="to midnight"
        ),
    ],
)
def test_first_allowed_instant(week: Week, zones: str, now: str, allowed: str) -> None:
    found = first_allowed(week, [ZoneInfo(name) for name in zones.split()], at(now))

    assert found == at(allowed)


def test_zones_that_are_never_awake_together_have_no_instant() -> None:
    one_hour = Week(Quiet(time(13), time(12)))

    assert (
        first_allowed(one_hour, [ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")], at("2026-06-01 00:00")) is None
    )
    assert first_allowed(one_hour, [ZoneInfo("Asia/Tokyo")], at("2026-06-01 00:00")) is not None


def test_no_zone_and_no_rule_never_wait() -> None:
    now = datetime(2026, 6, 1, 3, tzinfo=UTC)

    assert first_allowed(NIGHT, [], now) == now
    assert first_allowed(Week(), [ZoneInfo("America/Phoenix")], now) == now
    assert not Week().is_limited
    assert NIGHT.is_limited


def test_the_next_day_begins_even_where_midnight_is_missing() -> None:
    assert midnight_after(at("2018-11-03 20:00"), ZoneInfo("America/Sao_Paulo")) == at("2018-11-04 03:00")
    assert midnight_after(at("2026-06-01 06:59"), ZoneInfo("America/Phoenix")) == at("2026-06-01 07:00")
    assert midnight_after(at("2026-06-01 07:00"), ZoneInfo("America/Phoenix")) == at("2026-06-02 07:00")
