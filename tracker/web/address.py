"""Where the server listens, how it encrypts, and what is wrong where it cannot."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from pathlib import Path

from tracker.errors import OptionError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def https(certificate: Path) -> ssl.SSLContext:
    """What encrypts, of a file with certificate and key.

    Raises:
        OptionError: it cannot be read, or is none.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except ssl.SSLError as error:
        raise OptionError("--cert", certificate, "holds no certificate with its key, in PEM") from error
    except OSError as error:
        raise OptionError("--cert", certificate, str(error.strerror)) from error
    return context


def about_address(error: OSError, host: str, port: int) -> OptionError:
    """What the user can do about an address on which one cannot listen."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return OptionError("--host", host, "is no address of this machine")
    if error.errno == errno.EADDRINUSE:
        return OptionError("--port", port, "is in use already; choose another, or 0 for one that is free")
    if error.errno == errno.EACCES:
        return OptionError("--port", port, "is not for ordinary users; choose one from 1024 on")
    return OptionError("--host", f"{host} --port {port}", error.strerror or str(error))


def own_address(host: str) -> str:
    """What others can call this machine where `host` means all of its networks."""
    if host not in ("0.0.0.0", "::"):
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only asks for the way out.
            probe.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
