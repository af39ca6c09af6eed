"""What the console can do, the API can do with the same roles: page by page; what it lacks is named here, and
in docs/api.md.
"""

from collections.abc import Iterator

from idp.accounts.roles import allowed
from web.administration.resources import RESOURCES
from web.api.app import api
from web.console.frame import Page
from web.console.urls import PAGES

PICTURES = {  # pages that are there to be looked at, or that are about this browser
    *(
        "playground",
        "playground-qr",
        "first-steps",
        "first-steps-dismiss",
        "api-docs",
        "api-docs-document",
        "api-docs-one",
    ),
    *("branding-preview", "mail-preview", "flow-preview", "flow-preview-page", "preview-style"),
}
NEEDLESS = {"blueprints-look"}  # looks anew at what the API looks at anew whenever it is asked
OPERATIONS = {
    "overview": "get-statistics get-concerns get-me",
    "live": "list-events",
    "application-new": "list-recipes",
    "application-recipe": "list-recipes make-application",
    "application-setup": "get-application-setup",
    "application-secret": "renew-secret",
    "blueprints": "list-drift list-owned list-blueprint-secrets",
    "blueprints-plan": "plan-blueprint",
    "blueprints-apply": "apply-blueprint",
    "blueprints-secret": "put-blueprint-secret delete-blueprint-secret",
    "blueprints-export": "export-blueprint",
    "branding": "get-branding patch-branding",
    "builder": "get-draft get-version",
    "builder-edit": "put-draft",
    "builder-check": "put-draft",
    "device": "get-device-story",
    "device-revoke": "end-device",
    "flow-new": "put-draft",
    "flow-publish": "publish-flow",
    "flow-discard": "delete-draft",
    "flow-versions": "list-versions",
    "flow-version": "get-version",
    "flow-export": "get-version",
    "flow-compare": "compare-flow",
    "flow-roll-back": "roll-back-flow",
    "flow-runs": "count-flow",
    "flow-try": "simulate-flow lint-flow",
    "flow-try-keep": "keep-flow-test",
    "flow-try-people": "list-people",
    "flow-try-applications": "list-applications",
    "run": "inspect-run",
    "runs": "list-runs",
    "keys-rotate": "rotate-keys",
    "mails": "list-shipped-mails list-mails",
    "mail": "get-mails put-mails",
    "mail-forget": "delete-mails",
    "person-help": "get-people",
    "person-link": "make-recovery-link",
    "person-mail": "mail-recovery-link",
    "person-reset": "forget-factors",
    "person-role": "patch-people",
    "tenant-new": "make-tenant",
    "tenant": "list-administrators patch-tenant",
    "tenant-link": "make-tenant-link",
    "tenant-domain": "approve-domain refuse-domain",
}


def needs() -> dict[str, str]:
    """The right that each operation of the API needs, by its name."""
    found = {}
    for bound in api._get_bound_routers():
        for view in bound.path_operations.values():
            for operation in view.operations:
                token = next((each for each in operation.auth_callbacks if hasattr(each, "scopes")), None)
                if token:
                    found[str(operation.operation_id)] = token.operation
    return found


def of_objects() -> Iterator[tuple[str, str]]:
    """Pages that are made from the declarations, with the operations that are made from them too."""
    for name, resource in RESOURCES.items():
        yield name, f"list-{name}"
        yield f"{name}-add", f"put-{name}"
        yield f"{name}-one", f"get-{name} put-{name} patch-{name}" if resource.edit else f"get-{name}"
        for action in resource.actions:
            one = f"delete-{name}" if action.name == "delete" and resource.edit else f"{action.name}-{name}"
            yield f"{name}-{action.name}", f"{one} {action.name}-{name}-many"


def test_each_page_has_its_operations() -> None:
    """Who may open a page or press its button may call one, and the other way round; no page was
    forgotten.
    """
    operations, known, wrong = needs(), {**dict(of_objects()), **OPERATIONS}, []
    for page in PAGES:
        if page.name not in PICTURES | NEEDLESS:
            wanted = {allowed()[right] for right in (page.see, page.do) if right}
            if {allowed()[operations[name]] for name in known[page.name].split()} != wanted:
                wrong.append(page.name)
    assert wrong == []


def test_no_page_is_named_that_is_not_there() -> None:
    """The table above is about pages that exist."""
    pages: tuple[Page, ...] = PAGES
    assert (PICTURES | NEEDLESS | set(OPERATIONS)) <= {page.name for page in pages}
