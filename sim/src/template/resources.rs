//! The types of resources that are understood, and what becomes of each of their properties.

/// What a property does to the emulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Influence {
    /// The emulators follow it.
    Emulated,
    /// It changes nothing that they show, for this reason.
    None(&'static str),
}

/// A property of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub influence: Influence,
}

/// A type of resources. A property that it does not list is not emulated, which is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Such as `AWS::Serverless::Api`.
    pub name: &'static str,
    /// The property that holds the resource's name.
    pub named_by: Option<&'static str>,
    /// What is understood.
    pub properties: &'static [Property],
}

const fn emulated(name: &'static str) -> Property {
    Property {
        name,
        influence: Influence::Emulated,
    }
}

const fn inert(name: &'static str, reason: &'static str) -> Property {
    Property {
        name,
        influence: Influence::None(reason),
    }
}

const TAGS: Property = inert("Tags", "tags");

/// All types that are understood.
pub const RESOURCES: &[ResourceType] = &[
    API,
    FUNCTION,
    USAGE_PLAN,
    PERMISSION,
    LOG_GROUP,
    TABLE,
    ALARM,
    TOPIC,
    SUBSCRIPTION,
];

pub(super) const API: ResourceType = ResourceType {
    name: "AWS::Serverless::Api",
    named_by: None,
    properties: &[
        emulated("Name"),
        emulated("StageName"),
        emulated("BinaryMediaTypes"),
        emulated("MinimumCompressionSize"),
        emulated("MethodSettings"),
        emulated("GatewayResponses"),
        emulated("DefinitionBody"),
        emulated("ApiKeySourceType"),
        emulated("EndpointConfiguration"),
        inert("AccessLogSetting", "access logs"),
        inert("AlwaysDeploy", "deployment"),
        inert("Description", "descriptions"),
        inert("FailOnWarnings", "deployment"),
        inert("OpenApiVersion", "deployment"),
        inert("PropagateTags", "tags"),
        inert("TracingEnabled", "tracing"),
        TAGS,
    ],
};

pub(super) const FUNCTION: ResourceType = ResourceType {
    name: "AWS::Serverless::Function",
    named_by: Some("FunctionName"),
    properties: &[
        emulated("FunctionName"),
        emulated("CodeUri"),
        emulated("PackageType"),
        emulated("Runtime"),
        emulated("Architectures"),
        emulated("Timeout"),
        emulated("MemorySize"),
        emulated("Environment"),
        emulated("ReservedConcurrentExecutions"),
        emulated("EventInvokeConfig"),
        emulated("LoggingConfig"),
        emulated("Events"),
        inert("Handler", "an OS-only runtime runs bootstrap"),
        inert("AssumeRolePolicyDocument", "IAM"),
        inert("Description", "descriptions"),
        inert("KmsKeyArn", "encryption"),
        inert("PermissionsBoundary", "IAM"),
        inert("Policies", "IAM"),
        inert("PropagateTags", "tags"),
        inert("Role", "IAM"),
        inert("RolePath", "IAM"),
        inert("Tracing", "tracing"),
        TAGS,
    ],
};

pub(super) const USAGE_PLAN: ResourceType = ResourceType {
    name: "AWS::ApiGateway::UsagePlan",
    named_by: None,
    properties: &[
        emulated("UsagePlanName"),
        emulated("ApiStages"),
        emulated("Throttle"),
        emulated("Quota"),
        inert("Description", "descriptions"),
        TAGS,
    ],
};

pub(super) const PERMISSION: ResourceType = ResourceType {
    name: "AWS::Lambda::Permission",
    named_by: None,
    properties: &[
        emulated("Action"),
        emulated("FunctionName"),
        emulated("Principal"),
        emulated("SourceArn"),
        emulated("SourceAccount"),
    ],
};

pub(super) const LOG_GROUP: ResourceType = ResourceType {
    name: "AWS::Logs::LogGroup",
    named_by: Some("LogGroupName"),
    properties: &[
        emulated("LogGroupName"),
        emulated("RetentionInDays"),
        emulated("LogGroupClass"),
        inert("DeletionProtectionEnabled", "deletion"),
        inert("KmsKeyId", "encryption"),
        TAGS,
    ],
};

pub(super) const TABLE: ResourceType = ResourceType {
    name: "AWS::DynamoDB::Table",
    named_by: Some("TableName"),
    properties: &[
        emulated("TableName"),
        emulated("BillingMode"),
        emulated("AttributeDefinitions"),
        emulated("KeySchema"),
        emulated("GlobalSecondaryIndexes"),
        emulated("TimeToLiveSpecification"),
        inert("ContributorInsightsSpecification", "metrics of DynamoDB's own"),
        inert("DeletionProtectionEnabled", "deletion"),
        inert("PointInTimeRecoverySpecification", "backups"),
        inert("SSESpecification", "encryption"),
        inert("TableClass", "cost"),
        TAGS,
    ],
};

pub(super) const ALARM: ResourceType = ResourceType {
    name: "AWS::CloudWatch::Alarm",
    named_by: Some("AlarmName"),
    properties: &[
        emulated("AlarmName"),
        emulated("ComparisonOperator"),
        emulated("Threshold"),
        emulated("EvaluationPeriods"),
        emulated("DatapointsToAlarm"),
        emulated("TreatMissingData"),
        emulated("Metrics"),
        emulated("Namespace"),
        emulated("MetricName"),
        emulated("Dimensions"),
        emulated("Statistic"),
        emulated("ExtendedStatistic"),
        emulated("Period"),
        inert("ActionsEnabled", "who is told"),
        inert("AlarmActions", "who is told"),
        inert("AlarmDescription", "descriptions"),
        inert("InsufficientDataActions", "who is told"),
        inert("OKActions", "who is told"),
        TAGS,
    ],
};

pub(super) const TOPIC: ResourceType = ResourceType {
    name: "AWS::SNS::Topic",
    named_by: Some("TopicName"),
    properties: &[
        inert("DisplayName", "who is told"),
        inert("KmsMasterKeyId", "encryption"),
        inert("TopicName", "who is told"),
        TAGS,
    ],
};

pub(super) const SUBSCRIPTION: ResourceType = ResourceType {
    name: "AWS::SNS::Subscription",
    named_by: None,
    properties: &[
        inert("Endpoint", "who is told"),
        inert("Protocol", "who is told"),
        inert("TopicArn", "who is told"),
    ],
};

/// The type of a name.
pub(super) fn resource_type(name: &str) -> Option<&'static ResourceType> {
    RESOURCES.iter().find(|kind| kind.name == name)
}
