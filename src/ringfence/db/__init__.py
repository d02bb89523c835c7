"""The database floor: engine, declarative base, column types, embedded PostgreSQL."""
