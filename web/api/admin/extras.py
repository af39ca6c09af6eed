"""What the objects of the API have beside the operations that all have: who am I, keys, secrets, ways in, the
tenant's face, mails.
"""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from ninja import Router

from blueprints.objects import edit
from idp.accounts import credentials, recovery
from idp.accounts.people import by_username
from idp.accounts.roles import operations_of, require_to_let_in
from idp.oauth.clients import renew_secret
from idp.outbox.listings import MAILS
from idp.outbox.placeholders import shipped
from idp.tenancy.scope import current_tenant
from idp.tenancy.tenants import asked_for, leads_to
from web.administration.resources import RESOURCES, Resource, rotate_keys
from web.api import schemas as say
from web.api.admin.failures import NoSuchThing
from web.api.admin.object_schemas import sent, shown
from web.api.admin.objects import document, kept, operations
from web.api.admin.operations import Calls
from web.api.admin.preconditions import check, unless_known
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer

WORDED = Resource(
    MAILS,
    _("Mail"),
    "branding.see",
    "branding.edit",
    kind="mail",
    about=_("The mails that this tenant words itself."),
)
_ME, _KEYS, _PEOPLE, _APPLICATIONS = Calls("me"), Calls("keys"), Calls("people"), Calls("applications")
_BRANDING, _SHIPPED = Calls("branding"), Calls("mails")


@_ME.add("GET", "", needs="overview.see", name="get-me", answers={200: say.Me})
def get_me(request: ApiRequest) -> HttpResponse:
    """Who asks, and what they may do here at this moment."""
    person = request.auth
    return answer({"person": person.username, "role": person.role, "operations": operations_of(person)})


@_KEYS.add("POST", "/rotate", needs="keys.rotate", name="rotate-keys", answers={200: say.Rotated})
def rotate(request: ApiRequest, body: say.Rotate) -> HttpResponse:
    """Makes a new signing key; the old ones verify two more days, or nothing more at once."""
    return answer({"kid": rotate_keys(request.auth, keep_old=body.keep_old)})


@_APPLICATIONS.add(
    "POST",
    "/{any:key}/secret",
    needs="applications.edit",
    name="renew-secret",
    answers={200: say.NewSecret},
    fails=(409,),
)
def renew(request: ApiRequest, key: str) -> HttpResponse:
    """A new secret, said only in this answer.

    The old one ends at once, with whatever the application obtained for itself.
    """
    if RESOURCES["applications"].listing.one(key) is None:
        raise NoSuchThing
    return answer({"client_secret": renew_secret(key, by=request.auth)})


@_PEOPLE.add(
    "POST",
    "/{any:key}/recovery-link",
    needs="people.help",
    name="make-recovery-link",
    answers={200: say.WayIn},
)
def way_in(request: ApiRequest, key: str) -> HttpResponse:
    """A link that lets them in once to set a new password, said only in this answer."""
    token = recovery.make_link(_let_in(request, key), by=request.auth.username)
    return answer({"recovery_url": request.build_absolute_uri(reverse("recover", args=[token]))})


@_PEOPLE.add(
    "POST",
    "/{any:key}/recovery-mail",
    needs="people.help",
    name="mail-recovery-link",
    answers={200: say.Acted},
    fails=(409, 429),
)
def mail_way_in(request: ApiRequest, key: str) -> HttpResponse:
    """The same link, sent to the person's own address and said nowhere else."""
    recovery.mail_link(
        _let_in(request, key), request.build_absolute_uri("/").rstrip("/"), by=request.auth.username
    )
    return answer({"changed": True})


@_PEOPLE.add(
    "POST", "/{any:key}/forget-factors", needs="people.help", name="forget-factors", answers={200: say.Acted}
)
def forget_factors(request: ApiRequest, key: str) -> HttpResponse:
    """Takes away all that they hold beside a password, for a person who lost it, and signs them out
    everywhere, devices too.
    """
    return answer({"changed": bool(credentials.remove_all(_let_in(request, key), by=request.auth.username))})


@_BRANDING.add(
    "GET",
    "",
    needs="branding.see",
    name="get-branding",
    answers={200: shown("tenant"), 304: None},
    headers=("If-None-Match",),
)
def look(request: ApiRequest) -> HttpResponse:
    """The tenant's title, face, networks, mail sender and domains."""
    return unless_known(request, kept("tenant", current_tenant().name))


@_BRANDING.add(
    "PATCH",
    "",
    needs="branding.edit",
    name="patch-branding",
    answers={200: shown("tenant")},
    fails=(409, 412),
    body=sent("tenant", change=True).__name__,
    headers=("If-Match",),
)
def change(request: ApiRequest) -> HttpResponse:
    """Changes the keys that are said."""
    name = current_tenant().name
    current = edit.current("tenant", name)
    expect = check(request, current.etag if current else None)
    said = document(request, "tenant", name)
    edit.save(
        "tenant", said, by=request.auth.username, expect=expect, new=False, rights=operations_of(request.auth)
    )
    return kept("tenant", name)


@_BRANDING.add("GET", "/domains", needs="branding.see", name="list-domains", answers={200: say.Domains})
def domains(request: ApiRequest) -> HttpResponse:
    """The host names of the tenant: those that lead here, and those that wait for whoever looks after the
    installation.
    """
    return answer({"approved": leads_to(current_tenant()), "waiting": asked_for(current_tenant())})


@_SHIPPED.add("GET", "/", needs="branding.see", name="list-shipped-mails", answers={200: say.ShippedMails})
def shipped_mails(request: ApiRequest) -> HttpResponse:
    """Every mail that is sent, as it is worded where the tenant says nothing else, and the words that one may
    use in it.
    """
    told = [{"mail": name, **asdict(each), "words": sorted(each.words)} for name, each in shipped().items()]
    return answer({"mails": told})


def _let_in(request: ApiRequest, key: str) -> Any:
    """The person, if whoever asks may give them a way in; raises NoSuchThing or NotAllowed."""
    person = by_username(key)
    if person is None:
        raise NoSuchThing
    require_to_let_in(request.auth, person)
    return person


ROUTERS: tuple[tuple[str, Router], ...] = (
    ("/me", _ME.router),
    ("/keys", _KEYS.router),
    ("/applications", _APPLICATIONS.router),
    ("/people", _PEOPLE.router),
    ("/branding", _BRANDING.router),
    ("/shipped-mails", _SHIPPED.router),
    ("/mails", operations(WORDED)),
)
