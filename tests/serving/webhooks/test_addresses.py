"""A webhook must not become a way in: no address inside a network, however it is written or renamed."""

from __future__ import annotations

import httpx
import pytest

from serving.webhooks.addresses import (
    PrivateAddressError,
    PublicOnly,
    UnknownHostError,
    is_public,
    public_addresses,
)

INSIDE = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.8",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.7",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::7",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:8",
    "2002:7f00:1::",
    "no address",
)


def names(*addresses: str):
    return lambda *_, **__: [(2, 1, 6, "", (address, 443)) for address in addresses]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_none_to_send_to(address):
    assert not is_public(address)
    with pytest.raises(PrivateAddressError):
        public_addresses("https://erp.example/hook", lookup=names("93.184.215.14", address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_an_address_of_the_internet_is(address):
    assert public_addresses("https://erp.example/hook", lookup=names(address)) == (address,)


@pytest.mark.parametrize(
    "url",
    ["http://localhost/", "http://2130706433/", "http://0x7f.1/", "http://[::1]:8080/", "http://127.1/"],
)
def test_no_spelling_of_this_machine_gets_through(url):
    with pytest.raises((PrivateAddressError, UnknownHostError)):
        public_addresses(url)


def test_a_name_that_leads_inside_only_later_is_not_called():
    answers = iter([names("93.184.215.14"), names("169.254.169.254")])

    def lookup(*words, **more):
        return next(answers)(*words, **more)

    assert public_addresses("http://rebinding.example/", lookup=lookup)
    with (
        httpx.Client(transport=PublicOnly(lookup=lookup)) as client,
        pytest.raises(httpx.ConnectError, match="webhook_private"),
    ):
        client.post("http://rebinding.example/")


def test_a_message_goes_to_the_address_that_was_checked(monkeypatch):
    sent = []
    monkeypatch.setattr(
        httpx.HTTPTransport, "handle_request", lambda _, request: sent.append(request) or httpx.Response(204)
    )
    with httpx.Client(transport=PublicOnly(lookup=names("93.184.215.14"))) as client:
        client.post("https://erp.example:8443/hook")
    (request,) = sent
    assert (str(request.url), request.headers["host"]) == (
        "https://93.184.215.14:8443/hook",
        "erp.example:8443",
    )
    assert request.extensions["sni_hostname"] == "erp.example"
