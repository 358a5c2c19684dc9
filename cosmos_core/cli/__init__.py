"""The command line: it reads arguments into a `Wish`, asks `Cosmos`, and prints. No rule lives here."""
