"""What each kind of actor does, and how often."""

from .actions import ACTIONS, Action

_LOOKING = """
    ec2:DescribeInstances*9 ec2:DescribeSecurityGroups*5 ec2:DescribeVolumes*2 ec2:DescribeVpcs*2
    ec2:DescribeSubnets*2 ec2:DescribeRegions*2 cloudwatch:DescribeAlarms*4 logs:DescribeLogGroups*4
    logs:DescribeLogStreams*3 s3:ListBuckets*3 s3:GetBucketLocation*2 lambda:ListFunctions20150331*4
    rds:DescribeDBInstances*2 cloudformation:DescribeStacks*3 ecs:DescribeServices*2 sqs:ListQueues iam:ListRoles
"""
#: Profile -> ``service:Name*weight``, separated by white space.
_PROFILES = {
    "root": """
        iam:GetAccountSummary*3 iam:ListAccessKeys*2 iam:ListMFADevices*2
    """,
    "platform": f"""
        {_LOOKING}
        iam:GetRole*3 iam:ListAttachedRolePolicies*3 kms:ListKeys eks:DescribeCluster*3 eks:ListClusters
        cloudformation:CreateChangeSet*2 cloudformation:ExecuteChangeSet*2 ec2:CreateTags*2 ec2:RunInstances
        ec2:AuthorizeSecurityGroupIngress ec2:StopInstances s3:PutBucketTagging iam:TagRole
        cloudwatch:PutMetricAlarm autoscaling:DescribeAutoScalingGroups*2 route53:ListHostedZones
        route53:ListResourceRecordSets*2
    """,
    "backend": f"""
        {_LOOKING}
        logs:StartQuery*5 secretsmanager:ListSecrets secretsmanager:DescribeSecret*2 ssm:GetParametersByPath*2
        sqs:GetQueueAttributes*4 lambda:GetFunction20150331v2*4 lambda:UpdateFunctionCode20150331v2*2
        sts:GetCallerIdentity*3 ecr:DescribeRepositories*2 ecs:UpdateService*1 ecr:GetAuthorizationToken*2
        ec2:StopInstances ec2:CreateTags*2
    """,
    "data": f"""
        {_LOOKING}
        glue:GetTable*6 glue:GetPartitions*4 athena:StartQueryExecution*4 athena:GetQueryExecution*8 kms:ListKeys
        sts:GetCallerIdentity*2 s3:GetBucketPolicy
    """,
    "security": """
        iam:ListUsers*4 iam:ListRoles*5 iam:GetUser*3 iam:GetRole*5 iam:ListAccessKeys*4 iam:ListMFADevices*3
        iam:ListAttachedRolePolicies*5 iam:GetAccountSummary*2 cloudtrail:DescribeTrails*2
        cloudtrail:GetTrailStatus*2 config:DescribeConfigRules*2 config:GetResourceConfigHistory*3
        guardduty:ListDetectors*2 guardduty:ListFindings*5 organizations:ListAccounts*2
        organizations:DescribeOrganization s3:GetBucketPolicy*3 s3:GetBucketAcl*2 ec2:DescribeInstances*9
        ec2:DescribeSecurityGroups*5 ec2:DescribeVolumes*2 ec2:DescribeVpcs*2 ec2:DescribeSubnets*2
    """,
    "finance": """
        ce:GetCostAndUsage*9 ce:GetCostForecast*4 organizations:ListAccounts*2 organizations:DescribeOrganization
        ec2:DescribeRegions s3:ListBuckets*2
    """,
    "support": f"""
        {_LOOKING}
        sts:GetCallerIdentity logs:StartQuery*4
    """,
    "analyst": """
        athena:StartQueryExecution*3 athena:GetQueryExecution*8 glue:GetTable*5 glue:GetPartitions*4 s3:ListBuckets
        s3:GetBucketLocation*3 kms:ListKeys
    """,
    "keys": """
        sts:GetCallerIdentity*2 s3:ListBuckets*4 s3:GetBucketLocation*4 s3:GetBucketVersioning*3
        ec2:DescribeInstances*6 ec2:DescribeImages cloudformation:DescribeStacks*2 logs:DescribeLogGroups*2
        ec2:CreateTags
    """,
    "instance": """
        ssm:UpdateInstanceInformation*6 ec2:DescribeTags*8 ec2:DescribeInstances*8 secretsmanager:GetSecretValue*8
        kms:Decrypt*8 ssm:GetParameter*6 ec2:DescribeVolumes*6 cloudwatch:ListMetrics*3 ecr:GetAuthorizationToken*4
        ssm:GetParametersByPath*5 s3:GetBucketLocation*3
    """,
    "queue_worker": """
        logs:CreateLogStream*3 kms:Decrypt*9 sqs:GetQueueAttributes*9 secretsmanager:GetSecretValue*5
        ssm:GetParameter*4
    """,
    "report": """
        athena:StartQueryExecution*3 athena:GetQueryExecution*9 s3:GetBucketLocation*2 logs:CreateLogStream
        kms:Decrypt*4
    """,
    "cleanup": """
        ec2:DescribeInstances*8 ec2:DescribeVolumes*4 ec2:DescribeTags*3 ec2:TerminateInstances ec2:StopInstances
        logs:CreateLogStream
    """,
    "scanner": """
        iam:ListUsers*2 iam:ListRoles*2 iam:GetAccountSummary s3:GetBucketPolicy*4 s3:GetBucketAcl*4
        cloudtrail:DescribeTrails*2 config:DescribeConfigRules*2 guardduty:ListFindings*2 kms:ListKeys
        organizations:ListAccounts ec2:DescribeSecurityGroups*4
    """,
    "dns": """
        route53:ListHostedZones*5 route53:ListResourceRecordSets*8 route53:ChangeResourceRecordSets*2
    """,
    "autoscaler": """
        autoscaling:DescribeAutoScalingGroups*9 ec2:DescribeLaunchTemplateVersions*4 ec2:DescribeImages*2
        eks:DescribeCluster*2 autoscaling:SetDesiredCapacity
    """,
    "volumes": """
        ec2:DescribeVolumes*9 ec2:DescribeInstances*6 ec2:AttachVolume*2
    """,
    "payments": """
        kms:Decrypt*9 kms:GenerateDataKey*6 secretsmanager:GetSecretValue*4 sqs:GetQueueAttributes*3
    """,
    "deploy": """
        sts:GetCallerIdentity*2 cloudformation:DescribeStacks*9 cloudformation:DescribeStackEvents*9
        cloudformation:CreateChangeSet*2 cloudformation:ExecuteChangeSet*2 ecr:GetAuthorizationToken*2
        ecs:DescribeServices*6 ecs:RegisterTaskDefinition*2 ecs:UpdateService*2 ec2:DescribeSubnets*3
        ec2:DescribeVpcs*2
    """,
    "monitoring": """
        cloudwatch:ListMetrics*6 cloudwatch:GetMetricData*9 tag:GetResources*4 ec2:DescribeInstances*4
        rds:DescribeDBInstances*2 ec2:DescribeRegions*2
    """,
    "config": """
        ec2:DescribeInstances*4 ec2:DescribeSecurityGroups*4 ec2:DescribeNetworkInterfaces*4 iam:ListRoles*2
        iam:GetRole*4 s3:GetBucketAcl*3 s3:GetBucketPolicy*3 s3:GetBucketVersioning*3 lambda:GetFunction20150331v2*2
        rds:DescribeDBSnapshots*2
    """,
    "autoscaling": """
        ec2:DescribeInstanceStatus*9 ec2:DescribeInstances*6 ec2:RunInstances ec2:TerminateInstances
        ec2:DescribeLaunchTemplateVersions*3
    """,
    "delivery": """
        s3:GetBucketAcl*5 s3:GetBucketLocation*3 kms:GenerateDataKey*6
    """,
    "forward_access": """
        glue:GetTable*6 glue:GetPartitions*4 s3:GetBucketLocation*3
    """,
}


def profile(name: str) -> tuple[list[Action], list[int]]:
    """What actors of a profile do, with cumulative weights (for ``random.choices``)."""
    actions: list[Action] = []
    weights: list[int] = []
    for row in _PROFILES[name].split():
        action, _, weight = row.partition("*")
        actions.append(ACTIONS[action])
        weights.append((weights[-1] if weights else 0) + int(weight or 1))
    return actions, weights
