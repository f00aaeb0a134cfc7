"""How people and programs reach the tools."""
