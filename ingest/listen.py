"""Addresses to listen on."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address of a host: ``localhost`` is one listener with one port, not two.

    Raises ``OSError`` with a sentence.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(f"Cannot listen on {host}: {error.strerror or error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
    return listener


def url_host(host: str) -> str:
    """Return a host as an address with a port has it."""
    return f"[{host}]" if ":" in host else host
