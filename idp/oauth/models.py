"""Applications, scopes, signing keys and tokens."""

from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from idp.foundation.sealing import SealedField
from idp.oauth.scopes import administrative_scopes, is_reserved
from idp.tenancy.models import TenantModel, picture, slug

CLIENT_CREDENTIALS = "client_credentials"
DEMO = "demo-device"  # the client ID is the same in every installation
client_id_syntax = RegexValidator(
    r"\A[\x21-\x7e]{1,100}\Z", "Visible ASCII without spaces, 100 characters at most (RFC 6749 A.1)."
)
scope_syntax = RegexValidator(
    r"\A[\x21\x23-\x5b\x5d-\x7e]{1,100}\Z", "A scope token of RFC 6749 section 3.3."
)


def new_client_id() -> str:
    """Return 128 random bits.

    It is never chosen, so it cannot be mistaken for a person's ``sub`` (RFC 9700 section 4.15).
    """
    return uuid4().hex


def new_service_subject() -> str:
    """Return the ``sub`` of a service account.

    Its prefix distinguishes it from every person's (RFC 9700 section 4.15).
    """
    return f"service-{uuid4().hex}"


class Scope(TenantModel):
    """A permission that an application can request, with the text of the consent page."""

    name = models.CharField(max_length=100, validators=[scope_syntax])
    title = models.CharField(max_length=150)
    description = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_scope_per_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if is_reserved(self.name):
            raise ValidationError(
                {"name": f"{self.name} is reserved by Foyer; the consent page explains it."}
            )


class Application(TenantModel):
    """A client of the protocol (RFC 6749 section 2), with its permissions and its device settings.

    ``flows``: by purpose, the flows that it uses in place of the tenant's own. ``subject``: the ``sub`` of
    its service account, which is never chosen and stays when the client ID changes. ``administers``: an owner
    approved its scopes for administration.
    """

    name = models.CharField(max_length=50, validators=[slug])
    title = models.CharField(max_length=100)
    owner = models.CharField(max_length=100, blank=True, default="")
    verified = models.BooleanField(default=False)
    logo = models.TextField(blank=True, default="", validators=[picture])
    client_id = models.CharField(max_length=100, default=new_client_id, validators=[client_id_syntax])
    secret_hash = models.CharField(max_length=64, blank=True, default="")
    subject = models.CharField(max_length=40, unique=True, default=new_service_subject, editable=False)
    confidential = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    grants = models.JSONField(default=list, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    administers = models.BooleanField(default=False, db_default=False)
    groups = models.JSONField(default=list, blank=True)
    flows = models.JSONField(default=dict, blank=True)
    device_code_lifetime = models.PositiveIntegerField(
        default=600, validators=[MinValueValidator(30), MaxValueValidator(3600)]
    )
    device_interval = models.PositiveIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    device_pending_limit = models.PositiveIntegerField(default=10_000)
    device_pending_limit_per_address = models.PositiveIntegerField(default=30)
    access_token_lifetime = models.PositiveIntegerField(
        default=600, validators=[MinValueValidator(60), MaxValueValidator(86_400)]
    )
    refresh_token_lifetime = models.PositiveIntegerField(default=30 * 86_400)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_application_per_name"),
            models.UniqueConstraint(fields=["tenant", "client_id"], name="one_application_per_client_id"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.confidential and not self.secret_hash:
            raise ValidationError({"confidential": "A confidential application requires a client secret."})
        if CLIENT_CREDENTIALS in self.grants and not self.confidential:
            raise ValidationError(
                {"grants": "Client credentials require a confidential application (RFC 6749 section 4.4)."}
            )
        if self.administers and DEMO in (self.name, self.client_id):
            raise ValidationError(
                {"administers": "The demo application is public and can't have administrator access."}
            )
        if not self.administers and (wanted := administrative_scopes(self.scopes)):
            raise ValidationError(
                {
                    "scopes": f"{wanted[0]} gives administrator access: "
                    "an owner must approve it first (administers)."
                }
            )

    @property
    def service_account(self) -> str:
        """Return the name of the application itself in the audit log.

        Its capital distinguishes it from usernames, which are folded.
        """
        return f"Service account {self.name}"


class SigningKey(TenantModel):
    """A key of the tenant: the newest active one signs, all that are not retired verify."""

    kid = models.CharField(max_length=43, unique=True)
    algorithm = models.CharField(max_length=10, default="RS256")
    private_key = SealedField()
    public_jwk = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    retires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.kid


class TokenFamily(TenantModel):
    """All tokens that result from one approval; they are revoked together.

    ``person`` is None where the application acts for itself, without an approval. ``unused_answer``: the
    number of the latest response until a token of it is used, "" afterwards (idp/oauth/retries.py).
    """

    identifier = models.CharField(max_length=32, unique=True)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="families")
    person = models.ForeignKey("accounts.Person", null=True, on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=300)
    scopes = models.JSONField()
    methods = models.JSONField(default=list)
    authenticated_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)
    unused_answer = models.CharField(max_length=32, blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "created_at", "person", "application", "revoked_at", "expires_at"],
                name="families_by_age",
            )
        ]

    def __str__(self) -> str:
        return self.identifier

    @property
    def subject(self) -> str:
        """Return who acts with these tokens: a username, or the application's service account."""
        return self.person.username if self.person else self.application.service_account


class RefreshToken(TenantModel):
    """One generation of a family's refresh token; only its hash is stored."""

    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="refresh_tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"of {self.family_id} until {self.expires_at:%F %T}"
