"""A model that reads and proposes, never acts (``trailwarden[agent]``).

It has the tools of the MCP server that read what is here, and ``propose_*`` behind a gate: only for targets that the
user's own question concerns (``scope``). What it cites is held against the store. docs/agent.md is the rule book.
"""
