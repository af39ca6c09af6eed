"""Every address of the console, from the tables of its modules."""

from web.console import (
    api_docs,
    blueprints,
    branding,
    builder,
    builder_new,
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
    things,
    versions,
)

_MODULES = (
    api_docs,
    blueprints,
    branding,
    builder,
    builder_new,
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
    things,
    versions,
)
PAGES = tuple(page for module in _MODULES for page in module.PAGES)

app_name = "console"
urlpatterns = [page.pattern() for page in PAGES]
