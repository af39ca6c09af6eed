"""Deletes token families whose last token has expired."""

from datetime import timedelta

from django.utils import timezone

from idp.oauth.models import TokenFamily
from idp.tenancy.tasks import tenant_task


@tenant_task
def sweep_tokens(batch: int = 500) -> None:
    """In batches, a day after the last token could be used."""
    long_ago = timezone.now() - timedelta(days=1)
    while stale := list(TokenFamily.objects.filter(expires_at__lt=long_ago).values_list("pk", flat=True)[:batch]):
        TokenFamily.objects.filter(pk__in=stale).delete()
