"""Believes X-Forwarded-For, -Proto and -Host only from the configured proxies; everyone else's are dropped."""

import ipaddress
from collections.abc import Iterable
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FORWARDED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip"}


class ProxyHeaders:
    """For HTTP and sockets alike. The client is the rightmost address that no trusted proxy has; junk is never an error."""

    def __init__(self, app: Any, trusted: Iterable[Network]) -> None:
        self.app, self.trusted = app, tuple(trusted)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        given = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _FORWARDED}
        chain = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
        headers = [pair for pair in scope["headers"] if pair[0] not in _FORWARDED]
        scope = {**scope, "headers": headers, "client": _peer(scope.get("client"))}
        if self._trusts(scope["client"][0]):
            scope["client"] = (self._client(chain, scope["client"][0]), 0)
            if given.get(b"x-forwarded-proto") in ("http", "https"):
                scope["scheme"] = given[b"x-forwarded-proto"]
            if host := given.get(b"x-forwarded-host"):
                scope["headers"] = [pair for pair in headers if pair[0] != b"host"] + [(b"host", host.encode("latin-1"))]
        await self.app(scope, receive, send)

    def _trusts(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in self.trusted)

    def _client(self, chain: str, peer: str) -> str:
        for hop in reversed(chain.split(",")):
            if "%" in hop:  # a zone, which may be any text
                return peer
            try:
                address = str(ipaddress.ip_address(hop.strip()))
            except ValueError:
                return peer
            if not self._trusts(address):
                return address
            peer = address
        return peer


def _peer(client: Any) -> tuple[str, int]:
    """The address of the connection; a Unix socket has none and counts as this machine."""
    try:
        ip = ipaddress.ip_address(client[0])
    except (TypeError, ValueError, IndexError):
        return ("127.0.0.1", 0)
    mapped = getattr(ip, "ipv4_mapped", None)
    return (str(mapped or ip), client[1])
