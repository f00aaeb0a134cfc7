"""The IAM actions that reading who may do what takes."""

from ..aws.authorization import AUTHORIZATION_NEEDS

__all__ = ["AUTHORIZATION_NEEDS"]
