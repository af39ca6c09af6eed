"""Run flow tests with people who are created by the same blueprint."""

from collections.abc import Mapping

from blueprints.objects.document import PersonDocument
from flows.documents.document import FlowDocument, FlowTest, InventedPerson
from idp.accounts.condition_variables import as_words
from idp.foundation.text import fold


def tried_with(document: FlowDocument, people: Mapping[str, PersonDocument]) -> FlowDocument:
    """Return the flow with its tests describing the pending people that they name.

    The people do not exist yet, so each test describes its person itself.
    """
    tests = tuple(_with_person(test, people) for test in document.tests)
    return document if tests == document.tests else document.model_copy(update={"tests": tests})


def _with_person(test: FlowTest, people: Mapping[str, PersonDocument]) -> FlowTest:
    person = people.get(fold(test.person)) if isinstance(test.person, str) else None
    if person is None:
        return test
    simulated = InventedPerson(
        username=person.person,
        name=person.name,
        email=person.email,
        groups=tuple(sorted(set(person.groups))),
        credentials=("password",) if person.password else (),
        attributes=as_words(person.attributes),
        role=person.role,
    )
    return test.model_copy(update={"person": simulated})
