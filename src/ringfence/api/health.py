"""What a supervisor, a load balancer and Prometheus ask: alive, ready, how much."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from ringfence.runtime.readiness import due_lanes, readiness
from ringfence.tenancy.sessions import Tenancy
from ringfence.web import metrics
from ringfence.web.services import service

router = APIRouter(tags=["operations"])


@dataclass(frozen=True, slots=True)
class Release:
    """What this server is: its version, and the migration its code needs."""

    version: str
    migration: str


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"
    version: str


class PartAnswer(BaseModel):
    """One part of the readiness."""

    ready: bool
    detail: str


class ReadyAnswer(BaseModel):
    """Whether every part is ready, and each part."""

    ready: bool
    parts: dict[str, PartAnswer]


@router.get("/healthz")
async def healthz(request: Request) -> Health:
    """Whether the process answers. Says nothing about the database: a restart would not bring that back."""
    return Health(version=service(request, Release).version)


@router.get("/readyz", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer}})
async def readyz(request: Request) -> JSONResponse:
    """Whether the database answers, its migrations fit this server, and a dispatcher lives; 503 if one does not."""
    parts = await readiness(service(request, Tenancy), head=service(request, Release).migration)
    answer = ReadyAnswer(
        ready=all(part.ready for part in parts.values()),
        parts={name: PartAnswer(ready=part.ready, detail=part.detail) for name, part in parts.items()},
    )
    return JSONResponse(answer.model_dump(), 200 if answer.ready else 503, {"Cache-Control": "no-store"})


@router.get("/metrics", response_class=Response)
async def prometheus(request: Request) -> Response:
    """What this process counted, and what waits to be sent, in Prometheus' text format."""
    lanes = await due_lanes(service(request, Tenancy))
    if lanes is not None:
        metrics.LANES_DUE.set(lanes.count)
        metrics.OLDEST_DUE_SECONDS.set(lanes.oldest_seconds)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
