"""The contract of a stage: one class in one file, which reads and decides but never writes.

Declarations come first (``title``, ``needs``, ``gives``, ``Settings``, ``Form``), behavior second (``enter``,
``submit``). A stage returns the changes it wants as effects, which the engine applies in one transaction per
step.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import (
    Approval,
    ClaimedPerson,
    ConnectionRequest,
    Facts,
    NewCredential,
    Proof,
    SignedIn,
    SignedOut,
)
from flows.run import Run
from flows.settings import StageSettings, Text
from idp.foundation.condition_variables import VariableType
from idp.foundation.effects import Effect
from idp.foundation.sealing import Sealed
from idp.ratelimit.budgets import Spend


@dataclass(frozen=True)
class Show:
    """Show the form, or show it again: the run stays at this step.

    ``errors``: by field name; ``message``: about the whole form. ``step_state``: JSON (or Sealed) to store
    until the step is decided. ``last``: nothing more is asked; the run ends and its page stays readable.
    """

    errors: Mapping[str, Text] = field(default_factory=dict)
    message: Text = ""
    step_state: Mapping[str, Any] = field(default_factory=dict)
    effects: Sequence[Effect] = ()
    last: bool = False


@dataclass(frozen=True)
class Done:
    """The step is decided, with the facts that were learned; only names that the stage ``gives``.

    ``outputs``: the outputs that later conditions may read of this step, by the names that ``outputs()``
    declares; JSON, never a secret.
    """

    facts: Facts = field(default_factory=Facts)
    effects: Sequence[Effect] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deny:
    """The step refuses with this message to the person: the run ends unless the flow continues on refusal.

    ``set_up_label``: the label of a button for what the person lacks and may set up themselves. The engine
    shows it where the tenant has a flow for that, which asks for its own proof. Elsewhere it refers people to
    an administrator.
    """

    message: Text
    effects: Sequence[Effect] = ()
    title: Text = field(default_factory=lambda: _("Access denied"))
    set_up_label: Text = ""


@dataclass(frozen=True)
class Leave:
    """The run ends and the browser goes to ``url``, which the stage has validated."""

    url: str
    effects: Sequence[Effect] = ()


Outcome = Show | Done | Deny | Leave


class Stage:
    """The base class of every stage; ``kind`` is the name of its file, set by the registry."""

    kind: ClassVar[str] = ""
    title: ClassVar[Text] = ""
    description: ClassVar[Text] = ""
    submit_label: ClassVar[Text] = _("Continue")
    template: ClassVar[str] = "pages/flow/page.html"
    needs: ClassVar[frozenset[str] | set[str]] = frozenset()
    gives: ClassVar[frozenset[str] | set[str]] = frozenset()
    method: ClassVar[str] = ""
    """The authentication method of a stage that proves a person (RFC 8176), also in a dry run that assumes
    the proof.
    """
    never_skipped: ClassVar[bool] = False
    """True: entered even when the session already proves all that it gives, because the stage checks how old
    that is.
    """

    class Settings(StageSettings):
        """Nothing to set."""

    class Form(forms.Form):
        """Nothing to enter."""

    def __init__(self, settings: StageSettings | None = None) -> None:
        self.settings: Any = settings or self.Settings()

    def enter(self, run: Run) -> Outcome:
        """Return what happens when the run reaches the step, called once; by default show the form."""
        return Show()

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        """Return what a valid answer leads to; by default show the form again, so that no answer passes."""
        return Show()

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        """Return the form of this step, bound when ``data`` is given."""
        return self.Form(data, initial=dict(self.initial(run)))

    def initial(self, run: Run) -> Mapping[str, Any]:
        """Return the initial values of the fields."""
        return {}

    def assumed_facts(self, run: Run) -> Facts:
        """Return the facts to assume in a dry run in which this step passes."""
        person = run.facts.claimed_person or 0  # no one has this key, so the engine refuses the proof
        proof = Proof(person, self.method, run.now)
        assumed = Facts(
            person=ClaimedPerson(None, ""),
            proof=proof,
            second_factor=proof,
            signed_in=SignedIn(person, None, run.now, (self.method,) if self.method else ()),
            request=ConnectionRequest("", 0, 0, (), "", Sealed.of("")),
            consent=Approval(0, ()),
            credential=NewCredential(person, "", run.now),
            signed_out=SignedOut(run.session),
        )
        own: Mapping[str, Any] = {name: {} for name in self.gives if name not in assumed}
        return assumed.only(self.gives) | Facts(own=own)

    def outputs(self) -> Mapping[str, VariableType]:
        """Return the outputs that later conditions may read, by name, with their types.

        ``choice`` of the step ``how`` is ``steps.how.choice``.
        """
        return {}

    def branches(self) -> Mapping[str, Mapping[str, Text]]:
        """Return the ``outputs`` with a fixed set of values, each value with its title.

        The builder shows them as lanes.
        """
        return {}

    def free_text_outputs(self) -> Collection[str]:
        """Return the ``outputs`` that contain free text; lint warns of them within a sign-in."""
        return {name for name, type_ in self.outputs().items() if type_ == "string"} - self.branches().keys()

    def context(self, run: Run) -> Mapping[str, Any]:
        """Return JSON for the page and the API, read again at each rendering.

        ``title`` and ``description`` may be overridden here.
        """
        return {}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        """Return the budgets from which one attempt each is taken before ``submit`` checks the answer."""
        return ()

    @classmethod
    def upgrade(cls, old: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return settings of an older release of the stage in their current form."""
        return old
