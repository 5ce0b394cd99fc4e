"""Listening: whether an address can be had, before anything is made for who would listen there."""

import socket


def cannot_listen(host: str, port: int, error: OSError) -> OSError:
    """Return the error that an address cannot be had, for who chose it."""
    return OSError(
        f"cannot listen on {host}:{port}: {error.strerror or error}; "
        "stop what listens there, or choose another port"
    )


def check_free(host: str, port: int) -> None:
    """Raise OSError if it cannot be listened there now. Somebody else may come in between."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, name in {(family, name[:2]) for family, _, _, _, name in found}:
            try_alone(family, str(name[0]), port)
    except OSError as error:
        raise cannot_listen(host, port, error) from None


def try_alone(family: int, host: str, port: int) -> int:
    """Take an address that nobody shares for a moment; return its port. Raises OSError."""
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind(alone, host, port)
        return int(alone.getsockname()[1])


def bind(held: socket.socket, host: str, port: int) -> None:
    """Bind a socket to an address; of IPv6, to that alone. Raises OSError."""
    if held.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind((host, port))
