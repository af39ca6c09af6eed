"""What a version's content leads to is parsed once, and never taken for that of another version."""

from contextlib import suppress
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from flows.documents.published import content_digest, document_of, layout_of, sub_flows_of
from flows.models import Version
from idp.tenancy.models import Tenant
from tests.support.flows import draw


class _UndoneError(Exception):
    """Ends a transaction without its changes."""


def test_the_rows_of_one_content_share_what_is_parsed(acme: Tenant) -> None:
    """Each request reads its own row, and none parses the documents again."""
    draw("deny")
    first, second = Version.objects.get(number=2), Version.objects.get(number=2)
    assert layout_of(first) is layout_of(second)
    assert document_of(first) is document_of(second)


def test_a_primary_key_that_is_assigned_again_brings_nothing_back(acme: Tenant) -> None:
    """After a rollback, the next version may get the same primary key: it runs its own steps."""
    for first in ("deny", "identification"):
        with suppress(_UndoneError), transaction.atomic():
            version = draw(first).version
            assert layout_of(version).nodes[0].definition.stage == first
            raise _UndoneError


def test_a_row_of_an_older_release_has_no_digest(acme: Tenant) -> None:
    """Two rows without one, which a release before the column wrote, are not the same version."""
    draw("deny")
    Version.objects.update(digest="")
    first, second = Version.objects.order_by("number")
    assert layout_of(first).nodes[0].definition.stage == "identification"
    assert layout_of(second).nodes[0].definition.stage == "deny"


@pytest.mark.parametrize("changed", ["document", "parts"])
def test_sub_flows_are_part_of_the_content(acme: Tenant, changed: str) -> None:
    """The digest depends on both parts of the content, and not on the order of keys."""
    version = Version.objects.get()
    assert version.digest == content_digest(dict(reversed(version.document.items())), version.parts)
    setattr(version, changed, {**getattr(version, changed), "more": {}})
    assert version.digest != content_digest(version.document, version.parts)
    assert sub_flows_of(version) == {}


def test_versions_from_before_get_their_digest(acme: Tenant) -> None:
    """The migration stores the digest that publishing would."""
    Version.objects.update(digest="")
    migration = import_module("flows.migrations.0002_version_digest")
    state = MigrationLoader(connection).project_state(("flows", "0002_version_digest"))
    migration._set_digests(state.apps, connection.schema_editor)
    version = Version.objects.get()
    assert version.digest == content_digest(version.document, version.parts)
