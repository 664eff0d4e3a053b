"""The entries of the zoo, one kind of generator a file."""
