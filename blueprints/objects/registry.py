"""All kinds, in the order in which they are written: referenced objects come first."""

from blueprints.objects.application import ApplicationKind
from blueprints.objects.flow import FlowKind
from blueprints.objects.group import GroupKind
from blueprints.objects.kind import Kind
from blueprints.objects.mail import MailKind
from blueprints.objects.person import PersonKind
from blueprints.objects.scope import ScopeKind
from blueprints.objects.tenant import TenantKind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        TenantKind(),
        ScopeKind(),
        GroupKind(),
        PersonKind(),
        FlowKind(),
        ApplicationKind(),
        MailKind(),
    )
}
