"""What travels: drafts between the processes, messages to the centre, topics, payloads.

At the bottom of the house: every side imports it, it imports only `gateway.errors`. Pure values and functions, no
thread of its own, no I/O. pydantic does not belong here: the eye must start fast (contract.py makes the schemas).
"""
