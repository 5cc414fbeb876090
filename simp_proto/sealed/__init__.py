"""What SIMP/2 puts into datagrams: offers, payloads, frames and messages, each declared once (simp2 2, 3, 6.5, 7.1)."""
