"""The same run as JSON, for a client that never renders HTML.

``POST /api/runs/`` begins one and answers its address and its secret, which stands for the browser: it is sent back as
``Authorization: Run …``. No cookie is read on this path. The session that a step opens belongs to the run: it is reachable
only by the secret and ends with the run.
"""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from flows import executor
from flows.executor import Answer, NoFlow, NoSuchRun, TooManyRuns
from flows.page import Page
from idp.accounts import sessions
from idp.sealing import Sealed, new_token
from web.errors import BODY_ERRORS, engine_json

PURPOSES = ("device_code", "authentication")


class BadBody(Exception):
    """The body must be a JSON object with the members that this address takes."""

    def __init__(self, message: str | None = None, status: int = 400) -> None:
        super().__init__(message or self.__doc__)
        self.status = status


class JsonClient:
    """The engine's client for programs: the run's secret is its nonce, the run's own row holds its session."""

    def __init__(self, request: HttpRequest, secret: str, run: str = "") -> None:
        self.nonce = f"run:{secret}"
        self.session = executor.session_of(run, self.nonce) if run else None
        self.address: str = request.META.get("REMOTE_ADDR", "")
        self.agent: str = request.headers.get("user-agent", "")[:200]

    def committed(self, results: list[Any]) -> None:
        """Takes over a session that a step has just opened; its key is thrown away."""
        for opened in results:
            if isinstance(opened, sessions.Opened):
                self.session = sessions.alive(opened.session)


@csrf_exempt
def begin(request: HttpRequest) -> HttpResponse:
    """``{"for": "device_code", "user_code": "…"}`` begins a run: 201 with its id, its secret and the first challenge."""
    if request.method != "POST":
        return _wrong_method("POST")
    try:
        body = _object(request, {"for": str, "user_code": str})
        purpose = body.get("for")
        if purpose not in PURPOSES:
            raise BadBody(f"for must be one of {', '.join(PURPOSES)}.")
        client = JsonClient(request, secret := new_token())
        hints = {"user_code": Sealed.of(body["user_code"][:64])} if body.get("user_code") else {}
        run = executor.start(purpose, client, hints=hints)
    except BadBody as bad:
        return _bad(bad)
    except (NoFlow, TooManyRuns) as error:
        return engine_json(error)
    challenge = _challenge(executor.look(run, client))
    return JsonResponse({"run": run, "secret": secret, "url": reverse("api-run", args=[run]), **challenge}, status=201)


@csrf_exempt
def run(request: HttpRequest, run: str) -> HttpResponse:
    """GET: the current challenge. POST ``{"step": "…", "answer": {…}}``: answers it."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "run" or not secret.strip():
        description = "Send the run's secret as Authorization: Run …"
        return JsonResponse(
            {"error": "unauthorized", "error_description": description}, status=401, headers={"WWW-Authenticate": 'Run realm="run"'}
        )
    client = JsonClient(request, secret.strip(), run)
    try:
        if request.method == "GET":
            return _render(executor.look(run, client), client)
        if request.method != "POST":
            return _wrong_method("GET", "POST")
        body = _object(request, {"step": str, "answer": dict})
        shown = executor.look(run, client)
        given = Answer(body.get("step", ""), shown.token if shown.step == body.get("step") else "", _texts(body.get("answer", {})))
        return _render(executor.answer(run, client, given) if given.token else shown, client)
    except NoSuchRun as error:
        return engine_json(error)
    except BadBody as bad:
        return _bad(bad)


def _render(page: Page, client: JsonClient) -> HttpResponse:
    if page.kind not in ("ask", "continue") and client.session:
        sessions.end(client.session.pk, why="run ended")
    response = JsonResponse({"run": page.run, **_challenge(page)}, status=429 if page.retry_at else 200)
    if page.retry_at:
        response["Retry-After"] = str(max(1, int((page.retry_at - timezone.now()).total_seconds()) + 1))
    return response


def _challenge(page: Page) -> dict[str, Any]:
    """What the page shows, as data: absent members have nothing to say."""
    members = {
        "kind": page.kind,
        "title": page.title,
        "description": page.description,
        "step": page.step,
        "stage": page.stage,
        "person": page.person,
        "message": page.message,
        "url": page.url,
        "retry_at": page.retry_at,
        "context": dict(page.context),
        "errors": {name: list(texts) for name, texts in page.form.errors.items()} if page.form else {},
        "fields": [_field(page.form, name) for name in page.form.fields] if page.form else [],
    }
    return {name: value for name, value in members.items() if value or name == "kind"}


def _field(form: forms.Form, name: str) -> dict[str, Any]:
    field = form.fields[name]
    described = {
        "name": name,
        "label": str(form[name].label),
        "type": getattr(field.widget, "input_type", "text"),
        "required": field.required,
        "autocomplete": field.widget.attrs.get("autocomplete"),
        "choices": [[value, str(label)] for value, label in getattr(field, "choices", [])],
        "value": form[name].initial if getattr(field.widget, "input_type", "") != "password" else None,
    }
    return {key: value for key, value in described.items() if value not in (None, [], "")}


def _object(request: HttpRequest, members: Mapping[str, type]) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise BadBody("The body must be application/json.", status=415)
    try:
        body = json.loads(request.body)
    except BODY_ERRORS:
        raise BadBody("The body is too large.", status=413) from None
    except (ValueError, RecursionError):
        raise BadBody("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadBody
    for name, value in body.items():
        if name not in members or not isinstance(value, members[name]):
            raise BadBody(f"There is no member {name[:50]!r} of this type here.")
    return _texts(body)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, where every text is one that a form could have posted: no NUL, no half of a surrogate pair."""
    try:
        return {name: value.encode().decode().replace("\0", "") if isinstance(value, str) else value for name, value in values.items()}
    except UnicodeEncodeError:
        raise BadBody("A text is not valid Unicode.") from None


def _bad(error: BadBody) -> HttpResponse:
    return JsonResponse({"error": "invalid_request", "error_description": str(error)}, status=error.status)


def _wrong_method(*allowed: str) -> HttpResponse:
    body = {"error": "invalid_request", "error_description": f"Use {' or '.join(allowed)}."}
    return JsonResponse(body, status=405, headers={"Allow": ", ".join(allowed)})
