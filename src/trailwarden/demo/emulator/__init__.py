"""A strict stand-in for AWS on 127.0.0.1: moto over HTTP, with what moto leaves out put in front of it.

moto answers; in front of it a WSGI layer authenticates every call (key, SigV4 signature, token, Region), authorises it
against the caller's policies, and answers itself where moto has nothing or is too lenient. moto itself is not changed.
"""

from .server import Emulator
from .world import Fault, Root

__all__ = ["Emulator", "Fault", "Root"]
