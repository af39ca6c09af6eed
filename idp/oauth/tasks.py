"""Deletes token families whose last token has expired, and of the others the refresh tokens that have."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from idp.oauth.models import RefreshToken, TokenFamily
from idp.tenancy.tasks import in_batches, tenant_task


@tenant_task
def sweep_tokens(batch: int = 500) -> None:
    """In batches, a day after they could be used.

    A refresh token that was used is kept as long as it would have been good: until then its return ends the
    family, however often that was refreshed meanwhile. A limit by number would let a thief refresh until the
    stolen one is forgotten.
    """
    long_ago = timezone.now() - timedelta(days=1)
    in_batches(lambda: _delete(TokenFamily.objects.filter(expires_at__lt=long_ago), batch))
    in_batches(lambda: _delete(RefreshToken.objects.filter(expires_at__lt=long_ago), batch))


def _delete(rows: QuerySet[Any], batch: int) -> int:
    stale = list(rows.values_list("pk", flat=True)[:batch])
    return rows.filter(pk__in=stale).delete()[0] if stale else 0
