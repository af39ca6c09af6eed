"""The cache in Redis: an answer within a quarter of a second, or none."""

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
# One try: the breaker decides when there is another. A connection that the server closed is found out before
# it is used.
SOCKETS = {
    "socket_connect_timeout": _SECONDS,
    "socket_timeout": _SECONDS,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
    "driver_info": None,  # two round trips less for each connection
}


class Client(Redis):
    """Asks nothing while Redis is away. Pipelines (``set_many``) go past this, and are not used."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command; a ConnectionError at once while the breaker is open."""
        try:
            with breaker.REDIS.asking(*_FAULTS):
                return super().execute_command(*args, **options)
        except breaker.Away:
            raise ConnectionError(message_of(breaker.Away)) from None


class Cache(RedisCache[Any]):
    """django-redis's, over our client; what fails answers nothing."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            **params.get("OPTIONS", {}),
            "IGNORE_EXCEPTIONS": True,
            "REDIS_CLIENT_CLASS": f"{__name__}.Client",
            "CONNECTION_POOL_KWARGS": SOCKETS,
        }
        super().__init__(server, {**params, "OPTIONS": options})

    def works(self) -> bool:
        """Return whether it takes something in now: reading goes on in a Redis that is full, or a replica."""
        try:
            self.client.get_client().set(self.make_key("works"), 1, ex=1)
        except (RedisError, OSError):
            return False
        return True
