"""A state machine over the public pages finds no order of actions that leaves a proof out.

People act impatiently or with hostile intent. What the machine knows of who proved what comes from what it
posted itself, never from the engine.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from flows.documents.versions import list_versions
from flows.editing.publishing import publish, roll_back
from flows.models import Run
from idp.accounts import credentials, sessions
from idp.accounts.models import Person, Session
from idp.devices.models import DeviceCode
from idp.foundation.sealing import digest
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Seen, Started
from tests.support.credentials import code, give_totp
from tests.support.flows import drawing, restarted, row_of

PEOPLE = ("alice", "bob")
SECRETS = {"alice": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "bob": "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}
PASSWORDS = {"alice": "alice-password-1", "bob": "bob-password-22"}
LIFETIME = timedelta(minutes=30)
END = ("login", "device_code", "consent", "finish")
ASK: dict[str, Any] = {"id": "ask", "stage": "choice"}
FACTOR: dict[str, Any] = {"flow": "factor"}
BOX: dict[str, Any] = {"group": "box", "when": '"totp" in person.credentials', "steps": [{"stage": "totp"}]}
SOFT: dict[str, Any] = {
    "id": "soft",
    "stage": "deny",
    "on_refusal": "continue",
    "when": 'person.username == "bob"',
}
GAP: dict[str, Any] = {"stage": "password", "when": 'request.agent == "nobody has it"'}
# Each asks for password and code before it signs a person in, and that must hold whichever of them is live.
# The last one leaves the password out, so it must refuse every person without a session.
FLOWS: tuple[tuple[Any, ...], ...] = (
    ("identification", "password", "totp", *END),
    ("identification", "password", FACTOR, ASK, *END),
    ("identification", ASK, "password", SOFT, BOX, *END),
    (
        ASK,
        "identification",
        "password",
        {"stage": "totp", "when": "!second_factor.present"},
        *END,
        {"id": "after", "stage": "choice"},
    ),
    (
        "identification",
        GAP,
        {"stage": "totp", "settings": {"missing": "skip"}, "on_refusal": "continue"},
        *END,
    ),
)
WORTHLESS: tuple[dict[str, str], ...] = (
    {},
    {"unknown": "1", "person": "1", "proof": "1"},
    {"password": "", "code": "", "user_code": "", "name": "", "choice": "", "decision": ""},
    *(
        {"step": step, "decision": "approve", "choice": "yes"}
        for step in ("password", "totp", "login", "consent", "finish", "$restart")
    ),
)
WRONG = {
    "password": "wrong",
    "code": "000000",
    "user_code": "BBBB-BBBB",
    "choice": "neither",
    "decision": "perhaps",
}
BROWSERS = st.integers(0, 1)
WHO = st.sampled_from(PEOPLE)


class Runs(RuleBasedStateMachine):
    """Two browsers, any number of tabs, two people, an administrator and a clock.

    Every page ever seen may be answered again.
    """

    tabs: Bundle[Seen] = Bundle("tabs")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.scope = tenant_scope(Tenant.objects.get(name="acme"))
        self.scope.__enter__()
        self.clock = time_machine.travel(datetime(2026, 11, 20, 12, tzinfo=UTC), tick=False)
        self.time = self.clock.start()
        cache.clear()
        self.passwords = dict(PASSWORDS)
        for name, secret in SECRETS.items():
            give_totp(name, secret)
        publish(drawing("totp", flow="factor", **{"for": "part"}), by="machine")
        self.doors = [Door(), Door()]
        # by browser: whose right password was posted there, and when
        self.proofs: dict[int, dict[str, datetime]] = {0: {}, 1: {}}
        self.factors: dict[int, set[str]] = {0: set(), 1: set()}
        self.approved = 0
        self.started: Started | None = None

    def teardown(self) -> None:
        """Every example begins with the same rows."""
        self.clock.stop()
        self.scope.__exit__(None, None, None)
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    # --- what a person does -----------------------------------------------------------------------------------------  # noqa: E501

    @initialize(
        target=tabs, which=st.integers(0, len(FLOWS) - 1), first=st.integers(0, 7), second=st.integers(0, 7)
    )
    def both_are_on_their_way(self, which: int, first: int, second: int) -> Any:
        """Open a tab for each person and give that many right answers, so that every step is met often."""
        self._publish(which)
        opened = [self._met(door.page("/device")) for door in self.doors]
        return multiple(
            *(
                self._advance(seen, who, far)
                for seen, who, far in zip(opened, PEOPLE, (first, second), strict=True)
            )
        )

    @rule(
        target=tabs,
        browser=BROWSERS,
        path=st.sampled_from(["/device", "/device?switch", "/device?user_code=BCDF-GHJK"]),
    )
    def opens_a_tab(self, browser: int, path: str) -> Seen:
        """Open a tab, perhaps a second one of the same browser."""
        return self._met(self.doors[browser].page(path))

    @rule(target=tabs, seen=tabs)
    def looks_again(self, seen: Seen) -> Seen:
        """Reload, or Back and then reload: looking decides nothing."""
        before = self._decided()
        again = self._met(seen.door.page(seen.path))
        assert self._decided() == before
        return again

    @rule(target=tabs, seen=tabs, who=WHO)
    def answers_rightly(self, seen: Seen, who: str) -> Seen:
        """Answer as this person, on a page that may be an old one."""
        if seen.step in ("consent", ""):
            return self._met(seen.submit())
        return self._met(seen.submit(**self._right(seen, who)))

    @rule(target=tabs, seen=tabs, who=WHO, approve=st.booleans())
    def goes_on(self, seen: Seen, who: str, approve: bool) -> Seen:
        """Give several right answers in a row from the current page; otherwise hardly a run would end."""
        seen = self._advance(seen.door.page(seen.path), who, 7)
        return self._approve(seen) if approve else seen

    @rule(target=tabs, seen=tabs, fields=st.sampled_from(WORTHLESS), reload=st.booleans())
    def answers_nothing(self, seen: Seen, fields: dict[str, str], reload: bool) -> Seen:
        """CVE-2026-49448 and others: an answer without a secret changes nothing.

        It opens no session, decides no device and adds no proof to any run.
        """
        return self._worthless(seen, fields, reload)

    @rule(target=tabs, seen=tabs)
    def answers_wrongly(self, seen: Seen) -> Seen:
        """Answer the current page with a wrong value in every field."""
        return self._worthless(seen, WRONG, reload=True)

    @rule(target=tabs, seen=tabs)
    def approves(self, seen: Seen) -> Seen:
        """Approve on any page, an old one too."""
        return self._approve(seen)

    @rule(target=tabs, seen=tabs)
    def denies(self, seen: Seen) -> Seen:
        """Press "This is not me"."""
        return self._met(seen.submit(decision="deny"))

    @rule(target=tabs, seen=tabs, keep=st.booleans())
    def starts_again(self, seen: Seen, keep: bool) -> Any:
        """Start again from any page, also from one that is long over."""
        if not Run.objects.filter(identifier=seen.path.strip("/").split("/")[-1]).exists():
            return multiple()
        again = restarted(seen, **({"keep": "yes"} if keep else {}))
        assert keep or row_of(again).state["facts"] == {}
        assert not {"consent", "request"} & set(row_of(again).state["facts"])
        return self._met(again)

    @rule(seen=tabs, browser=BROWSERS)
    def takes_the_address_elsewhere(self, seen: Seen, browser: int) -> None:
        """Another browser with the run's URL and the whole form sees no such run."""
        stranger = self.doors[browser] if self.doors[browser] is not seen.door else Door()
        assert stranger.http.get(seen.path).status_code == 404
        assert (
            stranger.http.post(seen.path, {**seen.hidden, "decision": "approve", "name": "bob"}).status_code
            == 404
        )
        assert (
            stranger.http.post(
                f"{seen.path}restart", {"token": seen.hidden.get("token", ""), "keep": "yes"}
            ).status_code
            == 404
        )

    @rule(browser=BROWSERS)
    def signs_out(self, browser: int) -> None:
        """Sign out in another tab."""
        assert self.doors[browser].http.post("/sign-out", follow=True).status_code == 200
        assert self._living(browser) is None

    # --- what happens meanwhile -------------------------------------------------------------------------------------  # noqa: E501

    @rule(minutes=st.sampled_from([1, 11, 31]))
    def time_passes(self, minutes: int) -> None:
        """Runs live 30 minutes, codes ten, sessions longer."""
        self.time.shift(timedelta(minutes=minutes))

    @rule(which=st.integers(0, len(FLOWS) - 1))
    def an_administrator_publishes(self, which: int) -> None:
        """A person in a run stays on its version."""
        self._publish(which)

    @rule(what=st.sampled_from(["rollback", "sessions", "password", "inactive"]), who=WHO, data=st.data())
    def something_happens(self, what: str, who: str, data: st.DataObject) -> None:
        """Change a row far away from the two browsers."""
        person = Person.objects.get(username=who)
        match what:
            case "rollback":  # to any version with a second factor: the first one, of the fixture, has none
                numbers = [
                    version.number
                    for version in list_versions("connect-a-device")
                    if version.author == "machine"
                ]
                roll_back("connect-a-device", data.draw(st.sampled_from(numbers)), by="machine")
            case "sessions":
                sessions.end_sessions(person, why="machine")
            case "password":
                self._change_password(person)
            case _:
                self._deactivate_for_a_while(person)

    # --- what must always hold --------------------------------------------------------------------------------------  # noqa: E501

    @invariant()
    def everyone_signed_in_gave_password_and_code(self) -> None:
        """They gave them in this browser and for this person."""
        for browser in (0, 1):
            if session := self._living(browser):
                name = session.person.username
                assert name in self.proofs[browser], f"{name} is signed in without a password"
                assert name in self.factors[browser], f"{name} is signed in without a code"

    @invariant()
    def no_run_holds_a_proof_that_was_not_given(self) -> None:
        """In a run that can still go on, a proof names the claimed person and was given in this browser.

        It is also young or in a session.
        """
        now = timezone.now()
        for row in Run.objects.filter(ended_at=None, expires_at__gt=now):
            facts, browser = row.state["facts"], self._browser_of(row)
            name = Person.objects.get(pk=facts["proof"]["person"]).username if "proof" in facts else ""
            for fact in ("proof", "second_factor", "signed_in"):
                assert fact not in facts or facts[fact]["person"] == facts["person"]["id"]
            if "signed_in" in facts:
                living = sessions.find_by_id(facts["signed_in"]["session"])
                assert living is None or (name in self.proofs[browser] and name in self.factors[browser])
            elif (
                "proof" in facts and name in self.proofs[browser]
            ):  # otherwise a new password invalidated it, and it ends when it is loaded
                assert datetime.fromisoformat(facts["proof"]["at"]) <= self.proofs[browser][name]
                assert now - datetime.fromisoformat(facts["proof"]["at"]) <= 2 * LIFETIME

    @invariant()
    def devices_are_approved_by_a_press_of_the_button_only(self) -> None:
        """D30."""
        assert self._approved() == self.approved

    # --- helpers ----------------------------------------------------------------------------------------------------  # noqa: E501

    def _publish(self, which: int) -> None:
        publish(drawing(*FLOWS[which], title=f"Flow {which}"), by="machine")

    def _change_password(self, person: Person) -> None:
        """B15: everything that the old one proved is void."""
        name = person.username
        self.passwords[name] = f"{name}-password-{len(self.passwords[name])}x"
        self.time.shift(timedelta(seconds=1))
        credentials.store_password(person, credentials.hash_password(self.passwords[name]), by=name)
        self.time.shift(timedelta(seconds=1))
        for proved in self.proofs.values():
            proved.pop(name, None)

    def _deactivate_for_a_while(self, person: Person) -> None:
        """CVE-2025-53942: meanwhile no one is signed in as them."""
        Person.objects.filter(pk=person.pk).update(is_active=False)
        living = [session for browser in (0, 1) if (session := self._living(browser))]
        assert all(session.person_id != person.pk for session in living)
        Person.objects.filter(pk=person.pk).update(is_active=True)

    def _right(self, seen: Seen, who: str) -> dict[str, str]:
        """Return the right answer and record what it proves.

        It proves only where the run has claimed the person whose secret is given.
        """
        step, browser = seen.step.rpartition(".")[2], self.doors.index(seen.door)
        claimed = self._claimed(seen)
        if step == "password":
            if claimed == who:
                self.proofs[browser][who] = timezone.now()
            return {"password": self.passwords[who]}
        if step == "totp":
            self.time.shift(timedelta(seconds=30))  # each code works once
            if claimed == who:
                self.factors[browser].add(who)
            return {"code": code(0, SECRETS[who])}
        return {"name": who, "choice": "yes", "user_code": self._waiting() if step == "device_code" else ""}

    def _worthless(self, seen: Seen, fields: dict[str, str], reload: bool) -> Seen:
        seen = seen.door.page(seen.path) if reload else seen
        if "decision" in fields and seen.step in ("consent", fields.get("step", "consent")):
            fields = {}
        proofs, decided = self._proofs(), self._decided()
        shown = seen.submit(**fields)
        assert self._proofs() == proofs
        # an earlier proof waits there for a press of the button
        assert self._decided() == decided or seen.step == "login"
        return self._met(shown)

    def _advance(self, seen: Seen, who: str, answers: int) -> Seen:
        for _ in range(answers):
            if seen.step in ("consent", ""):
                break
            seen = self._met(seen.submit(**self._right(seen, who)))
        return seen

    def _approve(self, seen: Seen) -> Seen:
        """Press the consent page's button as the person who is signed in.

        It is the only way in which a device is ever approved.
        """
        before, living = self._approved(), _session_of(seen.door)
        shown = seen.submit(decision="approve")
        if self._approved() > before:
            assert seen.step == "consent"
            assert living is not None
            self.approved += 1
        return self._met(shown)

    def _waiting(self) -> str:
        """Return the code of a device that waits.

        It is a new one when the last was decided or has waited too long.
        """
        if not DeviceCode.objects.filter(state="pending", expires_at__gt=timezone.now()).exists():
            self.started = Door().start()
        assert self.started
        return self.started.user_code

    def _claimed(self, seen: Seen) -> str:
        person = (
            Run.objects.filter(identifier=seen.path.strip("/").split("/")[-1])
            .values_list("person", flat=True)
            .first()
        )
        return Person.objects.get(pk=person).username if person else ""

    def _met(self, seen: Seen) -> Seen:
        """Check that every page leads on: to an answer, to a new run, or home.

        Only the very last page asks nothing.
        """
        assert seen.status in (200, 404, 409, 429), seen.status
        assert seen.title, seen.text
        run = Run.objects.filter(identifier=seen.path.strip("/").split("/")[-1]).first()
        last = run and (run.state["end"] or {}).get("kind") == "last"
        assert last or seen.hidden.get("token") or 'class="button' in seen.text or "<form" in seen.text, (
            seen.text
        )
        return seen

    def _approved(self) -> int:
        return DeviceCode.objects.filter(state="approved").count()

    def _decided(self) -> tuple[int, int, int]:
        return (
            self._approved(),
            DeviceCode.objects.filter(state="denied").count(),
            Session.objects.filter(ended_at=None).count(),
        )

    def _proofs(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for row in Run.objects.all():
            found[row.identifier] = sorted({"proof", "second_factor"} & set(row.state["facts"]))
        return {run: facts for run, facts in found.items() if facts}

    def _browser_of(self, row: Run) -> int:
        return next(at for at, door in enumerate(self.doors) if row.nonce_hash == _hash(door))

    def _living(self, browser: int) -> Any:
        return _session_of(self.doors[browser])


def _hash(door: Door) -> str:
    cookie = door.http.cookies.get("foyer_browser")
    return digest(f"browser:{cookie.value[:64]}") if cookie else ""


def _session_of(door: Door) -> Any:
    cookie = door.http.cookies.get("foyer_session")
    return sessions.find_by_key(cookie.value) if cookie else None


def run_machine(examples: int, steps: int, *more: Phase) -> None:
    """Run the machine.

    Shrinking a failure takes minutes, so only the long test does it.
    """
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    kept: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": checks,
        "database": None,
        "phases": (Phase.generate, *more),
    }
    run_state_machine_as_test(
        Runs, settings=settings(max_examples=examples, stateful_step_count=steps, **kept)
    )


@pytest.mark.timeout(110)
def test_no_proof_is_left_out(tenants: dict[str, Tenant]) -> None:
    """No short run leaves a proof out, on every run of the suite."""
    run_machine(10, 20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_proof_is_left_out_on_long_runs(tenants: dict[str, Tenant]) -> None:
    """No long run leaves a proof out."""
    run_machine(50, 60, Phase.shrink)
