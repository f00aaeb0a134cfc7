"""CrowdStrike Falcon: the only place that knows its SDK. What it gives becomes values and lands in the lake."""
