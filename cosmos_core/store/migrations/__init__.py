"""The schema's history. Alembic runs it by itself when a database is older than the program."""
