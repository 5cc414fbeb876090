"""Judges any daemon by the specification: cases, the tester that runs them, and its reports."""
