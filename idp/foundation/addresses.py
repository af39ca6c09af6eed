"""IP addresses, networks and host names, normalized from any spelling of proxies, clients and people."""

import ipaddress
import re

from idp.foundation.domains import ascii_domain

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# an unreadable address (the identifier of RFC 7239 section 6.2): it is in no network and equals no other
UNKNOWN = "unknown"
_HOP = re.compile(r"(?P<four>[0-9.]+)(:[0-9]{1,5})?|\[(?P<six>[^\[\]]*:[^\[\]]*)\](:[0-9]{1,5})?")
_ZONE = re.compile(r"%[A-Za-z0-9._~-]{1,32}\Z")
_HOST = re.compile(
    r"((?P<name>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)\.?|\[(?P<six>[0-9a-f:.]{2,45})\])(:(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def parse(text: str) -> Address | None:
    """Return the address, or None where the text is none.

    An IPv4-mapped IPv6 address becomes IPv4. A zone, which is only meaningful on one host, is dropped.
    """
    try:
        ip = ipaddress.ip_address(_ZONE.sub("", text) if ":" in text else text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    return None if ip.scope_id else ip.ipv4_mapped or ip


def parse_stored(text: str) -> Address | None:
    """Return the stored address of a request, or None for UNKNOWN; raise ValueError for other text."""
    ip = parse(text)
    if ip is None and text != UNKNOWN:
        raise ValueError(f"{text[:50]!r} is no IP address")
    return ip


def normalize_hop(text: str) -> str:
    """Return the normalized address of a proxy's entry, with or without port and brackets.

    Returns UNKNOWN where it cannot be read.
    """
    text = text.strip(" \t")
    match = _HOP.fullmatch(text)
    ip = parse((match["four"] or match["six"]) if match else text)
    return str(ip) if ip else UNKNOWN


def parse_network(text: str) -> Network:
    """Return the network; raise ValueError where the text is none.

    A network of IPv4-mapped IPv6 addresses becomes IPv4.
    """
    address, slash, length = text.partition("/")
    found = ipaddress.ip_network(_ZONE.sub("", address) + slash + length, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        inside = found.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(inside or 0), found.prefixlen - 96))
    return found


def parse_host(text: str, scheme: str = "") -> tuple[str, str] | None:
    """Return the name, and the port with its colon, of a Host header; None where it is malformed.

    The name is in lower case without the trailing dot of the root, an IPv6 address compressed in brackets
    (RFC 5952). The default port of ``scheme`` is left out (RFC 3986 section 6.2.3).
    """
    match = _HOST.fullmatch(text.lower()) if text.isascii() else None
    if not match or ".." in match.group():
        return None
    usual = _DEFAULT_PORTS.get(scheme, -1)
    port = int(match["port"] or usual)
    try:
        name = match["name"] or f"[{ipaddress.IPv6Address(match['six'])}]"
    except ValueError:
        return None
    if match["port"] and not 0 < port < 65_536:
        return None
    return name, "" if port == usual else f":{port}"


def parse_domain(text: str) -> str:
    """Return a host name as in Host headers, or a wildcard (``*.example.com``); raise ValueError.

    Non-ASCII letters become the ASCII form (``xn--…``) that browsers send. ValueError is raised for what no
    Host header can contain.
    """
    wildcard = "*." if text.startswith("*.") else ""
    name = text.removeprefix(wildcard).lower()
    if not wildcard and isinstance(parse(name), ipaddress.IPv6Address):
        name = f"[{name}]"
    found = parse_host(name if name.isascii() else ascii_domain(name.removesuffix(".")))
    if not found or found[1] or (wildcard and (found[0].startswith("[") or parse(found[0]))):
        raise ValueError(
            f"{text[:100]!r} is no host name such as login.example.com or *.example.com: no scheme, no "
            "port, no path"
        )
    return wildcard + found[0]
