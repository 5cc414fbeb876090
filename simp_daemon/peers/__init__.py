"""Conversations with other daemons, as pure rules: datagrams and wishes in, datagrams and events out."""
