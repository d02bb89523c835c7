"""`/api/sms/send`, `/api/sms/messages` and the texts of a conversation."""

from fastapi import APIRouter

from ringfence.features.messages.routes import media, messages, sending, threads, uploads

router = APIRouter()
for part in (sending, messages, media, uploads, threads):
    router.include_router(part.router)
