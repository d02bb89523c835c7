"""Zones of numbers, and wall-clock times where the clock is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.kit.zones import distinct_zones, resolve_local, zones_of_number


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        pytest.param("America/New_York", "2026-03-08 01:59", "2026-03-08 06:59", id="before the spring gap"),
        pytest.param("America/New_York", "2026-03-08 02:00", "2026-03-08 07:00", id="the gap's first minute"),
        pytest.param("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00", id="inside the gap"),
        pytest.param("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00", id="the first time after the gap"),
        pytest.param("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30", id="autumn: the first of two"),
        pytest.param("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00", id="autumn: after the overlap"),
        pytest.param("America/Phoenix", "2026-03-08 02:30", "2026-03-08 09:30", id="Arizona keeps its clock in spring"),
        pytest.param("America/Phoenix", "2026-11-01 01:30", "2026-11-01 08:30", id="Arizona keeps its clock in autumn"),
        pytest.param("America/Denver", "2026-03-08 02:30", "2026-03-08 09:00", id="its neighbour does not"),
        pytest.param("Asia/Kolkata", "2026-06-01 09:00", "2026-06-01 03:30", id="India is half an hour off"),
        pytest.param("Asia/Kathmandu", "2026-06-01 09:00", "2026-06-01 03:15", id="Nepal is three quarters off"),
        pytest.param("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30", id="Lord Howe's gap: 30 minutes"),
        pytest.param("Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03 15:30", id="Lord Howe after its gap"),
        pytest.param("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45", id="Lord Howe's overlap"),
        pytest.param("America/Mexico_City", "2022-07-01 09:00", "2022-07-01 14:00", id="Mexico's last summer time"),
        pytest.param("America/Mexico_City", "2026-07-01 09:00", "2026-07-01 15:00", id="Mexico without summer time"),
        pytest.param("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", id="a midnight that was missing"),
        pytest.param("Pacific/Apia", "2011-12-30 10:00", "2011-12-30 10:00", id="a whole day that was missing"),
        pytest.param("Europe/Moscow", "2014-10-26 01:30", "2014-10-25 21:30", id="an overlap without summer time"),
    ],
)
def test_wall_clock_times_mean_one_instant(zone: str, wall: str, instant: str) -> None:
    assert resolve_local(datetime.fromisoformat(wall), ZoneInfo(zone)) == datetime.fromisoformat(instant + "+00:00")


ZONES = ("America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "Asia/Kolkata")


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001  # wall-clock times
    st.sampled_from(ZONES),
)
def test_an_existing_time_is_found_and_a_missing_one_is_skipped_over(wall: datetime, name: str) -> None:
    zone = ZoneInfo(name)

    instant = resolve_local(wall, zone)

    shown = instant.astimezone(zone).replace(tzinfo=None)
    assert shown >= wall
    if shown != wall:
        # It really does not exist, and a moment before, the clock still showed something earlier.
        before = (instant - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < wall
    else:
        # No earlier instant shows the same.
        earlier = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        assert instant == earlier


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+16025550100", {"America/Phoenix"}),
        ("+14155550100", {"America/Los_Angeles"}),
        ("+442079460000", {"Europe/London"}),
        ("+15551234567", set[str]()),
        ("+88213300655", set[str]()),
        ("12345", set[str]()),
    ],
)
def test_zones_of_a_number(number: str, zones: set[str]) -> None:
    assert set(zones_of_number(number)) == zones


def test_a_number_that_may_be_anywhere_has_all_zones_of_its_plan() -> None:
    mobile = set(zones_of_number("+61412345678"))

    assert {"Australia/Perth", "Australia/Sydney", "Australia/Lord_Howe"} <= mobile
    assert len(zones_of_number("+18005550100")) > 20


def test_unknown_names_are_no_zones() -> None:
    assert distinct_zones(["Nowhere/Town", "UTC", "../etc/passwd", "UTC"]) == (ZoneInfo("UTC"),)
