"""Whether an endpoint means what it seems to: gRPC takes a port modulo 65536, and 443 for one that is missing. The same
rules as the C++ client's (client/transport/endpoint.h)."""

from __future__ import annotations

import re

_OTHER_SCHEMES = ("unix:", "unix-abstract:", "vsock:", "xds:", "google-c2p:", "google-c2p-experimental:")
_MAX_PORT = 65535


def _wrong_address(address: str, needs_port: bool) -> str | None:
    """What is wrong with one address, if anything."""
    if address.startswith("["):
        host, bracket, rest = address.partition("]")
        is_address = len(host) > 1 and bracket and rest[:1] in ("", ":")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = address.rpartition(":") if ":" in address else (address, "", "")
        is_address = host != ""
    if unfit := re.search(r"[\x00-\x20\x7f/,]", host):
        return f"its host has {unfit[0]!r}"
    if ":" in host and not host.startswith("["):
        return "an IPv6 address and its port are written [::1]:50051"
    if not is_address or (needs_port and not port) or (colon and not port):
        return "must be host:port"
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= _MAX_PORT):
        return f"its port is {port}, must be 1 to {_MAX_PORT}"
    return None


def check_endpoint(endpoint: str) -> None:
    """ValueError for what is no host:port and no name in one of gRPC's schemes, or has a port that there is not."""
    if endpoint.startswith(_OTHER_SCHEMES):
        return
    addresses, needs_port = [endpoint], True
    if endpoint.startswith("dns:"):
        addresses, needs_port = [re.sub("^//[^/]*/?", "", endpoint[len("dns:") :])], False  # behind the server to ask
    elif endpoint.startswith(("ipv4:", "ipv6:")):
        addresses = endpoint[len("ipv4:") :].split(",")
    for address in addresses:
        if wrong := _wrong_address(address, needs_port):
            raise ValueError(f"endpoint is {endpoint!r}: {wrong}")
