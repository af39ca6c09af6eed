"""Run flow tests with people who are created by the same blueprint."""

from collections.abc import Mapping

from blueprints.objects.document import PersonDocument
from flows.documents.document import FlowDocument, FlowTest, SimulatedUser
from idp.accounts.condition_variables import attributes_as_text
from idp.foundation.text import fold


def with_pending_people(document: FlowDocument, people: Mapping[str, PersonDocument]) -> FlowDocument:
    """Return the flow with its tests describing the pending people that they name.

    The people do not exist yet, so each test describes its person itself.
    """
    tests = tuple(_with_person(test, people) for test in document.tests)
    return document if tests == document.tests else document.model_copy(update={"tests": tests})


def _with_person(test: FlowTest, people: Mapping[str, PersonDocument]) -> FlowTest:
    person = people.get(fold(test.person)) if isinstance(test.person, str) else None
    if person is None:
        return test
    simulated = SimulatedUser(
        username=person.person,
        name=person.name,
        email=person.email,
        groups=tuple(sorted(set(person.groups))),
        credentials=("password",) if person.password else (),
        attributes=attributes_as_text(person.attributes),
        role=person.role,
    )
    return test.model_copy(update={"person": simulated})
