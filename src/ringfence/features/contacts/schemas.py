"""Bodies and answers of contacts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import EmailStr, Field, StringConstraints, model_validator

from ringfence.web.schemas import Answer, Body

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Spelled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class ContactCreate(Body):
    """A new contact: a name, a number, or both."""

    first_name: Name = ""
    last_name: Name = ""
    email: EmailStr | None = None
    phone_number: Spelled | None = Field(
        default=None, description="As people write it; read in the company's default region."
    )
    organisation: Name | None = None

    @model_validator(mode="after")
    def _somebody(self) -> "ContactCreate":
        if not (self.first_name or self.last_name or self.phone_number or self.organisation or self.email):
            raise ValueError("a contact needs a name, an organisation, an e-mail address or a number")
        return self


class ContactUpdate(Body):
    """Changes of a contact: fields that are left out stay; null clears e-mail, number or organisation."""

    first_name: Name = ""
    last_name: Name = ""
    email: EmailStr | None = None
    phone_number: Spelled | None = None
    organisation: Name | None = None


class ContactAnswer(Answer):
    """A contact; `phone_number` is E.164."""

    id: UUID
    first_name: str
    last_name: str
    email: str | None
    phone_number: str | None
    organisation: str | None
    created_at: datetime
    updated_at: datetime
