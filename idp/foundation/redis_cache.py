"""The Redis cache: it responds within a quarter of a second or counts as empty."""

from typing import Any

from django_redis.cache import RedisCache
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from idp.foundation import breaker
from idp.foundation.errors import message_of

_SECONDS = 0.25
_FAULTS = (ConnectionError, TimeoutError, OSError)
# No retries: the breaker decides when to try again. A connection that the server closed is detected earlier.
SOCKETS = {
    "socket_connect_timeout": _SECONDS,
    "socket_timeout": _SECONDS,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
    "driver_info": None,  # saves two round trips for each connection
}


class RedisClient(Redis):
    """A Redis client that sends nothing while the breaker is open.

    Pipelines (``set_many``) bypass this and are not used.
    """

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute one command; raise ConnectionError at once while the breaker is open."""
        try:
            with breaker.REDIS.guard(*_FAULTS):
                return super().execute_command(*args, **options)
        except breaker.Unavailable:
            raise ConnectionError(message_of(breaker.Unavailable)) from None


class Cache(RedisCache[Any]):
    """The cache of django-redis with this module's client; failures are ignored."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            **params.get("OPTIONS", {}),
            "IGNORE_EXCEPTIONS": True,
            "REDIS_CLIENT_CLASS": f"{__name__}.RedisClient",
            "CONNECTION_POOL_KWARGS": SOCKETS,
        }
        super().__init__(server, {**params, "OPTIONS": options})

    def works(self) -> bool:
        """Return whether the cache accepts writes; a full Redis or a replica still allows reads."""
        try:
            self.client.get_client().set(self.make_key("works"), 1, ex=1)
        except (RedisError, OSError):
            return False
        return True
