"""Runs as JSON, for a client that does not render HTML.

``POST /api/runs/`` starts a run and returns its URL and its secret. The secret takes the place of the
browser: the client sends it back as ``Authorization: Run …``. No cookie is read here. The session that a step
starts belongs to the run: it is reachable only with the secret and ends with the run.
"""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from ninja.security.base import AuthBase

from flows.documents.designations import CREDENTIAL_SETUP
from flows.engine import executor, starting
from flows.engine.page import RunPage
from idp.accounts import sessions
from idp.accounts.known_browsers import KnownBrowser
from idp.events.origin import current_origin
from idp.foundation.sealing import Sealed, new_token
from web.api.errors import READ, WRITE, MissingRunSecret, error_schemas
from web.api.schemas import (
    Challenge,
    NewRun,
    RestartRun,
    RunField,
    StartedRun,
    StartRun,
    StepAnswer,
    Throttled,
)

_TEXT_MEMBERS = ("run", "kind", "title", "description", "step", "stage", "person", "message", "url")

router = Router(tags=["runs"], exclude_defaults=True)


class RunRequest(HttpRequest):
    """A request about a run. ``auth``: the secret of the run."""

    auth: str


class JsonClient:
    """The engine's client for programs.

    The run's secret is its nonce, and the row of the run references its session.
    """

    def __init__(self, request: HttpRequest, secret: str, run: str = "") -> None:
        self.nonce = f"run:{secret}"
        self.session = executor.session_of(run, self.nonce) if run else None
        self.address: str = request.META.get("REMOTE_ADDR", "")
        self.agent: str = current_origin().agent
        self.known_browser = KnownBrowser()

    def on_commit(self, results: list[Any]) -> None:
        """Take over a session that a step has started, and drop one that it has ended.

        The key of a new session is discarded.
        """
        for result in results:
            if isinstance(result, sessions.IssuedSession):
                self.session = sessions.find_by_id(result.session)
            elif isinstance(result, sessions.EndedSession):
                self.session = None


class RunSecret(AuthBase):
    """The secret of the run, as ``Authorization: Run …``."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = "Authorization"
    openapi_description = "`Run`, a space, and the secret that `POST /api/runs/` returned."

    def __call__(self, request: HttpRequest) -> str:
        """Return the secret from the header; raise MissingRunSecret. The engine checks whose it is."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "run" or not secret.strip():
            raise MissingRunSecret
        return secret.strip()


@router.post(
    "/",
    response={201: StartedRun, **error_schemas(*WRITE)},
    operation_id="start_run",
    summary="Start a run",
    url_name="runs",
)
def start_run(request: RunRequest, body: StartRun) -> Status[StartedRun]:
    """Start a run and return its secret and its first challenge."""
    secret = new_token()
    client = JsonClient(request, secret)
    hints = {"user_code": Sealed.of(body.user_code[:64])} if body.user_code else {}
    run = starting.start(body.purpose, client, hints=hints)
    return Status(201, StartedRun(secret=secret, **_first_challenge(run, client)))


@router.get(
    "/{slug:run}/",
    response={200: Challenge, **error_schemas(*READ)},
    auth=RunSecret(),
    operation_id="get_run",
    summary="Get a run",
    url_name="run",
)
def get_run(request: RunRequest, run: str) -> Challenge:
    """Return the current challenge. Reading it changes nothing."""
    client = _client(request, run)
    return Challenge(**_challenge_members(_end_session_if_over(executor.get_page(run, client), client)))


@router.post(
    "/{slug:run}/",
    response={200: Challenge, **error_schemas(401, *WRITE), 429: Throttled},
    auth=RunSecret(),
    operation_id="answer_step",
    summary="Answer a step",
    url_name="run",
)
def answer_step(
    request: RunRequest, response: HttpResponse, run: str, body: StepAnswer
) -> Challenge | Status[Throttled]:
    """Answer the current challenge. Return the next one, or the same one with the errors."""
    client = _client(request, run)
    page = executor.get_page(run, client)
    if page.token and page.step == body.step:
        page = executor.submit_answer(run, client, executor.Answer(body.step, page.token, body.answer))
    members = _challenge_members(_end_session_if_over(page, client))
    if not page.retry_at:
        return Challenge(**members)
    response["Retry-After"] = str(max(1, int((page.retry_at - timezone.now()).total_seconds()) + 1))
    return Status(429, Throttled(error="too_many_attempts", error_description=page.message, **members))


@router.post(
    "/{slug:run}/restart",
    response={201: NewRun, **error_schemas(401, 409, *WRITE)},
    auth=RunSecret(),
    operation_id="restart_run",
    summary="Restart a run",
    url_name="restart",
)
def restart_run(request: RunRequest, run: str, body: RestartRun) -> Status[NewRun]:
    """Start the flow again as a new run with the same secret. The old run ends."""
    client = _client(request, run)
    again = starting.restart(run, client, executor.get_page(run, client).restart, keep_facts=body.keep)
    if client.session and not body.keep:
        sessions.end(client.session.pk, why="run restarted")
    return Status(201, NewRun(**_first_challenge(again, _client(request, again))))


def _client(request: RunRequest, run: str) -> JsonClient:
    return JsonClient(request, request.auth, run)


def _first_challenge(run: str, client: JsonClient) -> dict[str, Any]:
    """Return the URL and the first challenge of a new run."""
    return {
        "url": reverse("api:run", args=[run]),
        **_challenge_members(_end_session_if_over(executor.get_page(run, client), client)),
    }


def _end_session_if_over(page: RunPage, client: JsonClient) -> RunPage:
    """End the session of a run that has ended, and return the page.

    A lost run has no session, or it passed its session on when it was restarted.
    """
    if page.kind not in ("ask", "continue", "lost") and client.session:
        sessions.end(client.session.pk, why="run ended")
    return page


def _challenge_members(page: RunPage) -> dict[str, Any]:
    """Return the page as data, without empty members."""
    members: dict[str, Any] = {name: str(getattr(page, name)) for name in _TEXT_MEMBERS}
    members |= {
        "retry_at": page.retry_at,
        "set_up_url": reverse(CREDENTIAL_SETUP) if page.set_up else "",
        "context": dict(page.context),
    }
    if page.form:
        errors = page.form.errors.items()
        members["errors"] = {name: [str(text) for text in texts] for name, texts in errors}
        members["fields"] = [_field(page.form, name) for name in page.form.fields]
    return {name: value for name, value in members.items() if value}


def _field(form: forms.Form, name: str) -> RunField:
    field = form.fields[name]
    kind, value = getattr(field.widget, "input_type", "text"), form[name].initial
    return RunField(
        name=name,
        label=str(form[name].label),
        type=kind,
        required=field.required,
        autocomplete=field.widget.attrs.get("autocomplete") or "",
        choices=[(str(choice), str(shown)) for choice, shown in getattr(field, "choices", [])],
        value=None if kind == "password" or value in ("", []) else value,
    )
