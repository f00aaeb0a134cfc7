"""A simulated organisation: the emulator, the scenario, and the story that they tell."""
