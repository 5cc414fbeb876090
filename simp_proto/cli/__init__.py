"""What the commands of `simp` share: how they begin and end, what they take, how they are shown and completed."""
