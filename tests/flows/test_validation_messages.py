"""Every error of a document is a plain sentence.

No message of a library, no pattern and no type reaches the author.
"""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from blueprints.files.key_messages import error_message
from blueprints.objects.document import DOCUMENTS
from flows.documents.versions import InvalidFlow, parse_flow
from flows.registry import stages
from flows.validation_messages import describe_error

WRONG: tuple[Any, ...] = (
    None,
    True,
    7,
    -7,
    10**30,
    1.5,
    float("nan"),
    "",
    "Ä b\u0007",
    "x" * 30_000,
    [],
    [7],
    [[]],
    [None],
    {},
    {"a": []},
    {7: 7},
)
FORBIDDEN = re.compile(
    r"Input should|String should|should have|should match|pattern|\^|\[a-z|type=|Value error|RFC \d+ "
    r"section [\d.]+\.$"
)


def models() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every kind of document and the settings of every stage."""
    yield from DOCUMENTS.items()
    for kind, stage in stages().items():
        yield f"stage {kind}", stage.Settings


def inner(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a declared type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from inner(each)


def every_model() -> dict[str, type[BaseModel]]:
    """Return these models and those nested in them."""
    found, waiting = dict[str, type[BaseModel]](), list(models())
    while waiting:
        name, model = waiting.pop()
        if model not in found.values():
            found[name] = model
            waiting += [
                (f"{name}.{key}", each)
                for key, field in model.model_fields.items()
                for each in inner(field.annotation)
            ]
    return found


@pytest.mark.parametrize("name", every_model())
def test_every_key_with_every_wrong_value(name: str) -> None:
    """Each message is one or more sentences with a capital and a full stop."""
    model = every_model()[name]
    for key, field in model.model_fields.items():
        for value in WRONG:
            try:
                model.model_validate({field.alias or key: value})
            except ValidationError as wrong:
                for error in wrong.errors():
                    text = error_message(model, error)
                    assert not FORBIDDEN.search(text), (key, value, text)
                    assert text[0].isupper() or text[0] == "'", (key, value, text)
                    assert text.endswith((".", "?")), (key, value, text)


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("person", {"person": 7}, "This is read as the number 7. Put it in quotes to make it text."),
        ("person", {"person": True}, "This is read as the word true. Put it in quotes to make it text."),
        (
            "person",
            {"person": None},
            'This is blank. Enter text. Put an empty value or ~ in quotes to make it text, like "~".',
        ),
        ("person", {"person": ["a"]}, "Enter text, not a list."),
        ("person", {"person": "a", "active": "perhaps"}, "Enter true or false."),
        ("group", {"group": ""}, "This can't be blank."),
        ("group", {"group": "x" * 101}, "Enter at most 100 characters."),
        (
            "scope",
            {"scope": "a b", "title": "t"},
            "Must be up to 100 visible ASCII characters without spaces, double quotes and backslashes.",
        ),
        (
            "tenant",
            {"tenant": "a", "accent": "red"},
            "Enter a color as # and six lowercase hexadecimal digits, like #4f46e5.",
        ),
        ("application", {"application": "a", "type": "secret"}, "Use 'public' or 'confidential'."),
        ("application", {"application": "a", "device": {"interval": "2h"}}, "Must be between 1s and 1m."),
        ("application", {"application": "a", "device": {"pending_limit": 0}}, "Enter 1 or more."),
        ("application", {"application": "a", "scopes": "openid"}, "Enter a list, like [one, two]."),
    ],
)
def test_the_words(kind: str, said: dict[str, Any], words: str) -> None:
    """The message says what to do and, where YAML misread the value, how to write it."""
    with pytest.raises(ValidationError) as wrong:
        DOCUMENTS[kind].model_validate(said)
    assert error_message(DOCUMENTS[kind], wrong.value.errors()[0]) == words


def test_drafts_that_are_published_are_refused_in_the_same_words() -> None:
    """Builder, command and API read a flow with the same function."""
    with pytest.raises(InvalidFlow) as refused:
        parse_flow({"flow": "A B", "title": 7, "for": "nothing", "steps": 7})
    assert [each.message.partition(",")[0] for each in refused.value.findings] == [
        "Use lowercase letters",
        "This is read as the number 7. Put it in quotes to make it text.",
        "Must be one of authentication",
        "Enter a list",
    ]


def test_what_another_wheel_says_stays_as_it_is() -> None:
    """A third-party stage may raise its own errors."""
    assert describe_error({"type": "their_own", "loc": ("a",), "msg": "nothing fits"}) == "Nothing fits."
