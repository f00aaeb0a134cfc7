from hypothesis import settings

# Time is measured by benchmarks; a loaded machine is no failure of a property.
settings.register_profile("trailwarden", deadline=None)
settings.load_profile("trailwarden")
