"""Celery's way to Redis: what goes wrong with a connection or with one message ends neither the worker nor
the others' turn.

kombu 5.7 gives back what was under way when a connection is closed, also through one that is gone, and fails
there with an error that Celery takes for a fault of the program: the worker ends.
"""

import logging
from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError

log = logging.getLogger(__name__)


class QoS(redis.QoS):
    """What this worker has received and not yet acknowledged."""

    def restore_unacked(self, client: Any = None) -> None:
        """Give it back; while Redis is away it comes back by itself, after the visibility timeout."""
        try:
            super().restore_unacked(client)
        except self.channel.connection_errors:
            self._delivered.clear()


class Channel(redis.Channel):
    """One that says so when it is asked for more after its connection was closed, and passes over what is no
    message.
    """

    QoS = QoS

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise ConnectionError("The connection was closed.")
        return super()._connparams(asynchronous=asynchronous)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            log.error("broker.not_a_message", extra={"why": type(error).__name__})
            return True


class Transport(redis.Transport):
    """kombu's, with our channels."""

    Channel = Channel
