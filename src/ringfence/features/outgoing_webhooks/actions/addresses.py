"""Whether requests may go to an address that somebody enters."""

from yarl import URL

from ringfence.features.outgoing_webhooks.errors import BadURLError
from ringfence.providers.outgoing.client import OutgoingClient


async def check_url(client: OutgoingClient, written: str) -> str:
    """The address as it will be used. Asks the name server, so call it outside of any transaction.

    Raises BadURLError. It is a courtesy to whoever enters an address: each delivery is checked again, where its
    connection is made.
    """
    try:
        url = URL(written.strip())
        host, port = url.host, url.port
    except ValueError:
        raise BadURLError("This is not an address; write it as https://crm.example.com/hooks.") from None
    if url.scheme not in {"http", "https"} or not host or not port:
        raise BadURLError("The address must begin with https:// and name a host.")
    if url.user is not None or url.password is not None:
        raise BadURLError("The address must not contain a user or password; verify the signature instead.")
    if url.raw_fragment:
        raise BadURLError("The address must not contain a #fragment.")
    try:
        addresses = await client.addresses(host, port)
    except OSError:
        raise BadURLError("This host has no address that can be found now.") from None
    plain = url.scheme == "http"
    if plain and not all(client.reach.is_own(address) for address in addresses):
        raise BadURLError("The address must begin with https://; http is for networks that the operator allows.")
    if not addresses or not all(client.reach.permits(address, plain=plain) for address in addresses):
        raise BadURLError("This host is in a private or reserved network, where webhooks may not go.")
    return str(url)
