"""The configuration: what can be set, how it is read, what is wrong with it, and the broker's papers that it names.

For the daemon and the command line only: pydantic is heavy, and an eye must start fast. Read once, on the main thread,
before a camera is touched. Not here: what is done with it; stages get plain values and never see this room.
"""
