//! The real template: what it deploys in each environment, and what happens when one thing in it changes.

use std::time::Duration;

use insta::{assert_debug_snapshot, assert_snapshot};
use proptest::prelude::*;

use super::{model::*, *};

mod changes;

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));
const SAMCONFIGS: [(&str, &str); 3] = [
    (
        "dev",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../samconfig-dev.toml")),
    ),
    (
        "staging",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../samconfig-staging.toml")),
    ),
    (
        "prod",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../samconfig-prod.toml")),
    ),
];

fn parameters(environment: &str) -> Parameters {
    let (_, text) = SAMCONFIGS.iter().find(|(name, _)| *name == environment).unwrap();
    Parameters::from_samconfig(&format!("samconfig-{environment}.toml"), text).unwrap()
}

fn deployed(environment: &str) -> Deployment {
    let template = Template::read("template.yaml", TEMPLATE).unwrap();
    match template.deployment(&parameters(environment)) {
        Ok(deployment) => deployment,
        Err(errors) => panic!("{errors:#?}"),
    }
}

/// Errors and findings of a template in an environment, one a line.
fn outcome(text: &str, parameters: &Parameters) -> Vec<String> {
    let template = match Template::read("template.yaml", text) {
        Ok(template) => template,
        Err(error) => return vec![error.to_string()],
    };
    match template.deployment(parameters) {
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
        Ok(deployment) => {
            let findings = check(&deployment, &template, parameters);
            findings.iter().map(ToString::to_string).collect()
        }
    }
}

/// The template with each `from`, of which there is at least one, replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(TEMPLATE.contains(from), "the template has {from}");
    TEMPLATE.replace(from, to)
}

/// The template with only the first replaced.
fn changed_once(from: &str, to: &str) -> String {
    assert!(TEMPLATE.contains(from), "the template has {from}");
    TEMPLATE.replacen(from, to, 1)
}

#[test]
fn the_template_is_right_in_all_environments() {
    for (environment, _) in SAMCONFIGS {
        for architecture in ["x86_64", "arm64"] {
            let parameters = parameters(environment)
                .with("Architecture", architecture)
                .with("AlarmEmail", "ops@example.org");
            assert_eq!(
                outcome(TEMPLATE, &parameters),
                [""; 0],
                "{environment} {architecture}"
            );
        }
        assert_eq!(
            outcome(TEMPLATE, &parameters(environment)),
            [""; 0],
            "{environment}"
        );
    }
}

#[test]
fn environments_differ_in_limits_retention_and_alarms() {
    let rows: Vec<String> = SAMCONFIGS
        .iter()
        .map(|(environment, _)| {
            let it = deployed(environment);
            let api = &it.api;
            let stage = api.stage_throttles[0].throttle;
            let plan = &api.usage_plans[0];
            let alarms: Vec<&str> = it.alarms.iter().map(|alarm| alarm.id.as_str()).collect();
            format!(
                "{environment}: stage {} {}/s burst {}, key {:?} {:?}, lines {:?} {:?}, alarms {alarms:?}",
                api.stage,
                stage.rate,
                stage.burst,
                plan.throttle.unwrap(),
                plan.quota.unwrap(),
                it.log_groups[0].retention_days,
                it.functions["ApiFunction"].application_log_level,
            )
        })
        .collect();
    assert_snapshot!(rows.join("\n"), @r#"
    dev: stage dev 50/s burst 100, key Throttle { rate: 10.0, burst: 100 } Quota { limit: 20000, period: Day, offset: 0 }, lines Some(30) Some("DEBUG"), alarms []
    staging: stage staging 100/s burst 200, key Throttle { rate: 10.0, burst: 100 } Quota { limit: 150000, period: Day, offset: 0 }, lines Some(60) Some("INFO"), alarms []
    prod: stage prod 200/s burst 100, key Throttle { rate: 10.0, burst: 100 } Quota { limit: 150000, period: Day, offset: 0 }, lines Some(90) Some("INFO"), alarms ["LambdaErrors", "LambdaThrottles", "ApiServerErrors", "PricesStale"]
    "#);
}

#[test]
fn the_functions_are_sams() {
    assert_debug_snapshot!(deployed("dev").functions["UpdateFunction"], @r#"
    Function {
        name: "crypto-watch-update-dev",
        code: "dist/update/bootstrap.zip",
        architecture: "x86_64",
        timeout: 60s,
        memory_mb: 512,
        environment: {
            "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH": "true",
            "CACHE_TTL_SECONDS": "300",
            "DYNAMODB_TABLE_NAME": "crypto-watch-data-dev",
            "ENVIRONMENT": "dev",
            "EXTERNAL_API_KEY": "",
            "EXTERNAL_API_PLAN": "",
            "EXTERNAL_API_URL": "",
            "LOG_LEVEL": "DEBUG",
            "RATE_LIMIT_PER_MINUTE": "100",
            "SUPPORTED_SYMBOLS": "",
        },
        reserved_concurrency: Some(
            1,
        ),
        asynchronous: AsyncInvoke {
            retries: 1,
            max_age: 240s,
        },
        log_format: Json,
        application_log_level: Some(
            "DEBUG",
        ),
        log_group: Some(
            "/aws/lambda/crypto-watch-update-dev",
        ),
    }
    "#);
    let api = &deployed("prod").functions["ApiFunction"];
    assert_eq!(api.timeout, Duration::from_secs(25));
    assert_eq!(api.environment["COMPRESSION"], "on");
    assert_eq!(api.environment["AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH"], "true");
    assert_eq!(api.asynchronous.retries, 2);
    assert_eq!(api.reserved_concurrency, None);
}

#[test]
fn the_schedule_and_the_table_are_the_templates() {
    let it = deployed("staging");
    assert_debug_snapshot!(it.schedules, @r#"
    [
        Schedule {
            name: "crypto-watch-update-staging",
            function: "UpdateFunction",
            expression: "rate(5 minutes)",
            enabled: true,
            retries: 3,
            max_age: 240s,
        },
    ]
    "#);
    assert_debug_snapshot!(it.table, @r#"
    Table {
        name: "crypto-watch-data-staging",
        key: (
            "PK",
            "SK",
        ),
        indexes: [
            (
                "GSI1",
                "GSI1PK",
                "GSI1SK",
            ),
        ],
        ttl: Some(
            "ttl",
        ),
        is_on_demand: true,
    }
    "#);
    assert_debug_snapshot!(it.log_groups, @r#"
    [
        LogGroup {
            name: "/aws/lambda/crypto-watch-api-staging",
            retention_days: Some(
                60,
            ),
        },
        LogGroup {
            name: "/aws/lambda/crypto-watch-update-staging",
            retention_days: Some(
                60,
            ),
        },
    ]
    "#);
}

#[test]
fn the_api_is_the_documents() {
    let api = deployed("dev").api;
    assert_eq!(
        (api.name.as_str(), api.stage.as_str()),
        ("crypto-watch-api-dev", "dev")
    );
    assert_eq!(api.binary_media_types, ["*/*"]);
    let methods: Vec<String> = api
        .methods
        .iter()
        .map(|method| {
            let by = match &method.integration {
                Integration::Lambda { function, timeout } => format!("{function} {timeout:?}"),
                Integration::Mock(_) => "mock".to_owned(),
            };
            format!(
                "{} {} {by} {}",
                method.http_method, method.resource, method.api_key_required
            )
        })
        .collect();
    assert_snapshot!(methods.join("\n"), @r#"
    GET /prices ApiFunction 29s true
    HEAD /prices ApiFunction 29s true
    OPTIONS /prices mock false
    GET /prices/{symbol} ApiFunction 29s true
    HEAD /prices/{symbol} ApiFunction 29s true
    OPTIONS /prices/{symbol} mock false
    GET /health ApiFunction 29s false
    HEAD /health ApiFunction 29s false
    OPTIONS /health mock false
    "#);
    assert_debug_snapshot!(api.methods[2], @r#"
    Method {
        resource: "/prices",
        http_method: "OPTIONS",
        api_key_required: false,
        integration: Mock(
            Mock {
                content_handling: Some(
                    ToText,
                ),
                passthrough: "never",
                request_templates: {
                    "application/json": "{\"statusCode\": 204}",
                },
                responses: {
                    "default": MockResponse {
                        status: 204,
                        content_handling: Some(
                            ToText,
                        ),
                        headers: {
                            "access-control-allow-headers": "'X-API-Key, If-None-Match'",
                            "access-control-allow-methods": "'GET, HEAD, OPTIONS'",
                            "access-control-allow-origin": "'*'",
                            "access-control-expose-headers": "'Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id'",
                            "access-control-max-age": "'86400'",
                            "allow": "'GET, HEAD, OPTIONS'",
                            "vary": "'Accept-Encoding'",
                            "x-request-id": "context.requestId",
                        },
                        templates: {},
                    },
                },
            },
        ),
    }
    "#);
    assert_debug_snapshot!(api.gateway_responses["THROTTLED"], @r#"
    GatewayResponse {
        status: Some(
            429,
        ),
        headers: {
            "Access-Control-Allow-Origin": "'*'",
            "Access-Control-Expose-Headers": "'Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id'",
            "Cache-Control": "'no-store'",
            "Content-Type": "'application/problem+json'",
            "Retry-After": "'1'",
            "X-Request-Id": "context.requestId",
        },
        templates: {
            "application/json": "{\"type\":\"urn:crypto-watch:problem:rate-limit-exceeded\",\"title\":\"Rate limit exceeded\",\"status\":429,\"detail\":\"too many requests with this API key; wait for Retry-After\",\"code\":\"RATE_LIMIT_EXCEEDED\",\"requestId\":\"$context.requestId\"}",
        },
    }
    "#);
}

#[test]
fn the_alarms_are_prods() {
    assert_debug_snapshot!(deployed("prod").alarms[0], @r#"
    Alarm {
        id: "LambdaErrors",
        name: "crypto-watch-lambda-errors-prod",
        query: Expression {
            expression: "FILL(api, 0) + FILL(update, 0)",
            metrics: {
                "api": MetricStat {
                    namespace: "AWS/Lambda",
                    name: "Errors",
                    dimensions: {
                        "FunctionName": "crypto-watch-api-prod",
                    },
                    statistic: "Sum",
                    period: 60s,
                },
                "update": MetricStat {
                    namespace: "AWS/Lambda",
                    name: "Errors",
                    dimensions: {
                        "FunctionName": "crypto-watch-update-prod",
                    },
                    statistic: "Sum",
                    period: 60s,
                },
            },
        },
        comparison: Greater,
        threshold: 5.0,
        evaluation_periods: 1,
        datapoints_to_alarm: 1,
        missing: NotBreaching,
    }
    "#);
    assert_debug_snapshot!(deployed("prod").alarms[3], @r#"
    Alarm {
        id: "PricesStale",
        name: "crypto-watch-prices-stale-prod",
        query: Metric(
            MetricStat {
                namespace: "CryptoWatch",
                name: "OldestPriceAgeSeconds",
                dimensions: {
                    "Environment": "prod",
                    "Service": "api",
                },
                statistic: "Maximum",
                period: 60s,
            },
        ),
        comparison: Greater,
        threshold: 900.0,
        evaluation_periods: 3,
        datapoints_to_alarm: 2,
        missing: Breaching,
    }
    "#);
}

#[test]
fn an_error_says_where_whose_what_and_what_to_do() {
    let text = changed("rate(5 minutes)", "rate(5 minute)").replace("MemorySize: 512", "MemorySize: 64");
    assert_snapshot!(outcome(&text, &parameters("dev")).join("\n"), @r#"
    template.yaml:81:5: ApiFunction: MemorySize: 64 is no whole number of 128 to 10240
    template.yaml:81:5: UpdateFunction: MemorySize: 64 is no whole number of 128 to 10240
    template.yaml:445:13: UpdateFunction: Events.Schedule.Properties.Schedule: rate(5 minute) is no schedule: AWS wants rate(5 minutes)
    "#);
    let text = changed_once("              Access-Control-Allow-Origin: \"'*'\"\n", "");
    assert_snapshot!(outcome(&text, &parameters("dev")).join("\n"), @r#"template.yaml:122:9: Resources.Api.Properties.GatewayResponses.INVALID_API_KEY: a browser hides it from pages; set the header Access-Control-Allow-Origin to "'*'" [cors-headers]"#);
}

#[test]
fn functions_are_resolved() {
    let name = |function: &str| {
        let text = changed("Description: Refreshes all prices", "Description: x").replace(
            "            Name: !Sub crypto-watch-update-${Environment}\n",
            &format!("            Name: {function}\n"),
        );
        let template = Template::read("t", &text).unwrap();
        match template.deployment(&parameters("dev")) {
            Ok(deployment) => deployment.schedules[0].name.clone(),
            Err(errors) => errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    };
    assert_eq!(name("!Join ['-', [a, !Ref Environment]]"), "a-dev");
    assert_eq!(name("!Select [1, !Split ['/', a/b/c]]"), "b");
    assert_eq!(name("{'Fn::Select': ['0', {'Fn::Split': [',', 'a,b']}]}"), "a");
    assert_eq!(name("!If [IsProd, a, b]"), "b");
    assert_eq!(
        name("!GetAtt Table.Arn"),
        "arn:aws:dynamodb:us-east-1:123456789012:table/crypto-watch-data-dev"
    );
    assert_eq!(
        name("{'Fn::GetAtt': [ApiFunction, Arn]}"),
        "arn:aws:lambda:us-east-1:123456789012:function:crypto-watch-api-dev"
    );
    assert_eq!(
        name("!Sub '${AWS::StackName}.${Table}.${Api.Stage}.${!Literal}'"),
        "crypto-watch-dev.crypto-watch-data-dev.dev.${Literal}"
    );
    assert_eq!(
        name("!Sub ['${A}-${Environment}', {A: !Ref AWS::Partition}]"),
        "aws-dev"
    );
    assert_eq!(
        name("!FindInMap [ByEnvironment, !Ref Environment, LogLevel]"),
        "DEBUG"
    );
    assert_snapshot!(name("!Sub '${Nobody}'"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::Sub: Nobody names neither a parameter nor a resource; add it");
    assert_snapshot!(name("!Sub '${Table.StreamArn}'"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::Sub: AWS::DynamoDB::Table has no attribute StreamArn that is emulated");
    assert_snapshot!(name("!Select [3, [a, b]]"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::Select: there is no item 3 of 2");
    assert_snapshot!(name("!FindInMap [ByEnvironment, test, LogLevel]"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::FindInMap: Mappings has no ByEnvironment.test.LogLevel; add it");
    assert_snapshot!(name("!GetAtt Table"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::GetAtt: wants Resource.Attribute");
    assert_snapshot!(name("!Ref AWS::StackId"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Ref: AWS::StackId is not emulated; write what it stands for");
    assert_snapshot!(name("!Equals [a, b]"), @"t:442:19: UpdateFunction: Events.Schedule.Properties.Name.Fn::Equals: is for conditions only; use !If with the name of one");
    assert_snapshot!(name("{Ref: Table, Other: 1}"), @"t:442:20: UpdateFunction: Events.Schedule.Properties.Name: Ref stands beside other keys; a function stands alone");
}

#[test]
fn what_refers_to_itself_is_an_error() {
    let text = changed(
        "Conditions:\n",
        "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n",
    );
    assert_snapshot!(outcome(&text, &parameters("dev")).join("\n"), @"template.yaml:73:3: Conditions.A: condition A refers to itself; break the circle");
    let text = changed(
        "LogGroupName: !Sub /aws/lambda/crypto-watch-api-${Environment}",
        "LogGroupName: !Ref ApiLogGroup",
    );
    assert_snapshot!(outcome(&text, &parameters("dev")).join("\n"), @"template.yaml:468:21: ApiLogGroup: LogGroupName.Ref: LogGroupName of ApiLogGroup refers to itself; break the circle");
}

#[test]
fn parameters_choose_and_are_checked() {
    let given = |name: &str, value: &str| outcome(TEMPLATE, &parameters("dev").with(name, value)).join("\n");
    assert_snapshot!(given("Environment", "test"), @"template.yaml:7:3: Parameters.Environment: test is none of dev, staging, prod");
    assert_snapshot!(given("CacheTtlSeconds", "3601"), @"template.yaml:45:3: Parameters.CacheTtlSeconds: 3601 is more than MaxValue 3600");
    assert_snapshot!(given("SupportedSymbols", "BTC"), @"template.yaml:32:3: Parameters.SupportedSymbols: BTC is not SYMBOL=coingecko-id pairs with commas between, such as BTC=bitcoin,ETH=ethereum, or nothing");
    assert_snapshot!(given("Colour", "red"), @"template.yaml:6:1: Parameters: has no parameter Colour; it has Environment, Architecture, ExternalApiUrl, ExternalApiKey, ExternalApiPlan, SupportedSymbols, RateLimitPerMinute, CacheTtlSeconds, AlarmEmail");
    assert_eq!(given("SupportedSymbols", "BTC=bitcoin,ETH=ethereum"), "");
    let none = outcome(TEMPLATE, &Parameters::new::<&str, &str>([]));
    assert_snapshot!(none.join("\n"), @"template.yaml:7:3: Parameters.Environment: has neither a value nor a default; give it one");
}

/// What a changed template deploys in an environment.
fn deployed_with(from: &str, to: &str, environment: &str) -> Deployment {
    let template = Template::read("template.yaml", &changed(from, to)).unwrap();
    match template.deployment(&parameters(environment)) {
        Ok(deployment) => deployment,
        Err(errors) => panic!("{errors:#?}"),
    }
}

#[test]
fn what_is_not_said_is_awss_default() {
    let alarm = &deployed_with("      DatapointsToAlarm: 2\n", "", "prod").alarms[3];
    assert_eq!((alarm.datapoints_to_alarm, alarm.evaluation_periods), (3, 3));
    let alarm = &deployed_with("      TreatMissingData: breaching\n", "", "prod").alarms[3];
    assert_eq!(alarm.missing, Missing::Missing);
    let level = "        ApplicationLogLevel: !FindInMap [ByEnvironment, !Ref Environment, LogLevel]\n";
    let function = &deployed_with(level, "", "dev").functions["ApiFunction"];
    assert_eq!(function.application_log_level.as_deref(), Some("INFO"));
    let function = &deployed_with("      Timeout: 60\n", "", "dev").functions["UpdateFunction"];
    assert_eq!(function.timeout, Duration::from_secs(3));
    let schedule = &deployed_with("            Enabled: true\n", "", "dev").schedules[0];
    assert!(schedule.enabled);
    let name = "      FunctionName: !Sub crypto-watch-update-${Environment}\n";
    let function = &deployed_with(name, "", "dev").functions["UpdateFunction"];
    assert_snapshot!(function.name, @"crypto-watch-dev-UpdateFunction-g2ln1xk82u85");
}

#[test]
fn conditions_and_settings_take_their_other_forms() {
    let is_prod = "  IsProd: !Equals [!Ref Environment, prod]";
    let either = "  IsProd: !Or [!Equals [!Ref Environment, prod], !Equals [!Ref Environment, staging]]";
    assert_eq!(deployed_with(is_prod, either, "staging").alarms.len(), 4);
    assert_eq!(deployed_with(is_prod, either, "dev").alarms.len(), 0);
    let one = deployed_with(
        "ResourcePath: /*\n          HttpMethod: '*'",
        "ResourcePath: /~1prices~1{symbol}\n          HttpMethod: GET",
        "dev",
    );
    let one = &one.api.stage_throttles[0];
    assert_eq!(
        (one.resource.as_str(), one.http_method.as_str()),
        ("/prices/{symbol}", "GET")
    );
    let week = deployed_with(
        "        Period: DAY\n",
        "        Period: WEEK\n        Offset: 6\n",
        "dev",
    );
    let quota = week.api.usage_plans[0].quota.unwrap();
    assert_eq!((quota.period, quota.offset), (Period::Week, 6));
    let compressed = deployed_with(
        "      OpenApiVersion: 3.0.1\n",
        "      MinimumCompressionSize: 1024\n",
        "dev",
    );
    assert_eq!(compressed.api.minimum_compression_size, Some(1024));
    let slow = deployed_with("                passthroughBehavior: never\n", "", "dev");
    let Integration::Mock(mock) = &slow.api.methods[2].integration else {
        panic!("a mock");
    };
    assert_eq!(mock.passthrough, "when_no_match");
}

proptest! {
    /// Whatever line is missing, there is an answer.
    #[test]
    fn no_missing_lines_make_it_panic(from in 0_usize..700, count in 1_usize..4) {
        let lines: Vec<&str> = TEMPLATE.lines().collect();
        let from = from.min(lines.len() - 1);
        let kept: Vec<&str> = lines.iter().enumerate().filter(|(index, _)| !(from..from + count).contains(index)).map(|(_, line)| *line).collect();
        let _ = outcome(&kept.join("\n"), &parameters("prod"));
    }
}
