"""`/api/contacts`: the outside people a company texts with."""

from fastapi import APIRouter

from ringfence.features.contacts.routes import contacts, exports, imports

router = APIRouter()
# Imports and exports first: their addresses would otherwise be taken for a contact's id.
for part in (imports, exports, contacts):
    router.include_router(part.router)
