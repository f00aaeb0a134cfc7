"""Which AWS sessions an endpoint alert may belong to, with every reason for it and what speaks against.

An alert and its host are compared with sessions by what both name: the instance, the person, the address. Each
kind of evidence has a weight (``rules/correlation.yaml``); the kinds combine by noisy-OR, times a factor for the
time between, times a discount for each AssumeRole step. docs/correlation.md tells how to redo a score by hand.

Text in alerts and records is their writers'. A match is a lead with its evidence, never a proof.
"""

from .addresses import is_workload, popularity, public_address
from .match import Correlator, correlate
from .values import AddressPopularity, People, PersonName, Weights, default_weights, people_of

__all__ = [
    "AddressPopularity",
    "Correlator",
    "People",
    "PersonName",
    "Weights",
    "correlate",
    "default_weights",
    "is_workload",
    "people_of",
    "popularity",
    "public_address",
]
