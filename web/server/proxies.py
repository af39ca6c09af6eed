"""Trust in X-Forwarded-For, -Proto and -Host from the configured proxies only.

These headers are dropped from any other peer.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from idp.foundation import addresses

log = logging.getLogger(__name__)
_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_FORWARDED = {_FOR, _PROTO, _HOST, b"forwarded", b"x-real-ip"}
_SCHEMES = {"https": "https", "wss": "https", "http": "http", "ws": "http"}


class ProxyHeaders:
    """ASGI middleware that applies the headers of trusted proxies to HTTP and WebSocket requests.

    The client is the rightmost address that is not a trusted proxy. Malformed headers are never an error. A
    hop that cannot be parsed is never replaced by the proxy's own address, because conditions trust that one
    most.
    """

    def __init__(
        self, app: Any, trusted: Iterable[addresses.Network], *, forwarded_host: bool = False
    ) -> None:
        """Configure the middleware.

        ``forwarded_host``: the proxies set X-Forwarded-Host themselves and replace the one that a client
        sent.
        """
        self.app, self.trusted, self.forwarded_host = app, tuple(trusted), forwarded_host
        self._warned: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        forwarded: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _FORWARDED:
                forwarded.setdefault(name, []).append(value.decode("latin-1"))
        headers = [pair for pair in scope["headers"] if pair[0] not in _FORWARDED]
        scope = {**scope, "headers": headers, "client": _peer(scope.get("client"))}
        if self._trusts(scope["client"][0]):
            if lines := forwarded.get(_FOR):
                scope["client"] = (self._client(lines), 0)
            if lines := forwarded.get(_PROTO):
                scope["scheme"] = self._scheme(",".join(lines))
            if hosts := _split_list(",".join(forwarded.get(_HOST, ()))):
                scope["headers"] = self._with_host(headers, hosts)
        elif _FOR in forwarded:
            self._warn_about_unlisted_peer(scope["client"][0])
        await self.app(scope, receive, send)

    def _trusts(self, address: str) -> bool:
        ip = addresses.parse(address)
        return ip is not None and any(ip in network for network in self.trusted)

    def _client(self, lines: Sequence[str]) -> str:
        # an empty line counts as one hop without an address
        hops = [hop for line in lines for hop in _split_list(line) or [""]]
        for hop in reversed(hops):
            address = addresses.normalize_hop(hop)
            if address == addresses.UNKNOWN:
                self._warn_once(
                    "X-Forwarded-For of a trusted proxy names no address: such clients are in no network",
                    hop=hop,
                )
            if not self._trusts(address):
                break
        return address

    def _scheme(self, chain: str) -> str:
        """Return the scheme between the client and the first proxy, or http if it is not clear."""
        first = next(iter(_split_list(chain)), "").lower()
        if first not in _SCHEMES:
            self._warn_once(
                (
                    "X-Forwarded-Proto of a trusted proxy is neither http nor https: such requests count as "
                    "http"
                ),
                first=first,
            )
        return _SCHEMES.get(first, "http")

    def _with_host(self, headers: list[tuple[bytes, bytes]], hosts: list[str]) -> list[tuple[bytes, bytes]]:
        """Return the headers with the forwarded host, if it is trusted.

        Several hosts are joined to one that no tenant has, because it is not clear which of them a client
        wrote.
        """
        if self.forwarded_host:
            if len(hosts) > 1:
                self._warn_once(
                    "X-Forwarded-Host of a trusted proxy names several hosts: such requests are refused",
                    hosts=", ".join(hosts),
                )
            return [
                *(pair for pair in headers if pair[0] != b"host"),
                (b"host", ", ".join(hosts).encode("latin-1")),
            ]
        own = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        if [host.lower() for host in hosts] != own:
            self._warn_once(
                (
                    "X-Forwarded-Host of a trusted proxy differs from Host and is dropped "
                    "(FOYER_FORWARDED_HOST)"
                ),
                hosts=", ".join(hosts),
            )
        return headers

    def _warn_about_unlisted_peer(self, peer: str) -> None:
        """Warn about a neighbor that forwards requests and is not a trusted proxy.

        Most often it is a proxy that is missing in the configuration: all clients then have its address.
        """
        ip = addresses.parse(peer)
        if ip is not None and not ip.is_global:
            message = (
                "X-Forwarded-For is dropped, because FOYER_TRUSTED_PROXIES does not list who sends it: "
                "all behind it count as one address"
            )
            self._warn_once(message, peer=peer)

    def _warn_once(self, message: str, **details: str) -> None:
        """Log a warning once, because a proxy causes the same one with each request."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning(message, extra={name: text[:100] for name, text in details.items()})


def _split_list(line: str) -> list[str]:
    """Return the members of a list header without the empty ones (RFC 9110 section 5.6.1)."""
    return [member for each in line.split(",") if (member := each.strip(" \t"))]


def _peer(client: Any) -> tuple[str, int]:
    """Return the address and port of the connection, without the zone that the system adds.

    A Unix socket has no address and counts as this machine.
    """
    ip = addresses.parse(str(client[0]).partition("%")[0]) if client else None
    return (str(ip), client[1]) if ip else ("127.0.0.1", 0)
