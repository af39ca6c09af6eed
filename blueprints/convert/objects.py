"""authentik's groups, people and scopes, converted to documents."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.core.validators import validate_email
from pydantic import ValidationError

from blueprints.convert.entries import AuthentikEntry, NotConvertible
from blueprints.convert.groups import GROUP, USER
from blueprints.convert.names import group_name
from blueprints.convert.report import Block, FoyerTag
from blueprints.convert.steps import ConversionContext
from blueprints.objects.document import DOCUMENTS
from flows.validation_messages import describe_error
from idp.accounts.people import FIRST_ADMINISTRATOR
from idp.foundation import mailboxes
from idp.foundation.text import clean_line, fold
from idp.oauth.models import scope_syntax
from idp.oauth.scopes import is_reserved
from idp.tenancy.models import DEFAULT

APPLICATION = "authentik_core.application"
SCOPE = "authentik_providers_oauth2.scopemapping"
PROTOCOL_SCOPES = ("openid", "profile", "email", "offline_access")
# keys that do not affect access
_OPTIONAL_KEYS = ("title", "owner", "logo", "client_id", "name", "email", "description")


def drop_invalid_keys(
    kind: str, block: Block, entry: AuthentikEntry, context: ConversionContext
) -> Block | None:
    """Return the document without its invalid keys, each noted; None if an invalid key affects access."""
    for _ in _OPTIONAL_KEYS:
        try:
            DOCUMENTS[kind].model_validate(
                {key: "" if isinstance(value, FoyerTag) else value for key, value in block.plain().items()}
            )
            return block
        except ValidationError as errors:
            error = errors.errors()[0]
            key = str(error["loc"][0]) if error["loc"] else ""
            if key not in _OPTIONAL_KEYS or key not in block.values:
                context.note(entry, f"it is omitted: {key}: {describe_error(error)}")
                return None
            context.note(entry, f"{key} is not converted: {describe_error(error)}")
            del block.values[key]
    return None


def convert_groups(context: ConversionContext, named: set[str]) -> list[Block]:
    """Return the groups, including those that are only referred to."""
    found: dict[str, Block] = {}
    for entry in context.objects.by_model(GROUP):
        for key, reason in (
            (
                "parent",
                (
                    "groups can't be nested here; where a policy names the upper group, its lower "
                    "ones are named too"
                ),
            ),
            (
                "parents",
                (
                    "groups can't be nested here; where a policy names the upper group, its lower "
                    "ones are named too"
                ),
            ),
            ("is_superuser", "groups don't make administrators; give the person the role"),
        ):
            if entry.get(key):
                context.note(entry, f"{key} is not converted: {reason}.", key)
        entry.get("users")
        if name := group_name(entry.title):
            found.setdefault(name, Block({"group": name}))
        else:
            context.note(entry, "it is omitted: no group can have this name.", "name")
    for name in sorted(named - found.keys()):
        first_entry = context.objects.entries[0]
        context.notes.add(
            first_entry.file,
            1,
            (
                f"The group {name} is referred to, but missing in the files: which groups lie above "
                "it is not known."
            ),
        )
        found[name] = Block({"group": name}, ["authentik: referred to, but missing in the files"])
    return list(found.values())


def convert_people(context: ConversionContext, tenant: str) -> list[Block]:
    """Return the people of this tenant, without their passwords."""
    blocks: dict[str, Block] = {}
    listed = _groups_by_member(context)
    for entry in context.objects.by_model(USER):
        try:
            block = _person(entry, listed.get(entry, set()), context)
        except NotConvertible as error:
            context.notes.add(entry.file, error.line, f"{entry} is omitted: {error.text}.")
            entry.is_reported = True
            continue
        block = drop_invalid_keys("person", block, entry, context) if block else None
        if not block:
            continue
        name = fold(block.values["person"])
        if name in blocks:
            context.note(entry, "it is omitted: another person has the same username but for its spelling.")
            continue
        blocks[name] = block
        if (name, tenant) == (FIRST_ADMINISTRATOR, DEFAULT):
            context.note(
                entry,
                (
                    f"the first administrator is named {name} here, and applying this changes "
                    "that one: rename one of both."
                ),
            )
    _drop_duplicate_emails(blocks.values(), context)
    return list(blocks.values())


def _groups_by_member(context: ConversionContext) -> dict[AuthentikEntry, set[str]]:
    """Return the groups of each person, from the member lists of the groups."""
    found: dict[AuthentikEntry, set[str]] = {}
    for group in context.objects.by_model(GROUP):
        users = group.get("users")
        for each in users if isinstance(users, list) else []:
            if (entry := context.objects.find(each)) is not None:
                found.setdefault(entry, set()).add(group_name(group.title))
            else:
                context.note(group, "not all of its people are in the files.", "users")
    return found


def _person(entry: AuthentikEntry, listed: set[str], context: ConversionContext) -> Block | None:
    kind = entry.text("type") or "internal"
    if kind not in ("internal", "external"):
        context.note(entry, f"it is omitted: its type is {kind[:40]}, which doesn't sign in.", "type")
        entry.is_reported = True
        return None
    values: dict[str, Any] = {
        "person": entry.text("username"),
        "name": clean_line(entry.text("name"), 150),
        "email": entry.text("email"),
    }
    if values["email"] and not is_valid(validate_email, values["email"]):
        context.note(entry, "its email address is not valid and is omitted.", "email")
        values["email"] = ""
    active = entry.boolean("is_active", True)
    named = {
        group_name(context.objects.referenced_name(each, "name")) for each in entry.list("groups")
    } | listed
    member = {*filter(None, named)}
    if member < named:
        context.note(
            entry,
            (
                "not all of its groups are named in the files, and one of them may close "
                "something: it is deactivated."
            ),
            "groups",
        )
        active = False
    if entry.get("password") is not None:
        context.note(entry, "password is not converted; send a recovery link.", "password")
    values = {key: value for key, value in values.items() if value or key == "person"}
    return Block(
        {**values, **({} if active else {"active": False}), **({"groups": sorted(member)} if member else {})}
    )


def is_valid(check: Callable[[Any], None], text: Any) -> bool:
    """Return whether a validator accepts the text."""
    try:
        check(text)
    except Invalid:
        return False
    return True


def _drop_duplicate_emails(blocks: Iterable[Block], context: ConversionContext) -> None:
    seen: set[str] = set()
    for block in blocks:
        email = mailboxes.lookup_key(block.values.get("email", ""))
        if email and email in seen:
            block.comments.append("authentik: someone else has the same email address; it is omitted here")
            del block.values["email"]
        seen.add(email)


def convert_scopes(context: ConversionContext) -> list[Block]:
    """Return the custom scope mappings as scopes, without what they add to tokens."""
    blocks: dict[str, Block] = {}
    for entry in context.objects.by_model(SCOPE):
        entry.get("managed")
        name = entry.get("scope_name")
        if not isinstance(name, str) or not (name in PROTOCOL_SCOPES or is_scope(name)):
            context.note(entry, "it is omitted: it has no name that a scope may have here.", "scope_name")
            continue
        comments, expression = [], entry.get("expression")
        if expression:
            context.note(
                entry,
                "what its expression puts into tokens is not converted; its source is in a comment.",
                "expression",
            )
            comments = [f"authentik: its expression is not converted:\n{expression}"]
        title = clean_line(entry.plain_text("description"), 150) or clean_line(entry.title, 150) or name
        if name in PROTOCOL_SCOPES:
            context.note(
                entry, f"the scope {name} is the one of the protocol, with its own words and claims."
            )
        elif name in blocks:
            context.note(entry, f"another mapping has the scope {name} too: that one's words stand.")
        else:
            blocks[name] = Block({"scope": name, "title": title}, comments)
    return list(blocks.values())


def is_scope(name: str) -> bool:
    """Return whether a tenant's scope may have this name, which must not be one of the administration."""
    return (
        is_valid(scope_syntax, name)
        and not is_reserved(name)
        and _first_error({"scope": name, "title": "x"}) == ""
    )


def _first_error(document: dict[str, Any]) -> str:
    """Return the first error of the document as a sentence, or "" if it is valid."""
    try:
        DOCUMENTS[next(iter(document))].model_validate(document)
    except ValidationError as errors:
        return describe_error(errors.errors()[0])
    return ""
