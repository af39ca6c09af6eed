"""People, the groups that they are in, what they prove themselves with, their sessions, and links for the
locked-out.
"""

from datetime import datetime
from uuid import uuid4

from django.db import models

from idp.foundation import mailboxes
from idp.foundation.sealing import SealedField
from idp.tenancy.models import TenantModel


def new_subject() -> str:
    """A ``sub`` that is never reassigned and says nothing about the person (OpenID Connect Core
    section 8).
    """
    return uuid4().hex


class Group(TenantModel):
    """A named set of people; conditions and applications refer to it by name."""

    name = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_group_per_name")]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What somebody may do beside signing in: idp/accounts/roles.py has the matrix."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Administrator"
    EDITOR = "editor", "Flow editor"
    HELPDESK = "helpdesk", "Help desk"
    AUDITOR = "auditor", "Auditor"


ADMINISTRATORS = (Role.OWNER, Role.ADMIN)


class Person(TenantModel):
    """Somebody who signs in.

    ``username`` and ``email`` are stored folded, so that spelling never makes two people of one.

    ``email`` is for look-ups alone: mail goes to :attr:`mailbox`. ``email_written`` is empty in rows that are
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
            ),  # searched in the index alone
            models.Index(fields=["tenant", "created_at"], name="people_by_age"),
            # whether anybody administers is asked often
            models.Index(fields=["tenant", "role"], name="people_by_role"),
        ]

    def __str__(self) -> str:
        return self.username

    def outdated(self, proved_at: datetime) -> bool:
        """Whether a proof given then is older than the last change of what this person proves themselves
        with.
        """
        return bool(self.proofs_valid_after and proved_at < self.proofs_valid_after)

    @property
    def mailbox(self) -> str:
        """The address as it was written."""
        return mailboxes.as_written(self.email, self.email_written)

    def set_email(self, written: str) -> None:
        """Take over an address, or "" for none."""
        self.email, self.email_written = mailboxes.key(written), written

    @property
    def administers(self) -> bool:
        """Whether the tenant is in this person's hands."""
        return self.role in ADMINISTRATORS

    @property
    def display_name(self) -> str:
        """The name, or the username where none was given."""
        return self.name or self.username


class Credential(TenantModel):
    """Something else than a password that proves a person; a new kind of credential needs no new table.

    ``data`` is public. ``secret`` is encrypted under the server's key. ``lookup`` is the mac of a short code,
    under the key in ``secret``. ``counter`` is the last one that was accepted, for kinds that count (the time
    step of RFC 6238 section 5.2).
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
    """A person signed in in one browser or one client; the database is the truth, the cookie only names the
    row.

    ``proofs``: the moment of each of ``methods``, as ISO 8601; in rows that are older than the column all
    count as ``authenticated_at``.
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
    def moments(self) -> dict[str, datetime]:
        """When each method was last proved, in the order in which they came."""
        proofs = self.proofs
        return {
            each: datetime.fromisoformat(proofs[each]) if each in proofs else self.authenticated_at
            for each in self.methods
        }

    def proved(self, method: str, at: datetime) -> None:
        """Note, without saving it, that ``method`` was proved at this moment."""
        self.proofs = {each: moment.isoformat() for each, moment in {**self.moments, method: at}.items()}
        self.methods = [*self.methods, *({method} - set(self.methods))]


class RecoveryLink(TenantModel):
    """A one-time link that lets its holder set a new password; only its hash is stored."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="recovery_links")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"for {self.person_id} until {self.expires_at:%F %T}"
