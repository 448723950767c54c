//! One thing in the template changes at a time: which check or error notices it.

use super::*;

/// The template without a block: a line, and what is indented more below it.
fn without(line: &str) -> String {
    let mut kept = Vec::new();
    let mut cut: Option<usize> = None;
    let mut has_cut = false;
    for text in TEMPLATE.lines() {
        let indent = text.len() - text.trim_start().len();
        if cut.is_some_and(|cut| indent <= cut && !text.trim().is_empty()) {
            cut = None;
        }
        if !has_cut && text == line {
            cut = Some(indent);
            has_cut = true;
        }
        if cut.is_none() {
            kept.push(text);
        }
    }
    assert!(has_cut, "the template has {line}");
    kept.join("\n")
}

/// One change each, the environment in which it shows, and the check or the words of the error that must notice it, or
/// several with `|` between. Nothing else may be said.
#[test]
fn each_change_is_noticed_by_its_check() {
    let health = "          /health:\n            get:\n";
    let mutations: Vec<(&str, String, &str, &str)> = vec![
        (
            "stage-path variable gone",
            changed("        AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true'\n", ""),
            "dev",
            "[stage-path-variable]",
        ),
        (
            "no binary media types",
            changed("      BinaryMediaTypes: ['*~1*']\n", ""),
            "dev",
            "[compressed-bodies]",
        ),
        (
            "binary media types of one kind",
            changed("['*~1*']", "['image~1png']"),
            "dev",
            "[compressed-bodies]",
        ),
        (
            "media type with a slash",
            changed("['*~1*']", "['*/*']"),
            "dev",
            "has no ~1",
        ),
        (
            "mocks that do not convert",
            changed_once("                contentHandling: CONVERT_TO_TEXT\n", ""),
            "dev",
            "[mock-converts-to-text]",
        ),
        (
            "answers that are not converted",
            changed_once("                    contentHandling: CONVERT_TO_TEXT\n", ""),
            "dev",
            "[mock-converts-to-text]",
        ),
        (
            "a gateway response gone",
            without("        THROTTLED:"),
            "dev",
            "[problem-json]",
        ),
        (
            "the default of 5xx gone",
            without("        DEFAULT_5XX:"),
            "dev",
            "[cors-headers]",
        ),
        (
            "a misspelt gateway response",
            changed("        DEFAULT_4XX:", "        UNAUTHORISED:"),
            "dev",
            "[gateway-response-type]|[cors-headers]",
        ),
        (
            "CORS header gone",
            changed_once("              Access-Control-Allow-Origin: \"'*'\"\n", ""),
            "dev",
            "[cors-headers]",
        ),
        (
            "CORS header without quotes",
            changed_once(
                "              Access-Control-Allow-Origin: \"'*'\"",
                "              Access-Control-Allow-Origin: '*'",
            ),
            "dev",
            "neither text in single quotes",
        ),
        (
            "status 999",
            changed_once("StatusCode: 504", "StatusCode: 999"),
            "dev",
            "[gateway-response-status]|[problem-json]",
        ),
        (
            "no status",
            changed_once("          StatusCode: 401\n", ""),
            "dev",
            "[gateway-response-status]|[problem-json]",
        ),
        (
            "template that is no JSON",
            changed_once("\"status\":429,", "\"status\":429;"),
            "dev",
            "[problem-json]",
        ),
        (
            "status of another response",
            changed_once("\"status\":401", "\"status\":403"),
            "dev",
            "[problem-json]",
        ),
        (
            "function slower than the gateway",
            changed("      Timeout: 25", "      Timeout: 29"),
            "dev",
            "[function-timeout]|[function-size]",
        ),
        (
            "no timeout",
            changed("      Timeout: 60\n", ""),
            "dev",
            "[function-size]",
        ),
        (
            "timeout beyond Lambda's",
            changed("      Timeout: 60", "      Timeout: 901"),
            "dev",
            "no whole number of 1 to 900",
        ),
        (
            "gateway that waits too long",
            changed_once(
                "                httpMethod: POST\n",
                "                httpMethod: POST\n                timeoutInMillis: 29001\n",
            ),
            "dev",
            "[integration-timeout]",
        ),
        (
            "invoked by GET",
            changed_once("httpMethod: POST", "httpMethod: GET"),
            "dev",
            "GET is not emulated; here it is POST",
        ),
        (
            "a method without a key",
            changed_once("              security: [{api_key: []}]\n", ""),
            "dev",
            "[api-key-required]",
        ),
        (
            "a key for /health",
            changed_once(
                health,
                &format!("{health}              security: [{{api_key: []}}]\n"),
            ),
            "dev",
            "[api-key-required]",
        ),
        (
            "no preflight",
            changed_once(
                "            options:\n              responses:\n                '204':",
                "            delete:\n              security: [{api_key: []}]\n              responses:\n                '204':",
            ),
            "dev",
            "[cors-preflight]",
        ),
        (
            "preflight that forbids the key",
            changed_once("\"'X-API-Key, If-None-Match'\"", "\"'If-None-Match'\""),
            "dev",
            "[cors-preflight]",
        ),
        (
            "header of a mock that is not declared",
            changed_once("                    Allow: {schema: {type: string}}\n", ""),
            "dev",
            "declares no header allow",
        ),
        (
            "no usage plan",
            without("  UsagePlan:").replace("    Value: !Ref UsagePlan\n", "    Value: gone\n"),
            "dev",
            "[usage-plan]",
        ),
        (
            "plan without a quota",
            without("      Quota:"),
            "dev",
            "[usage-plan]",
        ),
        (
            "plan of another stage",
            changed("Stage: !Ref Api.Stage", "Stage: live"),
            "dev",
            "there is no stage live",
        ),
        (
            "no stage throttle",
            without("      MethodSettings:"),
            "dev",
            "[stage-throttle]",
        ),
        (
            "rate without burst",
            changed_once(
                "          ThrottlingBurstLimit: !FindInMap [ByEnvironment, !Ref Environment, StageBurst]\n",
                "",
            ),
            "dev",
            "say both",
        ),
        (
            "no permission",
            without("  ApiPermission:"),
            "dev",
            "API Gateway may not invoke ApiFunction for GET /prices, HEAD /prices,",
        ),
        (
            "permission for GET only",
            changed(":${Api}/*/*/*", ":${Api}/*/GET/*"),
            "dev",
            "for HEAD /prices, HEAD /prices/{symbol}, HEAD /health",
        ),
        (
            "retention of dev in prod",
            changed("prod: {LogRetentionDays: 90", "prod: {LogRetentionDays: 30"),
            "prod",
            "[log-retention]",
        ),
        (
            "retention that CloudWatch has not",
            changed("dev: {LogRetentionDays: 30", "dev: {LogRetentionDays: 31"),
            "dev",
            "no retention that CloudWatch has",
        ),
        (
            "a group for ever",
            changed_once(
                "      RetentionInDays: !FindInMap [ByEnvironment, !Ref Environment, LogRetentionDays]\n",
                "",
            ),
            "dev",
            "[log-retention]",
        ),
        (
            "lines of text",
            changed_once("        LogFormat: JSON\n", ""),
            "dev",
            "only with LogFormat: JSON",
        ),
        (
            "level that drops metrics",
            changed(
                "prod: {LogRetentionDays: 90, LogLevel: INFO",
                "prod: {LogRetentionDays: 90, LogLevel: WARN",
            ),
            "prod",
            "[log-lines]",
        ),
        (
            "alarms everywhere",
            changed_once("    Condition: IsProd\n", ""),
            "dev",
            "[alarms]",
        ),
        (
            "an alarm's threshold",
            changed("      Threshold: 900", "      Threshold: 9000"),
            "prod",
            "[alarms]",
        ),
        (
            "an alarm's missing data",
            changed("TreatMissingData: breaching", "TreatMissingData: ignore"),
            "prod",
            "[alarms]",
        ),
        ("an alarm gone", without("  LambdaThrottles:"), "prod", "[alarms]"),
        (
            "a sum without FILL",
            changed_once("FILL(api, 0) + FILL(update, 0)", "api + update"),
            "prod",
            "[alarms]",
        ),
        (
            "an expression of an unknown id",
            changed_once("FILL(update, 0)", "FILL(updater, 0)"),
            "prod",
            "updater is the id of no metric",
        ),
        (
            "an alarm of another API",
            changed(
                "Value: !Sub 'crypto-watch-api-${Environment}'",
                "Value: crypto-watch-api",
            ),
            "prod",
            "[alarm-dimensions]",
        ),
        (
            "topic in an environment without it",
            changed(
                "!If [IsTold, !Ref AlarmTopic, !Ref AWS::NoValue]",
                "!Ref AlarmTopic",
            ),
            "prod",
            "AlarmTopic is not there in this environment",
        ),
        (
            "a table of another name",
            changed(
                "TableName: !Sub crypto-watch-data-${Environment}",
                "TableName: prices",
            ),
            "dev",
            "[names]",
        ),
        (
            "no tags",
            changed_once(
                "    Tags: {Application: crypto-watch, Environment: !Ref Environment}\n",
                "",
            ),
            "dev",
            "[tags]",
        ),
        (
            "provisioned capacity",
            changed("      BillingMode: PAY_PER_REQUEST\n", ""),
            "dev",
            "[table-schema]",
        ),
        (
            "no ttl",
            changed(
                "{AttributeName: ttl, Enabled: true}",
                "{AttributeName: ttl, Enabled: false}",
            ),
            "dev",
            "[table-schema]",
        ),
        (
            "another sort key",
            changed("AttributeName: SK", "AttributeName: RK"),
            "dev",
            "[table-schema]",
        ),
        (
            "an attribute that is not defined",
            changed("        - {AttributeName: GSI1SK, AttributeType: S}\n", ""),
            "dev",
            "has no GSI1SK",
        ),
        (
            "architecture that is not asked for",
            changed("Architectures: [!Ref Architecture]", "Architectures: [arm64]"),
            "dev",
            "[architecture]|[unused-parameter]",
        ),
        (
            "no architecture",
            changed("    Architectures: [!Ref Architecture]\n", ""),
            "dev",
            "[unused-parameter]",
        ),
        (
            "another runtime",
            changed("provided.al2023", "provided.al2"),
            "dev",
            "provided.al2 is not emulated",
        ),
        (
            "an unknown variable",
            changed("COMPRESSION: 'on'", "COMPRESION: 'on'"),
            "dev",
            "[service-variables]",
        ),
        (
            "a variable gone",
            changed("        RATE_LIMIT_PER_MINUTE: !Ref RateLimitPerMinute\n", "")
                .replace("RateLimitPerMinute:\n", "Gone:\n"),
            "dev",
            "[service-variables]|[unused-parameter]",
        ),
        (
            "compression not quoted",
            changed("COMPRESSION: 'on'", "COMPRESSION: on"),
            "dev",
            "on is a truth value in one version of YAML",
        ),
        (
            "a variable of Lambda's",
            changed("COMPRESSION: 'on'", "AWS_REGION: eu-west-1"),
            "dev",
            "Lambda's own to set",
        ),
        (
            "updates side by side",
            changed("      ReservedConcurrentExecutions: 1\n", ""),
            "dev",
            "[reserved-concurrency]",
        ),
        (
            "retries of the default",
            without("      EventInvokeConfig:"),
            "dev",
            "[retry-policy]",
        ),
        (
            "deliveries of the default",
            without("            RetryPolicy:"),
            "dev",
            "[retry-policy]",
        ),
        (
            "a schedule that is off",
            changed(
                "Enabled: true\n            # Of",
                "Enabled: false\n            # Of",
            ),
            "dev",
            "[update-schedule]",
        ),
        (
            "singular rate",
            changed("rate(5 minutes)", "rate(5 minute)"),
            "dev",
            "AWS wants rate(5 minutes)",
        ),
        (
            "another schedule",
            changed("rate(5 minutes)", "rate(1 hour)"),
            "dev",
            "[update-schedule]",
        ),
        (
            "a package that is built again",
            changed_once("    Metadata: {SkipBuild: true}\n", ""),
            "dev",
            "[built-once]",
        ),
        (
            "SAM's own preflight",
            changed(
                "      OpenApiVersion: 3.0.1\n",
                "      OpenApiVersion: 3.0.1\n      Cors: \"'*'\"\n",
            ),
            "dev",
            "is not emulated: SAM's own preflights answer 500",
        ),
        (
            "a property that matters",
            changed(
                "      ReservedConcurrentExecutions: 1\n",
                "      ReservedConcurrentExecutions: 1\n      SnapStart: {ApplyOn: PublishedVersions}\n",
            ),
            "dev",
            "UpdateFunction: SnapStart: is not emulated",
        ),
        (
            "a misspelt property",
            changed("MemorySize: 512", "MemorySise: 512"),
            "dev",
            "MemorySise: is not emulated",
        ),
        (
            "a resource of another type",
            changed("AWS::SNS::Topic\n", "AWS::SQS::Queue\n"),
            "dev",
            "the type AWS::SQS::Queue is not emulated",
        ),
        (
            "an unknown function",
            changed("Value: !Ref Table", "Value: {'Fn::ImportValue': Table}"),
            "dev",
            "Fn::ImportValue: is not emulated",
        ),
        (
            "an unknown reference",
            changed(
                "DYNAMODB_TABLE_NAME: !Ref Table",
                "DYNAMODB_TABLE_NAME: !Ref Tabel",
            ),
            "dev",
            "Tabel names neither a parameter nor a resource",
        ),
        (
            "an unknown condition",
            changed_once("    Condition: IsProd\n", "    Condition: IsLive\n"),
            "dev",
            "there is no condition IsLive",
        ),
        (
            "an API event",
            changed("          Type: Schedule\n", "          Type: Api\n"),
            "dev",
            "write it in the API's DefinitionBody",
        ),
        (
            "an edge API",
            changed("Type: REGIONAL", "Type: EDGE"),
            "dev",
            "EDGE is not emulated",
        ),
    ];
    let mut failures = Vec::new();
    for (name, text, environment, noticed_by) in &mutations {
        let outcome = outcome(text, &parameters(environment));
        let by: Vec<&str> = noticed_by.split('|').collect();
        let is_noticed = by.iter().all(|by| outcome.iter().any(|line| line.contains(by)));
        let is_clear = outcome.iter().all(|line| by.iter().any(|by| line.contains(by)));
        if !is_noticed || !is_clear {
            failures.push(format!("{name}: wanted {noticed_by}, and got {outcome:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A check that nothing can make fail is none.
#[test]
fn every_check_has_a_change_that_it_notices() {
    let text = include_str!("changes.rs");
    for (name, _) in CHECKS {
        assert!(
            text.contains(&format!("[{name}]")),
            "no change is noticed by {name}"
        );
    }
}

/// What AWS would refuse, or what is not emulated: one change and the words that say so, and nothing else.
#[test]
fn each_mistake_is_an_error_of_its_own() {
    let mistakes = [
        (
            "      Period: 300\n",
            "      Period: 45\n",
            "45 is no period that CloudWatch has",
        ),
        (
            "      EvaluationPeriods: 3\n",
            "      EvaluationPeriods: 1500\n",
            "more than CloudWatch looks back",
        ),
        (
            "      DatapointsToAlarm: 2\n",
            "      DatapointsToAlarm: 4\n",
            "4 is no whole number of 1 to 3",
        ),
        (
            "      Statistic: Maximum\n",
            "      Statistic: p99\n",
            "p99 is not emulated; here it is Average or",
        ),
        (
            "      Statistic: Maximum\n",
            "      ExtendedStatistic: tm99\n",
            "tm99 is neither",
        ),
        (
            "          ReturnData: true\n",
            "          ReturnData: false\n",
            "one of them has to have ReturnData: true",
        ),
        (
            "        Period: DAY\n",
            "        Period: DAY\n        Offset: 1\n",
            "1 is no whole number of 0 to 0",
        ),
        (
            "        Period: DAY\n",
            "        Period: HOUR\n",
            "HOUR is not emulated",
        ),
        (
            "ResourcePath: /*\n          HttpMethod: '*'",
            "ResourcePath: /prices\n          HttpMethod: GET",
            "each slash as ~1",
        ),
        (
            "ResourcePath: /*\n          HttpMethod: '*'",
            "ResourcePath: /~1price\n          HttpMethod: GET",
            "there is no GET /price",
        ),
        (
            "ResourcePath: /*",
            "ResourcePath: /~1prices",
            "either both are wildcards",
        ),
        (
            "Principal: apigateway.amazonaws.com",
            "Principal: events.amazonaws.com",
            "API Gateway may not invoke ApiFunction",
        ),
        (
            "Action: lambda:InvokeFunction",
            "Action: lambda:GetFunction",
            "API Gateway may not invoke ApiFunction",
        ),
        (
            "FunctionName: !Ref ApiFunction\n      Principal",
            "FunctionName: !Ref UpdateFunction\n      Principal",
            "API Gateway may not invoke ApiFunction",
        ),
        (
            "{type: apiKey, name: x-api-key, in: header}",
            "{type: apiKey, name: key, in: header}",
            "of schemes, the API key is: name: x-api-key",
        ),
        (
            "            api_key: {type",
            "            other_key: {type",
            "there is no scheme api_key",
        ),
        (
            "functions/${ApiFunction.Arn}/invocations",
            "functions/${Table.Arn}/invocations",
            "invokes no function of this template",
        ),
        (
            "                type: aws_proxy\n",
            "                type: http_proxy\n",
            "http_proxy is not",
        ),
        (
            "        openapi: 3.0.1\n",
            "        openapi: 3.1.0\n",
            "3.1.0 is no OpenAPI 3.0",
        ),
        (
            "        openapi: 3.0.1\n",
            "        openapi: 3.0.1\n        security: [{api_key: []}]\n",
            "write what it says at each method",
        ),
        (
            "          /health:\n",
            "          health:\n",
            "it begins with a slash",
        ),
        (
            "                    statusCode: '204'\n",
            "                    statusCode: '200'\n",
            "the method has no response 200",
        ),
        (
            "KeyType: RANGE",
            "KeyType: HASH",
            "HASH is not emulated; here it is RANGE",
        ),
        (
            "Projection: {ProjectionType: ALL}",
            "Projection: {ProjectionType: KEYS_ONLY}",
            "KEYS_ONLY is not emulated",
        ),
        (
            "{AttributeName: PK, AttributeType: S}",
            "{AttributeName: PK, AttributeType: N}",
            "N is not emulated",
        ),
        (
            "        - {AttributeName: PK, AttributeType: S}\n",
            "        - {AttributeName: PK, AttributeType: S}\n        - {AttributeName: X, AttributeType: S}\n",
            "X is in no key",
        ),
        (
            "      BillingMode: PAY_PER_REQUEST\n",
            "      StreamSpecification: {StreamViewType: NEW_IMAGE}\n",
            "Table: StreamSpecification: is not emulated",
        ),
        (
            "CodeUri: dist/api/bootstrap.zip",
            "CodeUri: s3://bucket/bootstrap.zip",
            "has to be a file beside the template",
        ),
        ("    Handler: bootstrap\n", "", "has no Handler; add it"),
        (
            "        MaximumRetryAttempts: 1\n",
            "        MaximumRetryAttempts: 3\n",
            "3 is no whole number of 0 to 2",
        ),
        (
            "            Enabled: true\n",
            "            Enabled: true\n            State: ENABLED\n",
            "SAM takes either Enabled or State",
        ),
        (
            "            Enabled: true\n",
            "            Input: '{}'\n",
            "Events.Schedule.Properties.Input: is not emulated",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31",
            "Transform: AWS::LanguageExtensions",
            "Transform: is not emulated; here it is",
        ),
        ("Mappings:\n", "Rules: {}\nMappings:\n", "Rules: is not emulated"),
        (
            "Globals:\n",
            "Globals:\n  HttpApi: {}\n",
            "of Globals, Function and Api are",
        ),
        (
            "    MemorySize: 512\n",
            "    MemorySize: 512\n    Policies: []\n",
            "is not taken from Globals",
        ),
        (
            "      EndpointConfiguration: {Type: REGIONAL}\n",
            "",
            "the API stands behind CloudFront",
        ),
        (
            "          StatusCode: 504\n",
            "          StatusCode: 504\n          Colour: red\n",
            "Colour: is not emulated",
        ),
        (
            "    UpdateReplacePolicy: Retain\n",
            "    CreationPolicy: {}\n",
            "CreationPolicy: is not emulated",
        ),
    ];
    let mut failures = Vec::new();
    for (from, to, words) in mistakes {
        let outcome = outcome(&changed(from, to), &parameters("prod"));
        if outcome.is_empty() || !outcome.iter().all(|line| line.contains(words)) {
            failures.push(format!("{to}: wanted {words}, and got {outcome:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
