"""The API can do what the console can, page by page and with the same roles.

What it lacks is listed here and in docs/api.md.
"""

from collections.abc import Iterator

from idp.accounts.roles import roles_by_operation
from web.administration.resources import RESOURCES
from web.api.admin.operations import AccessToken
from web.api.app import api
from web.console.frame import ConsolePage
from web.console.urls import PAGES

PICTURES = {  # pages for display only, or about this browser
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
NEEDLESS = {"blueprints-look"}  # refreshes what the API computes on each request
OPERATIONS = {
    "overview": "get_statistics get_alerts get_me",
    "live": "list_events",
    "application-new": "list_recipes",
    "application-recipe": "list_recipes create_application_from_recipe",
    "application-setup": "get_application_setup",
    "application-secret": "rotate_client_secret",
    "blueprints": "list_drift list_owned list_blueprint_secrets",
    "blueprints-plan": "plan_blueprint",
    "blueprints-apply": "apply_blueprint",
    "blueprints-secret": "set_blueprint_secret delete_blueprint_secret",
    "blueprints-export": "export_blueprint",
    "branding": "get_branding update_branding",
    "builder": "get_flow_draft get_flow_version",
    "builder-edit": "save_flow_draft",
    "builder-check": "save_flow_draft",
    "device": "get_device_history",
    "device-revoke": "deny_or_revoke_device",
    "flow-new": "save_flow_draft",
    "flow-publish": "publish_flow",
    "flow-discard": "discard_flow_draft",
    "flow-versions": "list_flow_versions",
    "flow-version": "get_flow_version",
    "flow-export": "get_flow_version",
    "flow-compare": "compare_flow_versions",
    "flow-roll-back": "roll_back_flow",
    "flow-runs": "get_flow_funnel",
    "flow-try": "dry_run_flow validate_flow",
    "flow-try-keep": "save_flow_test",
    "flow-try-people": "list_people",
    "flow-try-applications": "list_applications",
    "run": "get_flow_run",
    "runs": "list_flow_runs",
    "keys-rotate": "rotate_key",
    "mails": "list_default_mails list_mails",
    "mail": "get_mail create_or_update_mail",
    "mail-forget": "delete_mail",
    "person-help": "get_person",
    "person-link": "create_recovery_link",
    "person-mail": "send_recovery_link",
    "person-reset": "reset_second_factors",
    "person-role": "update_person",
    "tenant-new": "create_tenant",
    "tenant": "list_tenant_administrators update_tenant",
    "tenant-link": "create_tenant_recovery_link",
    "tenant-domain": "approve_domain reject_domain",
}


def needs() -> dict[str, str]:
    """Return the permission that each operation of the API requires, by operation name."""
    found = {}
    for bound in api._get_bound_routers():
        for view in bound.path_operations.values():
            for operation in view.operations:
                token = next(
                    (each for each in operation.auth_callbacks if isinstance(each, AccessToken)), None
                )
                if token:
                    found[str(operation.operation_id)] = token.operation
    return found


def of_objects() -> Iterator[tuple[str, str]]:
    """Yield the pages generated from the declarations, with the operations generated from them too."""
    for name, resource in RESOURCES.items():
        one, put = resource.kind or name.removesuffix("s"), "create_or_update"
        yield name, f"list_{name}"
        yield f"{name}-add", f"{put}_{one}"
        yield f"{name}-one", f"get_{one} {put}_{one} update_{one}" if resource.edit else f"get_{one}"
        for action in resource.actions:
            verb, devices, _rest = action.name.replace("-", "_").partition("_devices")
            tail = "_and_their_devices" if devices else ""
            yield f"{name}-{action.name}", f"{verb}_{one}{tail} bulk_{verb}_{name}{tail}"


def test_each_page_has_its_operations() -> None:
    """The roles of every page and button are those of its operations, and no page is missing."""
    operations, known, wrong = needs(), {**dict(of_objects()), **OPERATIONS}, []
    for page in PAGES:
        if page.name not in PICTURES | NEEDLESS:
            wanted = {
                roles_by_operation()[right] for right in (page.view_operation, page.post_operation) if right
            }
            if {roles_by_operation()[operations[name]] for name in known[page.name].split()} != wanted:
                wrong.append(page.name)
    assert wrong == []


def test_no_page_is_named_that_is_not_there() -> None:
    """The table above lists only pages that exist."""
    pages: tuple[ConsolePage, ...] = PAGES
    assert (PICTURES | NEEDLESS | set(OPERATIONS)) <= {page.name for page in pages}
