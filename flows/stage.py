"""The contract of a stage: one class in one file; it reads and decides, and never writes.

Declarations come first (``title``, ``needs``, ``gives``, ``Settings``, ``Form``), behaviour second
(``enter``, ``submit``). Whatever it wants done it answers as effects, which the engine applies in one
transaction per step.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from flows.facts import PROOFS
from flows.run import Run
from flows.settings import StageSettings, Text
from idp.foundation.condition_variables import WordType
from idp.foundation.effects import Effect
from idp.ratelimit.budgets import Spend


@dataclass(frozen=True)
class Show:
    """Ask, or go on asking: the page stays at this step.

    ``errors``: by field name; ``message``: about the whole form. ``keep``: JSON (or Sealed) to remember until
    the step is decided. ``last``: nothing more is asked; the run ends and its page stays readable.
    """

    errors: Mapping[str, Text] = field(default_factory=dict)
    message: Text = ""
    keep: Mapping[str, Any] = field(default_factory=dict)
    effects: Sequence[Effect] = ()
    last: bool = False


@dataclass(frozen=True)
class Done:
    """The step is decided, and this was learned; only names that the stage ``gives``.

    ``told``: what later conditions may read of this very step, by the names that ``words`` declares; JSON,
    never a secret.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    effects: Sequence[Effect] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deny:
    """The step refuses, with this message to the person: the run ends here, unless the flow says that it goes
    on.

    ``set_up``: the words of a button for what the person lacks and may set up themselves. The engine offers
    it where the tenant has a flow for that, which asks for its own proof, and points to an administrator
    elsewhere.
    """

    message: Text
    effects: Sequence[Effect] = ()
    title: Text = field(default_factory=lambda: _("Access denied"))
    set_up: Text = ""


@dataclass(frozen=True)
class Leave:
    """The run ends and the browser goes to ``url``, which the stage has validated."""

    url: str
    effects: Sequence[Effect] = ()


Outcome = Show | Done | Deny | Leave


class Stage:
    """Base of every stage. ``kind`` is the name of its file, set by the registry."""

    kind: ClassVar[str] = ""
    title: ClassVar[Text] = ""
    description: ClassVar[Text] = ""
    submit_label: ClassVar[Text] = _("Continue")
    template: ClassVar[str] = "pages/flow/page.html"
    needs: ClassVar[frozenset[str] | set[str]] = frozenset()
    gives: ClassVar[frozenset[str] | set[str]] = frozenset()
    method: ClassVar[str] = ""
    """What a stage that proves a person calls its proof (RFC 8176); a dry run that takes the proof for
    granted names it.
    """
    asks_anew: ClassVar[bool] = False
    """True: entered even when the session proves beforehand all that it gives, because it looks at how old
    that is.
    """

    class Settings(StageSettings):
        """Nothing to set."""

    class Form(forms.Form):
        """Nothing to enter."""

    def __init__(self, settings: StageSettings | None = None) -> None:
        self.settings: Any = settings or self.Settings()

    def enter(self, run: Run) -> Outcome:
        """Called once when the run arrives; asks unless overridden."""
        return Show()

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        """Called with a valid answer. A stage that says nothing here can never be passed by an answer."""
        return Show()

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        """The form of this step, bound when ``data`` is given."""
        return self.Form(data, initial=dict(self.initial(run)))

    def initial(self, run: Run) -> Mapping[str, Any]:
        """What stands in the fields at first."""
        return {}

    def assumed(self, run: Run) -> Mapping[str, Any]:
        """The facts that a dry run takes for granted where it is told that this step passes."""
        moment = run.now.isoformat()
        proof = {"person": (run.facts.get("person") or {}).get("id"), "method": self.method, "at": moment}
        session = {"signed_in": {**proof, "session": None, "methods": [self.method] if self.method else []}}
        return {name: session.get(name) or (proof if name in PROOFS else {}) for name in self.gives}

    def words(self) -> Mapping[str, WordType]:
        """What later conditions may read of this step, by name: ``choice`` of the step ``how`` is
        ``steps.how.choice``.
        """
        return {}

    def ways(self) -> Mapping[str, Mapping[str, Text]]:
        """Of ``words`` those whose values are known beforehand, with the title of each value: the builder
        draws them as lanes.
        """
        return {}

    def typed(self) -> Collection[str]:
        """Of ``words`` those to which a person may type anything; lint warns of them within a sign-in."""
        return {name for name, type_ in self.words().items() if type_ == "string"} - self.ways().keys()

    def context(self, run: Run) -> Mapping[str, Any]:
        """JSON for the page and the API, read anew at each rendering; ``title`` and ``description`` may be
        overridden here.
        """
        return {}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        """The budgets from which one attempt each is taken before ``submit`` judges the answer."""
        return ()

    @classmethod
    def upgrade(cls, old: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings as an older release of the stage wrote them, in today's spelling."""
        return old
