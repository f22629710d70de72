"""Rigs: a Debian 13 that boots here, with a virtual camera, a real broker, and faults (scripts/test --all)."""
