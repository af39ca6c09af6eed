"""Deletes token families whose last token has expired, and expired refresh tokens of the others."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from idp.oauth.models import RefreshToken, TokenFamily
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_tokens(batch: int = 500) -> None:
    """Delete tokens in batches, a day after they expired.

    A used refresh token is stored for its original lifetime: until then its reuse revokes the family, however
    often that was refreshed in the meantime. With a limit by number, a thief could refresh until the stolen
    token is forgotten.
    """
    long_ago = timezone.now() - timedelta(days=1)
    in_batches(lambda: _delete(TokenFamily.objects.filter(expires_at__lt=long_ago), batch))
    in_batches(lambda: _delete(RefreshToken.objects.filter(expires_at__lt=long_ago), batch))


def _delete(rows: QuerySet[Any], batch: int) -> int:
    stale = list(rows.values_list("pk", flat=True)[:batch])
    return rows.filter(pk__in=stale).delete()[0] if stale else 0
