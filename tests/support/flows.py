"""What the tests of the engine share: publishing a flow, and reading a run's row directly."""

from collections.abc import Callable
from typing import Any

from flows.documents.document import FlowDocument
from flows.editing.publishing import PublishResult, publish
from flows.engine import executor
from flows.models import Run
from idp.accounts import sessions
from idp.accounts.known_browsers import KnownBrowser
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Seen, Started

NEVER = {"id": "never", "stage": "deny", "when": "false"}
SHIPPED = ("identification", "password", "login", "device_code", "consent", "finish")
RIGHT = {
    "identification": {"name": "alice"},
    "password": {"password": "alice-password-1"},
    "word": {"word": "sesame"},
}
RIGHT |= {"choice": {"choice": "yes"}, "prompt": {"phone": "+49 30 901820"}}


def drawing(*steps: str | dict[str, Any], flow: str = "connect-a-device", **more: Any) -> FlowDocument:
    """A flow of these steps: a kind alone, or a whole step."""
    written = [{"stage": step} if isinstance(step, str) else step for step in steps]
    return FlowDocument.model_validate(
        {"flow": flow, "title": "Drawn", "for": "device_code", "steps": written, **more}
    )


def draw(*steps: str | dict[str, Any], **more: Any) -> PublishResult:
    """Publish the flow in the tenant in scope.

    The last step satisfies the lint about flows that reach no consent.
    """
    goal = () if "consent" in steps else (NEVER,)
    return publish(drawing(*steps, *goal, **more), by="test")


def row_of(seen: Seen) -> Run:
    """The row of the run whose page this is."""
    return Run.unscoped.get(identifier=seen.path.strip("/").split("/")[1])


def facts_of(seen: Seen) -> set[str]:
    """The names of what the run has learned."""
    return set(row_of(seen).state["facts"])


def events(kind: str) -> int:
    """The number of events of this kind, in any tenant."""
    return Event.unscoped.filter(kind=kind).count()


def device_state(started: Started) -> str:
    """The state of the device that this response belongs to; the newest one."""
    return DeviceCode.unscoped.order_by("-pk").values_list("state", flat=True)[0]


def advance_to(door: Door, step: str, started: Started, path: str = "/device") -> Seen:
    """Submit right answers until the page asks for ``step``, or asks for nothing more."""
    seen = door.page(path)
    for _ in range(20):
        if seen.step in (step, ""):  # "": a page at the end of a run, which offers to begin again
            return seen
        seen = seen.submit(**right_answer(seen.step, started))
    raise AssertionError(f"the flow never came to {step}")


def right_answer(step: str, started: Started) -> dict[str, str]:
    """What a person who is allowed to pass would enter."""
    return {**RIGHT, "device_code": {"user_code": started.user_code}, "consent": {"decision": "approve"}}[
        step
    ]


def only_select(
    execute: Callable[..., Any], sql: str, params: object, many: bool, context: dict[str, Any]
) -> Any:
    """For ``connection.execute_wrapper``: refuse every statement that could write."""
    assert sql.lstrip().upper().startswith("SELECT"), sql
    return execute(sql, params, many, context)


class Looker:
    """The browser of a page, as the engine knows it, for what the page itself does not show."""

    def __init__(self, seen: Seen) -> None:
        cookies = seen.door.http.cookies
        self.nonce = f"browser:{cookies['foyer_browser'].value[:64]}"
        self.session = (
            sessions.find_by_key(cookies["foyer_session"].value) if "foyer_session" in cookies else None
        )
        self.address, self.agent, self.known_browser = "127.0.0.1", "Test/1.0", KnownBrowser()

    def on_commit(self, results: list[object]) -> None:
        """Looking commits nothing."""
        raise AssertionError(results)


def restart_token(seen: Seen) -> str:
    """The token that restarts this page's run; HTML shows it only after a refusal."""
    with tenant_scope(row_of(seen).tenant):
        return executor.get_page(row_of(seen).identifier, Looker(seen)).restart


def restarted(seen: Seen, token: str | None = None, **fields: str) -> Seen:
    """Start the run of this page again."""
    posted = {"token": restart_token(seen) if token is None else token, **fields}
    response = seen.door.http.post(f"{seen.path}restart", posted, follow=True)
    return Seen(seen.door, response, response.redirect_chain[-1][0] if response.redirect_chain else seen.path)
