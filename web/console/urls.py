"""The URLs of the console, from the ``PAGES`` tables of its modules."""

from web.console import (
    api_docs,
    blueprints,
    branding,
    device,
    first_steps,
    keys,
    live,
    mails,
    overview,
    people,
    playground,
    recipes,
    tenants,
)
from web.console.builder import editor, new_flow, versions
from web.console.objects import lists, objects
from web.console.simulation import dry_run, preview, runs

_MODULES = (
    api_docs,
    blueprints,
    branding,
    editor,
    new_flow,
    device,
    dry_run,
    first_steps,
    keys,
    lists,
    live,
    mails,
    overview,
    people,
    playground,
    preview,
    recipes,
    runs,
    tenants,
    objects,
    versions,
)
PAGES = tuple(page for module in _MODULES for page in module.PAGES)

app_name = "console"
urlpatterns = [page.pattern() for page in PAGES]
