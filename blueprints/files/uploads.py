"""Plan and apply uploaded blueprints, within the rights of their author and the tenant in scope."""

from typing import Any

from blueprints.files.apply import apply
from blueprints.files.plan import Plan, make_plan
from blueprints.files.read import Upload
from idp.accounts.models import Person
from idp.accounts.roles import may, operations_of, refuse_own_password, require, require_authority_over
from idp.tenancy.scope import current_tenant


def plan_upload(text: str, *, person: Person, name: str = "", prune: bool = False) -> Plan:
    """Return what applying ``text`` would do.

    Raise BadBlueprint, or NotAllowed if it would give anyone more rights than ``person`` has.
    """
    plan = make_plan([_upload(text, person)], name=_blueprint_name(name), prune=prune)
    _check_rights(plan, person)
    return plan


def apply_upload(text: str, *, person: Person, name: str = "", prune: bool = False, expect: str = "") -> Plan:
    """Apply ``text`` and return the plan that was carried out.

    Raise what planning raises, or PlanChanged if the state of the plan is not ``expect``. In these cases
    nothing was written.
    """
    options: dict[str, Any] = {
        "name": _blueprint_name(name),
        "by": person.username,
        "prune": prune,
        "expect": expect,
    }
    return apply([_upload(text, person)], **options, check=lambda plan: _check_rights(plan, person))


def _blueprint_name(name: str) -> str:
    """Return the name of the blueprint with the tenant before it.

    This way it never is the name of a blueprint of the watched folder, which would then be applied again, for
    all tenants.
    """
    return f"{current_tenant().name}/{name or 'sent'}"[:200]


def _upload(text: str, person: Person) -> Upload:
    return Upload(text, any_tenant=may(person, "tenants.edit"), rights=frozenset(operations_of(person)))


def _check_rights(plan: Plan, person: Person) -> None:
    """Raise NotAllowed if the plan exceeds the rights of ``person``.

    A person must not change another person who has more rights, grant more rights than they have, or test
    whether a password is another person's.
    """
    require(person, "blueprints.apply")
    for change in plan.changes:
        keys = change.located.document.model_fields_set if change.located else ()
        if change.kind != "person" or (change.action == "unchanged" and "password" not in keys):
            continue
        if "password" in keys and change.tenant == current_tenant().name:
            refuse_own_password(person, change.name)
        before = (change.before or {}).get("role", "")
        require_authority_over(person, before)
        role = change.desired.get("role", before)
        if role != before:
            require(person, "people.roles")
            require_authority_over(person, role)
