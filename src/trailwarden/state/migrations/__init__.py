"""The schema's history, applied by Alembic. A file's name starts with its revision, which counts up from 0001."""
