"""People, groups, credentials, sessions and recovery links."""

from datetime import datetime
from uuid import uuid4

from django.db import models

from idp.foundation import mailboxes
from idp.foundation.sealing import SealedField
from idp.tenancy.models import TenantModel


def new_subject() -> str:
    """Return a ``sub`` that is never reassigned and reveals nothing (OpenID Connect Core section 8)."""
    return uuid4().hex


class Group(TenantModel):
    """A named set of people; conditions and applications refer to it by name."""

    name = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_group_per_name")]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a person may do besides signing in; the matrix is in idp/accounts/roles.py."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Administrator"
    EDITOR = "editor", "Flow editor"
    HELPDESK = "helpdesk", "Help desk"
    AUDITOR = "auditor", "Auditor"


ADMINISTRATORS = (Role.OWNER, Role.ADMIN)


class Person(TenantModel):
    """A user account.

    ``username`` and ``email`` are stored folded, so that two spellings never make two people.

    ``email`` is for look-ups only; mail goes to :attr:`mailbox`. ``email_written`` is empty in rows that are
    older than the column.
    """

    subject = models.CharField(max_length=32, unique=True, default=new_subject, editable=False)
    username = models.CharField(max_length=150)
    email = models.EmailField(max_length=254, blank=True, default="")
    email_written = models.CharField(max_length=320, blank=True, default="", db_default="")
    email_verified = models.BooleanField(default=False)
    name = models.CharField(max_length=150, blank=True, default="")
    password = models.CharField(max_length=200, blank=True, default="")
    is_active = models.BooleanField(default=True)
    role = models.CharField(max_length=20, choices=Role.choices, blank=True, default="")
    groups = models.ManyToManyField(Group, blank=True, related_name="people")
    created_at = models.DateTimeField(auto_now_add=True)
    proofs_valid_after = models.DateTimeField(null=True, blank=True)
    attributes = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "username"], name="one_person_per_username"),
            models.UniqueConstraint(
                fields=["tenant", "email"], condition=~models.Q(email=""), name="one_person_per_email"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "username", "name", "email", "is_active"], name="people_by_words"
            ),  # an index-only search
            models.Index(fields=["tenant", "created_at"], name="people_by_age"),
            # has_admin() runs often
            models.Index(fields=["tenant", "role"], name="people_by_role"),
        ]

    def __str__(self) -> str:
        return self.username

    def is_proof_outdated(self, proved_at: datetime) -> bool:
        """Return whether a proof from ``proved_at`` is older than the last change of credentials."""
        return bool(self.proofs_valid_after and proved_at < self.proofs_valid_after)

    @property
    def mailbox(self) -> str:
        """Return the email address as it was written."""
        return mailboxes.original_spelling(self.email, self.email_written)

    def set_email(self, written: str) -> None:
        """Set the email address, or remove it with ""."""
        self.email, self.email_written = mailboxes.lookup_key(written), written

    @property
    def administers(self) -> bool:
        """Return whether this person is an owner or administrator of the tenant."""
        return self.role in ADMINISTRATORS

    @property
    def display_name(self) -> str:
        """Return the name, or the username without one."""
        return self.name or self.username


class Credential(TenantModel):
    """Proof of a person other than a password; a new kind of credential needs no new table.

    ``data`` is public. ``secret`` is encrypted under the server's key. ``lookup`` is the MAC of a short code
    under the key in ``secret``. ``counter`` is the last accepted value, for kinds that count (the time step
    of RFC 6238 section 5.2).
    """

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=100, blank=True, default="")
    data = models.JSONField(default=dict, blank=True)
    secret = SealedField(blank=True, default="")
    lookup = models.CharField(max_length=64, blank=True, default="", db_index=True)
    counter = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["person", "kind"], name="credentials_of_a_person"),
            models.Index(fields=["tenant", "created_at", "person", "kind"], name="credentials_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.person_id}"


class Session(TenantModel):
    """A person signed in with one browser or one client.

    The cookie only names the row; the database is authoritative.

    ``proofs``: the time of each of ``methods``, in ISO 8601. In rows that are older than the column, all
    methods count as proved at ``authenticated_at``.
    """

    key_hash = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="sessions")
    methods = models.JSONField(default=list)
    proofs = models.JSONField(default=dict, db_default={})
    authenticated_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "authenticated_at", "person", "address", "ended_at", "expires_at"],
                name="sessions_by_age",
            )
        ]

    def __str__(self) -> str:
        return f"{self.person_id}@{self.address}"

    @property
    def proof_times(self) -> dict[str, datetime]:
        """Return when each method was last proved, in the order of their first use."""
        proofs = self.proofs
        return {
            each: datetime.fromisoformat(proofs[each]) if each in proofs else self.authenticated_at
            for each in self.methods
        }

    def record_proof(self, method: str, at: datetime) -> None:
        """Record, without saving, that ``method`` was proved at this time."""
        self.proofs = {each: moment.isoformat() for each, moment in {**self.proof_times, method: at}.items()}
        self.methods = [*self.methods, *({method} - set(self.methods))]


class RecoveryLink(TenantModel):
    """A one-time link with which its holder sets a new password; only its hash is stored."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="recovery_links")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"for {self.person_id} until {self.expires_at:%F %T}"
