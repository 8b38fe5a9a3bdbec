"""A local stand-in for Amazon Redshift: a rewriting proxy in front of a PostgreSQL 15 of its own."""
