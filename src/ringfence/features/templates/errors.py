"""Failures of the templates room that know the database. Codes are stable."""

from uuid import UUID

from ringfence.errors import ConflictError


class TemplateExistsError(ConflictError):
    """Another template of the company has this name; `fields["template_id"]` names it."""

    def __init__(self, template_id: UUID) -> None:
        super().__init__(
            "template_exists", "A template with this name exists already.", {"template_id": str(template_id)}
        )
