"""What is on either wire of SIMP: constants, errors, the datagram, and the client protocol."""
