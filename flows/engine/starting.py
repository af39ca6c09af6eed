"""Starts runs, and starts them again with what is still proved."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from flows.documents.designations import LOGOUT
from flows.documents.versions import live_version
from flows.engine.context import RESTART, RunContext
from flows.engine.executor import advance, end_run, load_context
from flows.engine.run_limits import charge_restart, delete_surplus_runs, make_room
from flows.facts import Facts, Proof
from flows.models import Run as RunRow
from flows.models import Version
from flows.run import Client, State
from idp.foundation.errors import Conflict, NotFound
from idp.foundation.sealing import constant_time_equal, digest
from idp.ratelimit.budgets import address_key

FACTS_KEPT_ON_RESTART = ("person", "proof", "second_factor", "signed_in")


class NoFlow(NotFound):
    """The tenant has no live flow for this."""

    code = "no_flow"


class PageOutOfDate(Conflict):
    """The page from which this was asked is out of date."""

    code = "out_of_date"


def start(
    designation: str,
    client: Client,
    *,
    flow: str = "",
    hints: Mapping[str, Any] | None = None,
    ignore_session: bool = False,
    may_write: bool = False,
) -> str:
    """Start a run for this designation and return its identifier; raise NoFlow or TooManyRuns.

    ``flow``: the flow that an application uses instead of the tenant's default. ``hints``: what the entry
    point passes along (nothing proven). ``ignore_session``: ignore the client's session. ``may_write``: a
    person has just confirmed by POST.
    """
    version = live_version(designation, flow)
    if version is None:
        raise NoFlow
    # Signing out must never fail because of other runs of the network.
    is_required = designation == LOGOUT and client.session is not None
    make_room(address_key(client.address), version.flow.name, timezone.now(), enforce=not is_required)
    state = State.begin(None if ignore_session else client.session, hints or {})
    return _create_run(version, client, state, may_write=may_write)


def restart(identifier: str, client: Client, token: str, *, keep_facts: bool) -> str:
    """End a run, start its flow again in the version that is live now, and return the new run's identifier.

    ``keep_facts``: with the facts about the person, so that nothing proved is asked again; otherwise with
    none. Consent is never kept. Raise NoSuchRun, NoFlow, TooManyRuns, or PageOutOfDate when ``token`` is not
    the page's.
    """
    context = load_context(identifier, client, may_write=True)
    if not any(constant_time_equal(token, expected) for expected in context.form_tokens(RESTART)):
        raise PageOutOfDate
    version = live_version(
        context.document.designation, "" if context.row.version.flow.is_default else context.document.flow
    )
    if version is None:
        raise NoFlow
    state = State.begin(None, context.state.hints)
    if keep_facts and _may_keep_facts(context):
        state.facts = _kept_facts(context.state.facts, context.now)
        state.seeds = sorted(state.facts.names)
    network = address_key(client.address)
    charge_restart(network, version.flow.name)
    make_room(network, version.flow.name, context.now, replaced=context.row.pk)
    if not context.state.end:
        end_run(context, "lost", _("Started again"), _("You started again on another page."))
    delete_surplus_runs(network, context.now)
    return _create_run(version, client, state, may_write=False)


def _may_keep_facts(context: RunContext) -> bool:
    """Return whether the facts about the person are still valid for a restart.

    Those of an expired run are not. Of a run that has finished, or that ended because another person signed
    in, only those with a living session are.
    """
    end = (context.state.end or {"kind": ""})["kind"]
    if context.row.expires_at <= context.now or not context.is_session_valid():
        return False
    return end in ("", "denied", "refused") or "signed_in" in context.state.facts


def _kept_facts(facts: Facts, now: datetime) -> Facts:
    """Return the facts that a restart keeps.

    A proof without a session stays valid for the lifetime of one run, however often it is restarted.
    """
    oldest = now - timedelta(seconds=settings.RUN_LIFETIME)
    kept = facts.only(FACTS_KEPT_ON_RESTART)
    if "signed_in" in kept:
        return kept
    outdated = (name for name, fact in kept.by_name.items() if isinstance(fact, Proof) and fact.at < oldest)
    return kept.without(*outdated)


def _create_run(version: Version, client: Client, state: State, *, may_write: bool) -> str:
    now, network = timezone.now(), address_key(client.address)
    row = RunRow.objects.create(
        identifier=uuid4().hex,
        nonce_hash=digest(client.nonce),
        version=version,
        state=state.dump(),
        person=state.facts.claimed_person,
        network=network,
        started_at=now,
        expires_at=now + timedelta(seconds=settings.RUN_LIFETIME),
    )
    context = RunContext(row, state, client, may_write=may_write, now=now)
    advance(context)
    if context.state.end:  # ended without an answer, so anyone could create any number of them
        delete_surplus_runs(network, now)
    return row.identifier
