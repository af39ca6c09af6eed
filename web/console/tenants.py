"""The tenants of the installation, for its owner on the default host: creation, domains and setup links."""

from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from blueprints.objects import edit
from blueprints.objects.new_tenants import TenantSpec, check_spec, create_recovery_token, create_tenant
from idp.accounts.people import administrators
from idp.accounts.roles import operations_of
from idp.events.changes import decide_domain
from idp.oauth.tenants import TENANTS
from idp.tenancy.scope import tenant_scope
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import problems_from_errors
from web.console.objects.history import history_of_other_tenant
from web.console.requests import ConsoleRequest
from web.console.shown_once import clear_one_time_values, read_one_time_values, redirect_with_one_time_values
from web.pages.oauth import tenant_origin

_FIELDS = {
    "title": ("title", gettext_lazy("Display name")),
    "name": ("name", gettext_lazy("ID")),
    "domain": ("domain", gettext_lazy("Domain")),
    "administrator": ("administrator", gettext_lazy("Administrator username")),
    "email": ("email", gettext_lazy("Administrator email")),
}
_DOMAINS = {"domains": ("domains", gettext_lazy("Domains"))}


def new(request: ConsoleRequest) -> HttpResponse:
    """Render the form of a new tenant.

    A POST creates the tenant and redirects to the setup link of its first administrator, which is shown once.
    """
    values = {name: request.POST.get(name, "").replace("\0", "").strip() for name in _FIELDS}
    if request.method != "POST":
        return _render_form(request, {"administrator": "admin"}, {})
    values["domain"] = values["domain"].lower()
    if missing := {
        name: [_("This field is required.")]
        for name in ("name", "title", "domain", "administrator")
        if not values[name]
    }:
        return _render_form(request, values, {**check_spec(TenantSpec(**values)), **missing})
    try:
        created = create_tenant(TenantSpec(**values), by=request.person.username)
    except edit.InvalidObject as refused:
        return _render_form(request, values, refused.errors)
    return _redirect_to_link(
        request,
        created.name,
        values["administrator"],
        values["domain"],
        created.token,
        _("Created %(title)s") % values,
    )


def tenant(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render one tenant.

    Its domains can be changed here, so that they can be fixed even if its own console is no longer reachable.
    """
    row = TENANTS.get(name)
    if row is None:
        raise Http404
    errors, details = dict[str, list[str]](), TENANTS.as_json(row)
    domains = details["domains"]
    if request.method == "POST":
        domains = _lines(request.POST.get("domains", ""))
        rights = operations_of(request.person)  # in this tenant, not in the other one
        values = {"tenant": row.name, "domains": domains}
        try:
            with tenant_scope(row):
                edit.save("tenant", values, by=request.person.username, new=False, rights=rights)
        except (edit.InvalidObject, edit.EditConflict) as refused:
            errors = {"domains": [str(refused).removeprefix("domains: ")]}
        else:
            return see_other(request, reverse("console:tenant", args=[row.name]), _("Domains saved."))
    with tenant_scope(row):
        people = administrators()
        events = history_of_other_tenant(request, {"area": "tenant", "target": row.name})
    host = next((each for each in details["domains"] if not each.startswith("*")), "")
    context = {
        "details": details,
        "domains": "\n".join(domains),
        "errors": errors,
        "problems": problems_from_errors(errors, _DOMAINS),
        "administrators": people,
        "history": events,
        "console_url": tenant_origin(request, host) + reverse("console:overview") if host else "",
        "may_edit": request.may("tenants.edit"),
        "back": reverse("console:tenants"),
    }
    return render_page(
        request, "console/tenants_one.html", title=details["title"], status=400 if errors else 200, **context
    )


def _lines(text: str) -> list[str]:
    return [line.strip().lower() for line in text.replace("\0", "").splitlines() if line.strip()]


def domain(request: ConsoleRequest, name: str) -> HttpResponse:
    """Approve or reject a domain that this tenant has requested."""
    row = TENANTS.get(name)
    requested, approve = request.POST.get("domain", ""), request.POST.get("decision") == "approve"
    if row is None or requested not in TENANTS.as_json(row)["asked"]:
        raise Http404
    with tenant_scope(row):
        decide_domain(requested, approve=approve, by=request.person.username)
    notice = _("Approved %(domain)s for %(name)s.") if approve else _("Rejected %(domain)s for %(name)s.")
    return see_other(
        request, reverse("console:tenant", args=[row.name]), notice % {"domain": requested, "name": row.name}
    )


def link(request: ConsoleRequest, name: str) -> HttpResponse:
    """Create a setup link for an administrator of this tenant by POST.

    It redirects to the page that shows the link once.
    """
    row = TENANTS.get(name)
    if row is None:
        raise Http404
    if request.method != "POST":
        return _link_page(request, row.name)
    domains = [each for each in TENANTS.as_json(row)["domains"] if not each.startswith("*")]
    if not domains:
        return see_other(
            request,
            reverse("console:tenant", args=[row.name]),
            _("Add a domain first: the link needs one."),
        )
    username = request.POST.get("username", "").replace("\0", "")
    token = create_recovery_token(row.name, username, by=request.person)
    if not token:
        raise Http404
    return _redirect_to_link(
        request, row.name, username, domains[0], token, _("Setup link for %(name)s") % {"name": username}
    )


def _render_form(request: ConsoleRequest, values: dict[str, str], errors: Any) -> HttpResponse:
    context: dict[str, Any] = {
        "said": values,
        "errors": errors,
        "back": reverse("console:tenants"),
        "problems": problems_from_errors(errors, _FIELDS),
    }
    return render_page(
        request,
        "console/tenants_new.html",
        title=_("Create tenant"),
        status=400 if errors else 200,
        **context,
    )


def _redirect_to_link(
    request: ConsoleRequest, name: str, username: str, domain: str, token: str, title: str
) -> HttpResponse:
    values = {
        "link": tenant_origin(request, domain) + reverse("recover", args=[token]),
        "username": username,
        "title": title,
    }
    return redirect_with_one_time_values(
        request, reverse("console:tenant-link", args=[name]), f"tenant {name}", values
    )


def _link_page(request: ConsoleRequest, name: str) -> HttpResponse:
    created = read_one_time_values(request, f"tenant {name}")
    context: dict[str, Any] = {
        "title": _("Setup link"),
        **created,
        "name": name,
        "tenant_url": reverse("console:tenant", args=[name]),
    }
    page = render_page(request, "console/tenants_link.html", **context)
    return clear_one_time_values(page, f"tenant {name}") if created else page


PAGES = (
    ConsolePage(
        "tenants/new", new, "tenant-new", view_operation="tenants.edit", post_operation="tenants.edit"
    ),
    ConsolePage(
        "tenants/one/<slug:name>",
        tenant,
        "tenant",
        view_operation="tenants.see",
        post_operation="tenants.edit",
    ),
    ConsolePage(
        "tenants/domain/<slug:name>",
        domain,
        "tenant-domain",
        view_operation="",
        post_operation="tenants.edit",
    ),
    ConsolePage(
        "tenants/link/<slug:name>",
        link,
        "tenant-link",
        view_operation="tenants.edit",
        post_operation="tenants.edit",
    ),
)
