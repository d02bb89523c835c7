"""What a list of the audit log may be narrowed to."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """None narrows nothing. `since` is included, `until` is not; both are aware."""

    action: str | None = None
    actor_kind: str | None = None
    actor_id: UUID | None = None
    target_kind: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def given(self) -> dict[str, str]:
        """The filters that are set, as text: what a cursor is bound to and what an export's entry says."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}
