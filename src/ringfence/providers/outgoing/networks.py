"""Which addresses a company's webhook may be delivered to: the public internet, and what the operator adds."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from ringfence.errors import ConfigurationError

Network = IPv4Network | IPv6Network

# Written out rather than left to `is_global`, whose tables differ between patch releases of Python. Sources: the IANA
# registries of special-purpose addresses (RFC 6890); 168.63.129.16 is where Azure's machines find their host.
_CLOSED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# Everything public is in 2000::/3. Outside of it lie loopback, link-local, unique local, multicast, IPv4 in IPv6
# (::ffff:0:0/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48); inside, ranges that carry IPv4 addresses or lead nowhere.
_OPEN_V6: Final = IPv6Network("2000::/3")
_CLOSED_V6: Final = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)


class Reach:
    """Decides by the address itself, never by a name; `allowed` are the operator's own networks."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def is_own(self, address: str) -> bool:
        """Whether the operator allowed this address by name of its network."""
        parsed = _parsed(address)
        return any(parsed in network for network in self._allowed if network.version == parsed.version)

    def permits(self, address: str, *, plain: bool) -> bool:
        """Whether a request may go to this address; a `plain` one (http) only into the operator's own networks."""
        return self.is_own(address) or (not plain and _is_public(_parsed(address)))


def read_networks(written: Sequence[str], *, setting: str) -> tuple[Network, ...]:
    """The networks in CIDR form. Raises ConfigurationError naming the setting."""
    try:
        return tuple(ip_network(item) for item in written)
    except ValueError as error:
        raise ConfigurationError(f"{setting} is wrong: {error}; write networks such as 10.0.0.0/8.") from None


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """A socket's address without the interface that a link-local one carries."""
    return ip_address(address.partition("%")[0])


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
