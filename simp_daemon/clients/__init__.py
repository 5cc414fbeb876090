"""The daemon's side of the client protocol, as pure rules (client.md): lines in, wishes and lines out."""
