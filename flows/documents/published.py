"""What is parsed of a published version, cached under the digest of its content."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from flows.documents.document import FlowDocument
from flows.documents.layout import FlowTooLarge, Layout, lay_out
from flows.facts import BrokenFlow
from flows.models import Version
from flows.registry import stages
from flows.stage import Stage


def content_digest(document: dict[str, Any], parts: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of a version's document and sub-flows.

    The order of keys does not matter: PostgreSQL stores them in an order of its own.
    """
    return sha256(json.dumps([document, parts], sort_keys=True).encode()).hexdigest()


def document_of(version: Version) -> FlowDocument:
    """Return the parsed document of a version."""
    return _document(_content(version))


def sub_flows_of(version: Version) -> dict[str, FlowDocument]:
    """Return the sub-flows by name, as they were when the version was published."""
    return dict(_sub_flows(_content(version)))


def layout_of(version: Version) -> Layout:
    """Return the layout of a version; raise BrokenFlow."""
    return _layout(_content(version), tuple(stages().values()))


@dataclass(frozen=True)
class _Content:
    """The content of a version: equal where the digest is, and parsed from the row on the first use.

    A row's primary key identifies no content: after a rollback, the database may assign it again.
    """

    digest: str
    version: Version = field(compare=False)


def _content(version: Version) -> _Content:
    # an older release, which may still run during an upgrade, stores no digest
    return _Content(version.digest or content_digest(version.document, version.parts), version)


@lru_cache(maxsize=512)
def _document(content: _Content) -> FlowDocument:
    return FlowDocument.model_validate(content.version.document)


@lru_cache(maxsize=512)
def _sub_flows(content: _Content) -> dict[str, FlowDocument]:
    return {name: FlowDocument.model_validate(part) for name, part in content.version.parts.items()}


@lru_cache(maxsize=512)
def _layout(content: _Content, installed: tuple[type[Stage], ...]) -> Layout:
    """Return the layout; ``installed``: the stages, whose outputs conditions read, as part of the key."""
    try:
        return lay_out(_document(content), _sub_flows(content))
    except (FlowTooLarge, ValidationError) as error:
        raise BrokenFlow(str(error)) from error
