"""Conversations of SIMP/2: calls, sessions, and what is said in them (spec/simp2.md)."""
