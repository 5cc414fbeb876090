"""Fuzzers: each target is a law about bytes from outside, and looks for bytes that break it.

`python -m tests.fuzz TARGET` runs one, under atheris where that is installed, which mutates what reaches new code.
"""
