"""Values: what the rest of the program speaks about. No I/O, no clock, no globals that change."""
