"""Errors as problem documents (RFC 9457): the only place where a failure gets its HTTP status."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ringfence import errors

log = structlog.get_logger()

_STATUS: dict[type[errors.RingfenceError], int] = {
    errors.InvalidInputError: 422,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.RefusedError: 422,
    errors.TooManyRequestsError: 429,
    errors.BusyError: 503,
    errors.UpstreamError: 502,
    errors.ConfigurationError: 500,
}


class Problem(BaseModel):
    """The body of every error answer; `code` is stable, `detail` is for people, more fields may follow."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str


PROBLEM_RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (400, 401, 403, 404, 409, 422)
}


def problem(
    status: int,
    code: str,
    detail: str,
    fields: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document as a response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **(fields or {}),
    }
    return JSONResponse(
        body, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/problem+json"
    )


async def _known(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.RingfenceError):  # pragma: no cover - registered for this class only
        raise error
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after := error.fields.get("retry_after_seconds"):
        headers["Retry-After"] = str(retry_after)
    return problem(status, error.code, error.detail, error.fields, headers)


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    """What is wrong where, without echoing what was sent: it may be a secret."""
    if not isinstance(error, RequestValidationError):  # pragma: no cover - registered for this class only
        raise error
    found = [{"loc": list(item["loc"]), "message": item["msg"], "type": item["type"]} for item in error.errors()]
    if any(item["type"] == "json_invalid" for item in found):
        return problem(400, "not_json", "The body is not valid JSON.")
    first = found[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return problem(422, "invalid", f"{where}: {first['message']}", {"errors": found})


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):  # pragma: no cover - registered for this class only
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND:
        absent = errors.NotFoundError()
        return problem(404, absent.code, absent.detail)
    code = {405: "method_not_allowed", 400: "bad_request", 413: "too_large"}.get(error.status_code, "http_error")
    return problem(error.status_code, code, HTTPStatus(error.status_code).phrase + ".", headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", path=request.url.path, error=type(error).__name__, exc_info=error)
    return problem(
        500,
        "internal",
        "Something went wrong here; it was logged under this request's id.",
        {"request_id": request.scope.get("request_id", "")},
    )


def install(app: FastAPI) -> None:
    """Register the handlers on an application."""
    app.add_exception_handler(errors.RingfenceError, _known)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
