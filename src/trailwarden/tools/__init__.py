"""One query tool a file: the use case itself, no service layer above it."""
