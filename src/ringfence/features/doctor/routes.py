"""`GET /api/twilio-settings/doctor`, for company admins."""

from fastapi import APIRouter, Request

from ringfence.features.doctor.actions.asking import leads_here
from ringfence.features.doctor.actions.examining import examine
from ringfence.features.doctor.schemas import DoctorAnswer
from ringfence.features.doctor.values.facts import Server
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/twilio-settings", tags=["Twilio settings"], responses=PROBLEM_RESPONSES)


@router.get("/doctor")
async def ask_doctor(request: Request, caller: Admin) -> DoctorAnswer:
    """Look at everything that can be wrong between the company, this server and Twilio, right now.

    Changes nothing. A part that Twilio does not answer about is a line of its own, so the answer is 200 all the same.
    """
    gateway = service(request, TwilioGateway)
    server = Server(gateway.api_url, gateway.public_url, await leads_here(gateway.public_url))
    at = utc_now()
    _, findings = await examine(
        service(request, Tenancy), caller.company_id, keyring=service(request, Keyring), gateway=gateway, server=server
    )
    return DoctorAnswer.made_of(findings, at=at)
