"""Terraform's cidr functions: addresses and networks, as its library for them (apparentlymart/go-cidr) counts."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from simkit.inputs.values import Value, failure, text, whole

_WRITTEN = re.compile(r"[0-9A-Fa-f.:]{2,64}/[0-9]{1,3}")
_MOST_ADDED = 32
"""By so many bits Terraform lets cidrsubnets extend a prefix."""


def _network(prefix: Value) -> IPv4Network | IPv6Network:
    """A prefix in CIDR notation; what it has beyond the network's own bits plays no part."""
    written = text(prefix)
    if _WRITTEN.fullmatch(written):
        if ":" not in written:  # an octet may have zeros in front, and is still decimal
            written = re.sub(r"(?<![0-9])0+(?=[0-9])", "", written)
        try:
            return ip_network(written, strict=False)
        except ValueError:
            pass
    raise failure(f'"{written[:60]}" is no prefix in CIDR notation', 'write one such as "10.0.0.0/16"')


def cidrhost(prefix: Value, hostnum: Value) -> str:
    """The address of a host in a network; a negative number counts from its end."""
    of, n = _network(prefix), whole(hostnum)
    n = n + of.num_addresses if n < 0 else n
    if not 0 <= n < of.num_addresses:
        raise failure(f"a prefix of {of.prefixlen} does not accommodate a host numbered {whole(hostnum)}")
    return _shown(of, n)


def cidrnetmask(prefix: Value) -> str:
    of = _network(prefix)
    if isinstance(of, IPv6Network):
        raise failure("only IPv4 networks have a netmask", "write the prefix of one")
    return str(of.netmask)


def cidrsubnet(prefix: Value, newbits: Value, netnum: Value) -> str:
    """The subnet of a number among those whose prefixes are longer by `newbits`."""
    of, bits, n = _network(prefix), whole(newbits), whole(netnum)
    length = of.prefixlen + bits
    if bits < 0 or n < 0:
        raise failure("cidrsubnet needs numbers that are not negative")
    if length > of.max_prefixlen:
        raise failure(f"there is not address space enough to extend a prefix of {of.prefixlen} by {bits}")
    if n >= 1 << bits:
        raise failure(f"a prefix extension of {bits} does not accommodate a subnet numbered {n}")
    return f"{_shown(of, n << (of.max_prefixlen - length))}/{length}"


def cidrsubnets(prefix: Value, *newbits: Value) -> list[Value]:
    """Subnets one after the other, each longer by its own number of bits and at the next place where it fits."""
    of = _network(prefix)
    found: list[Value] = []
    at = 0
    for one in newbits:
        bits = whole(one)
        if not 1 <= bits <= _MOST_ADDED:
            raise failure(f"cidrsubnets extends a prefix by 1 to {_MOST_ADDED} bits, got {bits}")
        length = of.prefixlen + bits
        if length > of.max_prefixlen:
            raise failure(f"there is not address space enough to extend a prefix of {of.prefixlen} by {bits}")
        size = 1 << (of.max_prefixlen - length)
        at = -(-at // size) * size
        if at + size > of.num_addresses:
            raise failure(f"there is not enough remaining address space for a subnet with a prefix of {length} bits")
        found.append(f"{_shown(of, at)}/{length}")
        at += size
    return found


def _shown(of: IPv4Network | IPv6Network, offset: int) -> str:
    address = of.network_address + offset
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)  # as Go writes it
    return str(address)
