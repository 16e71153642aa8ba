"""What both providers' connections trust. Read once: the certificates of all authorities take longer to read than an offline answer."""

import ssl
from functools import cache


@cache
def tls() -> ssl.SSLContext:
    """Return the machine's usual trust."""
    return ssl.create_default_context()
