"""Failures of the templates room. Codes are stable."""

from collections.abc import Sequence
from uuid import UUID

from ringfence.errors import ConflictError, InvalidInputError


class BadTemplateError(InvalidInputError):
    """The text of a template cannot be understood: `code` says why, `fields["position"]` where (characters from 0)."""

    def __init__(self, code: str, detail: str, *, position: int) -> None:
        super().__init__(code, detail, {"position": position})


class UnresolvedFieldsError(InvalidInputError):
    """Fields without value whose fallback is empty: the text must not go out. `fields["unresolved"]` names them."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(names)
        super().__init__(
            "unresolved_field",
            f"There is no value for {listed}, and the template has no fallback there; the text was not sent.",
            {"unresolved": list(names)},
        )


class TemplateExistsError(ConflictError):
    """Another template of the company has this name; `fields["template_id"]` names it."""

    def __init__(self, template_id: UUID) -> None:
        super().__init__(
            "template_exists", "A template with this name exists already.", {"template_id": str(template_id)}
        )
