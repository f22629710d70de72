"""`gateway listen` and `gateway decode`: what travels, for people at the centre and at a desk.

telling.py puts a message into words, live.py hears a broker, lines.py reads what other tools wrote down. Nothing of it
runs on a device unless a person asks for it, and nothing of it publishes anything. Not here: the contract (contract/).
"""
