"""Where a conversation stands after a change: the whole table."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from ringfence.features.conversations.values import STATES, Change, Standing, changed

LATER = datetime(2030, 1, 1, tzinfo=UTC)
SOONER = datetime(2029, 1, 1, tzinfo=UTC)
ANA, BO = UUID(int=1), UUID(int=2)
OPEN, DONE = Standing(state="open"), Standing(state="done")
SNOOZED = Standing(state="snoozed", snoozed_until=SOONER, assigned_to=ANA)
ANAS = Standing(state="open", assigned_to=ANA)


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (OPEN, Change(state="done"), DONE),
        (ANAS, Change(state="done"), DONE),
        (ANAS, Change(state="done", assign=True, assigned_to=ANA), Standing(state="done", assigned_to=ANA)),
        (SNOOZED, Change(state="done"), DONE),
        (SNOOZED, Change(state="open"), ANAS),
        (SNOOZED, Change(assign=True, assigned_to=BO), Standing(state="snoozed", snoozed_until=SOONER, assigned_to=BO)),
        (
            SNOOZED,
            Change(state="snoozed", snoozed_until=LATER),
            Standing(state="snoozed", snoozed_until=LATER, assigned_to=ANA),
        ),
        (OPEN, Change(state="snoozed", snoozed_until=LATER), Standing(state="snoozed", snoozed_until=LATER)),
        (DONE, Change(state="snoozed", snoozed_until=LATER), Standing(state="snoozed", snoozed_until=LATER)),
        (DONE, Change(state="open"), OPEN),
        (DONE, Change(assign=True, assigned_to=BO), Standing(state="done", assigned_to=BO)),
        (ANAS, Change(assign=True), OPEN),
        (OPEN, Change(assign=True), OPEN),
    ],
)
def test_changes(before: Standing, change: Change, after: Standing) -> None:
    assert changed(before, change) == after


@pytest.mark.parametrize("before", [OPEN, DONE, SNOOZED, ANAS])
@pytest.mark.parametrize("state", STATES)
def test_what_stood_before_undoes_every_change(before: Standing, state: str) -> None:
    until = LATER if state == "snoozed" else None
    after = changed(before, Change(state=state, snoozed_until=until))  # pyright: ignore[reportArgumentType]
    undo = Change(state=before.state, snoozed_until=before.snoozed_until, assign=True, assigned_to=before.assigned_to)
    assert changed(after, undo) == before
