"""The way from any older schema to this one, a file a step; `schema` runs them, through Alembic, without an ini file."""
