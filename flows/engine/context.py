"""The context of a request that advances a run: its row, its state and its client."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from flows.documents.document import FlowDocument
from flows.documents.layout import Layout
from flows.documents.published import document_of, layout_of
from flows.models import Run as RunRow
from flows.run import Client, Run, State
from idp.accounts.credentials import is_proof_outdated
from idp.accounts.people import find_active
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.sealing import macs

# Replaces the step's ID in the token for a restart; no step can have this ID.
RESTART = "$restart"


class RunConflict(Exception):
    """Another request moved the run first."""


@dataclass
class RunContext:
    """A run in progress: its row, its state and its client.

    ``may_write``: whether this request may change anything (a POST) or not (a GET).
    """

    row: RunRow
    state: State
    client: Client
    may_write: bool
    now: datetime

    @property
    def document(self) -> FlowDocument:
        """The document of the run's version."""
        return document_of(self.row.version)

    @property
    def evaluation_context(self) -> EvaluationContext:
        """The context in which conditions are evaluated."""
        return EvaluationContext(self.state.facts, self.client.address, self.client.agent, self.now)

    @property
    def layout(self) -> Layout:
        """The layout of the run's version; raises BrokenFlow."""
        return layout_of(self.row.version)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the run began."""
        return max(0, round((timezone.now() - self.row.started_at).total_seconds() * 1000))

    @property
    def event_actor(self) -> str:
        """The claimed name, for events; "" if no person has it.

        People type passwords there by mistake.
        """
        facts = self.state.facts
        return facts.person.name if facts.claimed_person else ""

    def as_run(self) -> Run:
        """Return the part of the run that a stage may read."""
        return Run(
            identifier=self.row.identifier,
            flow=self.document.flow,
            facts=self.state.facts,
            step_state=self.state.kept,
            hints=self.state.hints,
            browser=self.row.nonce_hash,
            session=self.client.session.pk if self.client.session else None,
            address=self.client.address,
            agent=self.client.agent,
            now=self.now,
            step=self.state.at or "",
            known_browser=self.client.known_browser,
        )

    def form_tokens(self, step: str) -> list[str]:
        """Return the form's tokens for this browser, run and step, newest key first.

        They keep other sites from posting here.
        """
        return macs("run_token", f"{self.row.nonce_hash}\0{self.row.identifier}\0{step}")

    def is_session_valid(self) -> bool:
        """Return whether the session of the run is alive in this client and its person active.

        Before there is a session, return whether the proof is still valid: its person is active, and the
        credentials that prove them have not changed since.
        """
        facts, session = self.state.facts, self.client.session
        if "signed_in" in facts:
            return bool(
                session
                and session.person.is_active
                and (session.pk, session.person_id) == (facts.signed_in.session, facts.signed_in.person)
            )
        if "proof" not in facts:
            return True
        person = find_active(facts.proof.person)
        return bool(person and not is_proof_outdated(person, facts.proof.at))

    def save(self) -> None:
        """Save the state by compare-and-set on the revision; raise RunConflict."""
        row, facts = self.row, self.state.facts
        values: dict[str, Any] = {
            "state": self.state.dump(),
            "version": row.version,
            "person": facts.claimed_person,
        }
        if self.state.end:
            values["ended_at"] = self.now
        if "signed_in" in facts:
            values["session_id"] = facts.signed_in.session
        unmoved = RunRow.objects.filter(pk=row.pk, revision=row.revision)
        if not unmoved.update(revision=row.revision + 1, **values):
            raise RunConflict
        row.revision += 1

    def is_outdated(self) -> bool:
        """Return whether another request has moved the run in the meantime."""
        return not RunRow.objects.filter(pk=self.row.pk, revision=self.row.revision).exists()


def make_end(kind: str, title: str = "", message: str = "", **more: str) -> dict[str, str]:
    """Return how a run ended, for its last page."""
    return {"kind": kind, "title": title, "message": message, **more}


def topic_of(run: str) -> str:
    """Return the topic of the events about a run."""
    return f"run:{run}"
