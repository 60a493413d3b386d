"""The ledger's database: engines for SQLite and PostgreSQL, group commit, tables and migrations."""
