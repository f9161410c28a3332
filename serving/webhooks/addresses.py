"""Where a webhook may lead: public addresses alone, looked up once and called as looked up.

A name that was public when an endpoint was registered can lead inside when a message is sent, so the
addresses are checked at every sending, and the connection goes to the very address that was checked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from features.returns import BadInputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[..., list[Any]]
# IPv6 networks that carry an IPv4 address in their last 32 bits (RFC 6052, RFC 8215).
TRANSLATED: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
LAST_32: Final = 2**32 - 1


class PrivateAddressError(BadInputError):
    """The host of a webhook leads inside a network."""

    code = "webhook_private"


class UnknownHostError(BadInputError):
    """The host of a webhook leads nowhere."""

    code = "webhook_unknown_host"


def public_addresses(url: str, *, lookup: Lookup = socket.getaddrinfo) -> tuple[str, ...]:
    """The addresses that the host of a URL has now, all of them public.

    Raises
    ------
    PrivateAddressError, UnknownHostError
        If one of them is not, or there is none.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        entries = lookup(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise UnknownHostError("The host of this URL is not known.") from error
    found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
    if not found:
        raise UnknownHostError("The host of this URL is not known.")
    if not all(map(is_public, found)):
        raise PrivateAddressError("Webhooks go to public addresses only; see the settings.")
    return found


def is_public(text: str) -> bool:
    """Whether an address, and every address that it stands for, is one of the open internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = [address.ipv4_mapped, address.sixtofour, *(teredo or ())]
        if any(address in network for network in TRANSLATED):
            inner.append(ipaddress.IPv4Address(int(address) & LAST_32))
        yield from (one for one in inner if one is not None)


class PublicOnly(httpx.HTTPTransport):
    """Call public addresses alone, each by the address that was checked, whatever its name says later."""

    def __init__(self, *, lookup: Lookup = socket.getaddrinfo) -> None:
        super().__init__(trust_env=False)  # a proxy would look the name up again
        self._lookup = lookup

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the certificate must still be that of the name."""
        try:
            first, *_ = public_addresses(str(request.url), lookup=self._lookup)
        except BadInputError as error:
            raise httpx.ConnectError(error.code, request=request) from error
        name = request.url.host
        request.extensions = {**request.extensions, "sni_hostname": name}
        request.url = request.url.copy_with(host=first)
        return super().handle_request(request)
