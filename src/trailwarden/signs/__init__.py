"""The signs that an analyst would name, for one subject: a user, a session, a key, an address.

Three kinds of rules find them: those of :mod:`trailwarden.detect`, each of which sees one call; those of
``rules/signs``, which compare calls with the subject's own history, with lists, and with each other; and instance
credentials off their instance, which only sessions show. Pure: events and history in, signs out.
"""

from .addresses import AddressList, neighbourhood, public_address, read_list
from .conduct import assumed_role, is_outsiders
from .history import MIN_DAYS, MIN_HOURS, Amounts, History, history_of
from .rules import Family, Rule, SignCase, SignRule, every_rule, sign_rule, sign_rules
from .signs import Facts, Sign, Signs, merged, signs_of

__all__ = [
    "MIN_DAYS",
    "MIN_HOURS",
    "AddressList",
    "Amounts",
    "Facts",
    "Family",
    "History",
    "Rule",
    "Sign",
    "SignCase",
    "SignRule",
    "Signs",
    "assumed_role",
    "every_rule",
    "history_of",
    "is_outsiders",
    "merged",
    "neighbourhood",
    "public_address",
    "read_list",
    "sign_rule",
    "sign_rules",
    "signs_of",
]
