"""The contract with the centre, generated from the payload types. For building and testing: no device runs it.

Imports pydantic and, to validate, jsonschema (the extra `test`).
"""

from gateway.contract.check import validate
from gateway.contract.documents import documents
from gateway.contract.topics import TOPICS, Topic, schemas, topic_of

__all__ = ["TOPICS", "Topic", "documents", "schemas", "topic_of", "validate"]
