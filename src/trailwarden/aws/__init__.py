"""The way to AWS: the only place that speaks to it. boto3 is imported when the first call is made."""
