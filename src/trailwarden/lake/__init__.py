"""The lake: CloudTrail records as columns on local disk, and who reads and writes them."""
