"""The protocol, its tools and its judge.

Public: `datagram` (with `constants` and `errors`) is what daemons send, `text` what a client and its daemon say. What
is in `cli`, `toolkit` and `conformance` stands behind commands, and may change in any version.
"""
