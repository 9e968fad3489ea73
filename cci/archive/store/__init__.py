"""Where the archive keeps what it holds: tables in SQLite or PostgreSQL, and file contents in a file tree.

The only place in the archive that imports SQLAlchemy. It knows nothing of HTTP.
"""
