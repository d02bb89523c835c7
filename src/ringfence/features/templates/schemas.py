"""Bodies and answers of templates."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from ringfence.features.templates.values import MOST_VARIABLE, VARIABLE_NAME
from ringfence.web.schemas import Answer, Body

TemplateName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
# Fields are written longer than what they become; what they become is limited to what a text may hold.
TemplateBody = Annotated[str, StringConstraints(max_length=5000)]
VariableName = Annotated[str, StringConstraints(pattern=f"^{VARIABLE_NAME}$")]
VariableValue = Annotated[str, StringConstraints(max_length=MOST_VARIABLE)]
Variables = Annotated[
    dict[VariableName, VariableValue],
    Field(max_length=50, description="Values of the template's own fields, by name, such as order_number."),
]


class TemplateWrite(Body):
    """A template as a whole."""

    name: TemplateName = Field(description="Unique in the company, whatever its capitals.")
    body: TemplateBody = Field(
        description="The text. `{contact.first_name|there}` is a field with the fallback that stands in for it."
    )
    category: Category | None = None


class TemplateAnswer(Answer):
    """A template. `segments_most` is the most SMS parts that any values can make of it."""

    id: UUID
    name: str
    body: str
    category: str | None
    fields: list[str]
    segments_most: int
    usage_count: int
    last_used_at: datetime | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class PreviewWrite(Body):
    """For whom to fill a template in: a contact, a number, or nobody."""

    contact_id: UUID | None = None
    from_number: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="The company's number that the text would go out from."
    )
    variables: Variables = Field(default_factory=dict)


class UnsavedPreviewWrite(PreviewWrite):
    """The same, of a text that is not saved."""

    body: TemplateBody


class FilledField(Answer):
    """One field of a filled text: `value` comes from the contact, sender, company or request."""

    name: str
    source: Literal["value", "fallback", "missing"]
    text: str


class PreviewAnswer(Answer):
    """The text as it would go out. With anything in `unresolved` it would not."""

    body: str
    encoding: str
    num_segments: int
    segments_most: int
    fields: list[FilledField]
    unresolved: list[str]
