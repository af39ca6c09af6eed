"""Celery's Redis transport, which survives faults of a connection or of a single message.

kombu 5.7 restores unacknowledged messages when a connection is closed, even over a broken one. The error that
this raises counts for Celery as a fault of the program: the worker ends.
"""

import logging
from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError

log = logging.getLogger(__name__)


class QoS(redis.QoS):
    """The messages that this worker has received and not yet acknowledged."""

    def restore_unacked(self, client: Any = None) -> None:
        """Restore them; while Redis is unavailable they return after the visibility timeout."""
        try:
            super().restore_unacked(client)
        except self.channel.connection_errors:
            self._delivered.clear()


class Channel(redis.Channel):
    """A channel that raises an error once its connection is closed, and skips invalid messages."""

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
    """The transport of kombu with this module's channels."""

    Channel = Channel
