"""The tenant in scope: set by a block that resets it, never guessed, never left behind."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.apps import apps

from flows.models import Flow
from idp.accounts.models import Group, Person
from idp.accounts.people import save_group
from idp.celery import app
from idp.events.models import Event
from idp.tenancy.models import Tenant, TenantModel
from idp.tenancy.scope import NoTenant, current_tenant, tenant_or_none, tenant_scope
from idp.tenancy.tasks import tenant_task
from tests.support.client import LiveServer

SCOPED = [model for model in apps.get_models() if issubclass(model, TenantModel)]


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model.__name__)
def test_a_table_of_a_tenant_cannot_be_read_without_one(
    tenants: dict[str, Tenant], model: type[TenantModel]
) -> None:
    """Every query without a tenant in scope raises, and nothing is created without a tenant."""
    for query in (
        lambda: model.objects.count(),
        lambda: list(model.objects.all()),
        lambda: model.objects.filter(pk=1).exists(),
        lambda: model.objects.filter(pk=1).update(tenant=tenants["acme"]),
        lambda: model.objects.filter(pk=1).delete(),
        lambda: model(),
    ):
        with pytest.raises(NoTenant):
            query()


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model.__name__)
def test_a_tenant_sees_its_own_rows_only(tenants: dict[str, Tenant], model: type[TenantModel]) -> None:
    """The tenants' rows together are all rows."""
    seen = []
    for tenant in tenants.values():
        with tenant_scope(tenant):
            rows = list(model.objects.all())
            assert {row.tenant_id for row in rows} <= {tenant.pk}
            seen += rows
    assert len(seen) == model.unscoped.count()


def test_what_is_created_belongs_to_the_tenant_in_scope(tenants: dict[str, Tenant]) -> None:
    """A new row belongs to the tenant in scope without naming it."""
    for tenant in tenants.values():
        with tenant_scope(tenant):
            assert save_group("night", by="test").tenant_id == tenant.pk
    assert Group.unscoped.filter(name="night").count() == 2


def test_the_earlier_scope_returns_after_an_exception(tenants: dict[str, Tenant]) -> None:
    """That holds for a nested and for the outermost scope."""
    acme, other = tenants["acme"], tenants["other"]
    with tenant_scope(acme):
        with pytest.raises(ZeroDivisionError), tenant_scope(other):
            assert current_tenant().pk / 0 == other.pk
        assert current_tenant() == acme
    assert tenant_or_none() is None
    with pytest.raises(NoTenant):
        current_tenant()


def test_a_scope_does_not_leak_into_another_thread_or_the_next_job(tenants: dict[str, Tenant]) -> None:
    """traps.md: a value left in a pooled thread leaks into its next job."""

    def failing() -> None:
        with tenant_scope(tenants["acme"]):
            raise RuntimeError

    with ThreadPoolExecutor(1) as pool, tenant_scope(tenants["other"]):
        assert pool.submit(tenant_or_none).result() is None
        with pytest.raises(RuntimeError):
            pool.submit(failing).result()
        assert pool.submit(tenant_or_none).result() is None


def test_requests_on_pooled_threads_keep_apart(live: LiveServer) -> None:
    """Requests of two tenants and of none on sixteen threads each get their own tenant's response.

    That holds after errors, too.
    """

    def ask(at: int) -> bool:
        host = ("acme.test", "other.test", "unknown.test")[at % 3]
        path = ("/.well-known/openid-configuration", "/", "/nothing")[at // 3 % 3]
        response = httpx.get(f"http://127.0.0.1:{live.port}{path}", headers={"Host": host}, timeout=30)
        if host == "unknown.test":
            return response.status_code == 404 and "host name" in response.text
        title, foreign = ("Acme", "Other") if host == "acme.test" else ("Other", "Acme")
        return (f"http://{host}" in response.text or title in response.text) and foreign not in response.text

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(45)))


def test_a_task_takes_every_tenant_even_after_one_failed(
    tenants: dict[str, Tenant], caplog: pytest.LogCaptureFixture
) -> None:
    """One tenant's failure is logged with its name, and the task fails as a whole after the last tenant."""
    seen: list[str] = []

    @tenant_task
    def visit(people: int = 3) -> None:
        seen.append(current_tenant().name)
        assert Person.objects.count() == people
        save_group("visited", by="test")
        if current_tenant().name == "acme":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        visit()
    assert sorted(seen) == ["acme", "other"]
    assert Group.unscoped.filter(name="visited").count() == 2
    assert tenant_or_none() is None
    failures = [record for record in caplog.records if record.message == "task failed"]
    assert [(vars(record)["tenant"], vars(record)["task"]) for record in failures] == [("acme", "visit")]
    visit(tenant="other")
    assert sorted(seen) == ["acme", "other", "other"]


def test_a_task_is_one_of_celerys_under_its_own_name(tenants: dict[str, Tenant]) -> None:
    """The beat's schedule, which names tasks by their path, finds it."""
    app.loader.import_default_modules()
    assert len(app.conf.beat_schedule) >= 5
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks


def test_a_tenant_that_vanishes_takes_its_rows_and_no_other(tenants: dict[str, Tenant]) -> None:
    """Cascade stays inside."""
    before = {model: model.unscoped.filter(tenant=tenants["other"]).count() for model in SCOPED}
    Flow.unscoped.filter(tenant=tenants["acme"]).update(live=None)
    tenants["acme"].delete()
    assert {model: model.unscoped.count() for model in SCOPED} == before
    assert Event.unscoped.filter(tenant=tenants["other"]).exists()
