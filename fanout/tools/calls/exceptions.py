"""Operations whose IAM action has another name, reviewed by hand against the Service Authorization Reference.

An entry is a service of the SDK, its operation, and its actions with spaces between them; where no service stands before
an action, it is the service's own. IAM does not look at case, so UntagResource and UnTagResource need no entry.
"""

from __future__ import annotations

from collections.abc import Mapping

PREFIXES: Mapping[str, str] = {
    "cloudcontrol": "cloudformation",
    "iot-data": "iot",
    "iot-jobs-data": "iotjobsdata",
    "iotsecuretunneling": "iot",
    "mturk": "mechanicalturk",
    "partnercentral-selling": "partnercentral",
    "resourcegroupstaggingapi": "tag",
}
"""What IAM actions begin with, where it is neither the signing name of a service, nor its endpoint's, nor the SDK's."""

BY_METHOD = ("apigateway", "apigatewayv2")
"""Services whose actions are HTTP methods (API Gateway: apigateway:GET), but for those that have a name."""

ALSO: Mapping[str, tuple[str, ...]] = {
    "timestream-query": ("timestream:DescribeEndpoints",),
    "timestream-write": ("timestream:DescribeEndpoints",),
}
"""What clients of a service call besides: they ask for their endpoint first."""

_PARTIQL = "PartiQLSelect PartiQLInsert PartiQLUpdate PartiQLDelete"
_COPY = "GetObject GetObjectVersion GetObjectTagging GetObjectVersionTagging PutObject PutObjectTagging"

_S3 = {
    # who names a version needs the action for versions (S3 user guide, "Required permissions for Amazon S3 API operations")
    "GetObject": "GetObject GetObjectVersion",
    "HeadObject": "GetObject GetObjectVersion",
    "GetObjectAcl": "GetObjectAcl GetObjectVersionAcl",
    "GetObjectAttributes": "GetObject GetObjectAttributes GetObjectVersion GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectTagging GetObjectVersionTagging",
    "GetObjectTorrent": "GetObject",
    "PutObjectTagging": "PutObjectTagging PutObjectVersionTagging",
    "PutObjectAcl": "PutObjectAcl PutObjectVersionAcl",
    "DeleteObject": "DeleteObject DeleteObjectVersion",
    "DeleteObjects": "DeleteObject DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectTagging DeleteObjectVersionTagging",
    "SelectObjectContent": "GetObject",
    "CopyObject": _COPY,
    "UploadPartCopy": "GetObject GetObjectVersion PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets",
    "CreateSession": "s3express:CreateSession",
    "WriteGetObjectResponse": "s3-object-lambda:WriteGetObjectResponse",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketMetadataConfiguration": "GetBucketMetadataTableConfiguration",
    "DeleteBucketMetadataConfiguration": "DeleteBucketMetadataTableConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
}

_S3_CONTROL = {
    # of the account, where those of S3 itself are of a bucket
    "GetPublicAccessBlock": "GetAccountPublicAccessBlock",
    "PutPublicAccessBlock": "PutAccountPublicAccessBlock",
    "DeletePublicAccessBlock": "PutAccountPublicAccessBlock",
    # its buckets are those of S3 on Outposts
    "CreateBucket": "s3-outposts:CreateBucket",
    "DeleteBucket": "s3-outposts:DeleteBucket",
    "GetBucket": "s3-outposts:GetBucket",
    "ListRegionalBuckets": "s3-outposts:ListRegionalBuckets",
    "GetBucketPolicy": "s3-outposts:GetBucketPolicy",
    "PutBucketPolicy": "s3-outposts:PutBucketPolicy",
    "DeleteBucketPolicy": "s3-outposts:DeleteBucketPolicy",
    "GetBucketTagging": "s3-outposts:GetBucketTagging",
    "PutBucketTagging": "s3-outposts:PutBucketTagging",
    "DeleteBucketTagging": "s3-outposts:PutBucketTagging",
    "GetBucketVersioning": "s3-outposts:GetBucketVersioning",
    "PutBucketVersioning": "s3-outposts:PutBucketVersioning",
    "GetBucketLifecycleConfiguration": "s3-outposts:GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "s3-outposts:PutLifecycleConfiguration",
    "DeleteBucketLifecycleConfiguration": "s3-outposts:PutLifecycleConfiguration",
    "GetBucketReplication": "s3-outposts:GetReplicationConfiguration",
    "PutBucketReplication": "s3-outposts:PutReplicationConfiguration",
    "DeleteBucketReplication": "s3-outposts:PutReplicationConfiguration",
}

_BUDGETS = {
    # AWS Budgets has one action for looking and one for changing
    **dict.fromkeys(
        (
            "DescribeBudget",
            "DescribeBudgets",
            "DescribeBudgetNotificationsForAccount",
            "DescribeBudgetPerformanceHistory",
            "DescribeNotificationsForBudget",
            "DescribeSubscribersForNotification",
        ),
        "ViewBudget",
    ),
    **dict.fromkeys(
        (
            *("CreateBudget", "UpdateBudget", "DeleteBudget"),
            *("CreateNotification", "UpdateNotification", "DeleteNotification"),
            *("CreateSubscriber", "UpdateSubscriber", "DeleteSubscriber"),
        ),
        "ModifyBudget",
    ),
}

_KEYSPACES = {
    # Amazon Keyspaces has the actions of CQL
    **dict.fromkeys(
        (
            *("GetKeyspace", "ListKeyspaces", "GetTable", "ListTables", "GetTableAutoScalingSettings"),
            *("GetType", "ListTypes", "ListTagsForResource"),
        ),
        "Select",
    ),
    **dict.fromkeys(("CreateKeyspace", "CreateTable", "CreateType"), "Create Select"),
    **dict.fromkeys(("UpdateKeyspace", "UpdateTable"), "Alter Select"),
    **dict.fromkeys(("DeleteKeyspace", "DeleteTable", "DeleteType"), "Drop Select"),
    "RestoreTable": "Restore Select",
}

_DMS = {
    "DescribeDataProviders": "ListDataProviders",
    "DescribeExtensionPackAssociations": "ListExtensionPacks",
    "DescribeInstanceProfiles": "ListInstanceProfiles",
    "DescribeMetadataModelConversions": "ListMetadataModelConversions",
    "DescribeMigrationProjects": "ListMigrationProjects",
    "ModifyConversionConfiguration": "UpdateConversionConfiguration",
    "ModifyDataProvider": "UpdateDataProvider",
    "ModifyInstanceProfile": "UpdateInstanceProfile",
    "ModifyMigrationProject": "UpdateMigrationProject",
    "StartExtensionPackAssociation": "AssociateExtensionPack",
    "StartMetadataModelExportAsScript": "StartMetadataModelExportAsScripts",
}

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "s3": _S3,
    "s3control": _S3_CONTROL,
    "budgets": _BUDGETS,
    "keyspaces": _KEYSPACES,
    "dms": _DMS,
    "accessanalyzer": {"GetFindingV2": "GetFinding", "ListFindingsV2": "ListFindings"},
    "apigatewaymanagementapi": dict.fromkeys(
        ("DeleteConnection", "GetConnection", "PostToConnection"), "execute-api:ManageConnections"
    ),
    "bedrock-agent-runtime": {"RetrieveAndGenerateStream": "RetrieveAndGenerate"},
    "bedrock-runtime": {
        "Converse": "InvokeModel",
        "ConverseStream": "InvokeModelWithResponseStream",
        "StartAsyncInvoke": "InvokeModel",
    },
    "cloudfront": {"CreateDistributionWithTags": "CreateDistribution TagResource"},
    "cloudsearchdomain": {"UploadDocuments": "document"},
    "detective": {"ListOrganizationAdminAccounts": "ListOrganizationAdminAccount"},
    "dynamodb": {
        "ExecuteStatement": _PARTIQL,
        "BatchExecuteStatement": _PARTIQL,
        "ExecuteTransaction": _PARTIQL,
        "TransactGetItems": "GetItem",
        "TransactWriteItems": "PutItem UpdateItem DeleteItem ConditionCheckItem",
    },
    "iotfleetwise": {"BatchCreateVehicle": "CreateVehicle", "BatchUpdateVehicle": "UpdateVehicle"},
    "kms": {"ReEncrypt": "ReEncryptFrom ReEncryptTo"},
    "lambda": {
        "Invoke": "InvokeFunction",
        "InvokeAsync": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
        "GetLayerVersionByArn": "GetLayerVersion",
    },
    "marketplace-catalog": {"BatchDescribeEntities": "DescribeEntity"},
    "redshift-data": {"GetStatementResultV2": "GetStatementResult"},
    "securityhub": {
        "BatchUpdateFindingsV2": "BatchUpdateFindings",
        "GetFindingsV2": "GetFindings",
        "GetFindingStatisticsV2": "GetAdhocInsightResults",
    },
    "sns": {"PublishBatch": "Publish"},
    "sqs": {
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
    "timestream-query": {"Query": "Select"},
    "verifiedpermissions": {
        "BatchGetPolicy": "GetPolicy",
        "BatchIsAuthorized": "IsAuthorized",
        "BatchIsAuthorizedWithToken": "IsAuthorizedWithToken",
    },
    "vpc-lattice": {"BatchUpdateRule": "UpdateRule"},
}
"""By service and operation."""
