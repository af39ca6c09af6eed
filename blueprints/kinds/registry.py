"""Every kind, in the order in which they are written: what others refer to comes first."""

from blueprints.kinds.application import ApplicationKind
from blueprints.kinds.flow import FlowKind
from blueprints.kinds.group import GroupKind
from blueprints.kinds.kind import Kind
from blueprints.kinds.mail import MailKind
from blueprints.kinds.person import PersonKind
from blueprints.kinds.scope import ScopeKind
from blueprints.kinds.tenant import TenantKind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (TenantKind(), ScopeKind(), GroupKind(), PersonKind(), FlowKind(), ApplicationKind(), MailKind())
}
