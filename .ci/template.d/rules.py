"""What must hold of the transformed template, and no linter knows: each rule gives its breaches as texts."""

import json
import pathlib
import re

RETENTION = {"dev": 30, "staging": 60, "prod": 90}
# https://docs.aws.amazon.com/apigateway/latest/api/API_GatewayResponse.html
RESPONSE_TYPES = set(
    "DEFAULT_4XX DEFAULT_5XX RESOURCE_NOT_FOUND UNAUTHORIZED INVALID_API_KEY ACCESS_DENIED AUTHORIZER_FAILURE"
    " AUTHORIZER_CONFIGURATION_ERROR INVALID_SIGNATURE EXPIRED_TOKEN MISSING_AUTHENTICATION_TOKEN INTEGRATION_FAILURE"
    " INTEGRATION_TIMEOUT API_CONFIGURATION_ERROR UNSUPPORTED_MEDIA_TYPE BAD_REQUEST_PARAMETERS BAD_REQUEST_BODY"
    " REQUEST_TOO_LARGE THROTTLED QUOTA_EXCEEDED WAF_FILTERED".split()
)
# Whose status is fixed here, whether the client is told when to come back, and the service's word for it.
RESPONSES = {
    "INVALID_API_KEY": ("401", False, "UNAUTHORIZED"),
    "THROTTLED": ("429", True, "RATE_LIMIT_EXCEEDED"),
    "QUOTA_EXCEEDED": ("429", True, "RATE_LIMIT_EXCEEDED"),
    "MISSING_AUTHENTICATION_TOKEN": ("404", False, "NOT_FOUND"),
    "INTEGRATION_FAILURE": ("503", True, None),
    "INTEGRATION_TIMEOUT": ("504", False, None),
    "DEFAULT_4XX": (None, False, "INVALID_REQUEST"),
    "DEFAULT_5XX": (None, False, "INTERNAL"),
}
ROUTES = {"/prices", "/prices/{symbol}", "/health"}
MAPPED = "x-amazon-apigateway-integration"
# Longest that the gateway waits for a function, seconds.
GATEWAY_WAITS = 29
# The operations that each function's code asks the table for.
OPERATIONS = {
    "ApiFunction": {"BatchGetItem", "BatchWriteItem", "GetItem", "UpdateItem"},
    "UpdateFunction": {"BatchGetItem", "BatchWriteItem", "UpdateItem"},
}
# What CloudFormation can tag, of what is used here.
TAGGED = {
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlan",
    "AWS::CloudWatch::Alarm",
    "AWS::DynamoDB::Table",
    "AWS::IAM::Role",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Topic",
}


class Template:
    """A transformed template with the values of one environment in it, and the service's own words."""

    def __init__(self, document, environment, added):
        self.environment = environment
        self.is_told = "AlarmEmail" in added
        self.parameters = document["Parameters"]
        self.outputs = document["Outputs"]
        self.resources = document["Resources"]
        self.functions = self.of("AWS::Lambda::Function")
        self.alarms = self.of("AWS::CloudWatch::Alarm")
        ((_, self.api),) = self.of("AWS::ApiGateway::RestApi").items()
        self.body = self.api["Body"]
        self.operations = [
            (f"{method.upper()} {path}", path, method, operation)
            for path, methods in self.body["paths"].items()
            for method, operation in methods.items()
            if method != "parameters"
        ]
        self.responses = self.body.get("x-amazon-apigateway-gateway-responses", {})
        source = pathlib.Path("service/src")
        self.problems = (source / "problem.rs").read_text()
        self.cors = (source / "http/cors.rs").read_text()
        self.metrics = (source / "metrics.rs").read_text()

    def of(self, kind):
        """Properties by logical id."""
        return {
            name: resource.get("Properties", {}) for name, resource in self.resources.items() if resource["Type"] == kind
        }


def routes(t):
    """the API has the service's routes, with GET, HEAD and OPTIONS each"""
    for path in ROUTES ^ set(t.body["paths"]):
        yield f"{path} is not in both"
    for path, methods in t.body["paths"].items():
        if missing := {"get", "head", "options"} ^ (set(methods) - {"parameters"}):
            yield f"{path}: {', '.join(sorted(missing))}"


def keys(t):
    """every method needs an API key, but OPTIONS and those of /health"""
    schemes = t.body["components"]["securitySchemes"]
    for name, path, method, operation in t.operations:
        asked = [schemes[scheme] for needed in operation.get("security", []) for scheme in needed]
        has_key = asked == [{"type": "apiKey", "name": "x-api-key", "in": "header"}]
        if has_key == (method == "options" or path == "/health"):
            yield f"{name} {'needs' if has_key else 'does not need'} a key"


def preflight(t):
    """OPTIONS are mocks that convert to text, and answer what the service would"""
    ours = dict(re.findall(r"ACCESS_CONTROL_(ALLOW_METHODS|ALLOW_HEADERS), \"(.*)\"", t.cors))
    ours["MAX_AGE"] = re.search(r"MAX_AGE: &str = \"(\d+)\"", t.cors)[1]
    ours["EXPOSE_HEADERS"] = re.search(r"\"(Age, .*)\"", t.cors)[1]
    ours["ALLOW_ORIGIN"] = re.search(r"ALLOW_ORIGIN, HeaderValue::from_static\(\"(.*)\"\)", t.cors)[1]
    wanted = {f"access-control-{name.lower().replace('_', '-')}": f"'{text}'" for name, text in ours.items()}
    for name, _, method, operation in t.operations:
        if method != "options":
            continue
        mock = operation[MAPPED]
        answers = mock.get("responses", {})
        answer = answers.get("default", {})
        if mock["type"].lower() != "mock" or list(answers) != ["default"]:
            yield f"{name} is no mock with one answer"
        if mock.get("contentHandling") != "CONVERT_TO_TEXT" or answer.get("contentHandling") != "CONVERT_TO_TEXT":
            yield f"{name} does not convert to text: a mock fails on binary media types"
        template = json.loads(mock.get("requestTemplates", {}).get("application/json", "{}"))
        if (template.get("statusCode"), answer.get("statusCode")) != (204, "204"):
            yield f"{name} does not answer 204"
        headers = {
            header.removeprefix("method.response.header.").lower(): text
            for header, text in answer.get("responseParameters", {}).items()
        }
        for header, text in wanted.items():
            if headers.get(header) != text:
                yield f"{name}: {header} is {headers.get(header)}, and the service's {text}"
        declared = {header.lower() for header in operation["responses"].get("204", {}).get("headers", {})}
        if declared != set(headers):
            yield f"{name}: its 204 declares other headers than it is given: {', '.join(sorted(declared ^ set(headers)))}"


def proxies(t):
    """every other method is a proxy of the API's function, which may be invoked by the gateway"""
    for name, _, method, operation in t.operations:
        if method == "options":
            continue
        proxy = operation[MAPPED]
        if (proxy["type"].lower(), proxy["httpMethod"]) != ("aws_proxy", "POST") or "${ApiFunction.Arn}" not in str(proxy["uri"]):
            yield f"{name} does not proxy to ApiFunction"
    allowed = [
        grant
        for grant in t.of("AWS::Lambda::Permission").values()
        if grant["FunctionName"] == {"Ref": "ApiFunction"} and grant["Principal"] == "apigateway.amazonaws.com"
    ]
    if not any(":execute-api:" in str(grant["SourceArn"]) and "${Api}/" in str(grant["SourceArn"]) for grant in allowed):
        yield "nothing permits the gateway to invoke ApiFunction"


def gzip(t):
    """the service compresses, and the gateway decodes whatever it sends"""
    if t.functions["ApiFunction"]["Environment"]["Variables"].get("COMPRESSION") != "on":
        yield "ApiFunction does not compress"
    if t.api.get("BinaryMediaTypes") != ["*~1*"] or t.body.get("x-amazon-apigateway-binary-media-types") != ["*/*"]:
        yield "not all media types are binary, so that a gzip body would reach clients as base64"
    if "MinimumCompressionSize" in t.api:
        yield "the gateway compresses, too"


def gateway_responses(t):
    """what the gateway answers by itself is a problem as the service words it, readable across origins"""
    exposed = re.search(r"\"(Age, .*)\"", t.cors)[1]
    for name in sorted(set(t.responses) - RESPONSE_TYPES):
        yield f"{name} is no gateway response of AWS"
    for name in sorted(set(RESPONSES) - set(t.responses)):
        yield f"{name} is missing"
    for name in sorted(set(RESPONSES) & set(t.responses)):
        status, come_back, code = RESPONSES[name]
        given = t.responses[name]
        if given.get("statusCode") != status:
            yield f"{name} has the status {given.get('statusCode')}, not {status}"
        headers = {
            header.removeprefix("gatewayresponse.header.").lower(): text
            for header, text in given.get("responseParameters", {}).items()
        }
        wanted = {
            "content-type": "'application/problem+json'",
            "cache-control": "'no-store'",
            "access-control-allow-origin": "'*'",
            "access-control-expose-headers": f"'{exposed}'",
            "x-request-id": "context.requestId",
        }
        for header, text in wanted.items():
            if headers.get(header) != text:
                yield f"{name}: {header} is {headers.get(header)}, not {text}"
        if come_back != bool(re.fullmatch(r"'[1-9]\d*'", headers.get("retry-after", ""))):
            yield f"{name}: Retry-After is {headers.get('retry-after')}"
        yield from problem(t, name, given.get("responseTemplates", {}), status, code)


def problem(t, name, templates, status, code):
    if list(templates) != ["application/json"]:
        yield f"{name}: no template, or more than the one that AWS takes"
        return
    # As AWS fills it in: the message comes with quotes, the id without.
    text = templates["application/json"].replace("$context.error.messageString", '"a message"')
    try:
        body = json.loads(text.replace("$context.requestId", "an-id"))
    except ValueError as error:
        yield f"{name}: its body is no JSON: {error}"
        return
    members = {"type", "title", "detail", "code", "requestId"} | ({"status"} if status else set())
    if set(body) != members or body["requestId"] != "an-id" or body.get("status") != (int(status) if status else None):
        yield f"{name}: {text} has not just the members {', '.join(sorted(members))}"
        return
    if body["type"] != f"urn:crypto-watch:problem:{body['code'].lower().replace('_', '-')}":
        yield f"{name}: the type is {body['type']}, and the code {body['code']}"
    if code is None:
        if f'"{body["code"]}"' in t.problems:
            yield f"{name}: the service means something else by {body['code']}"
        return
    for word in (code, body["title"], body["detail"]):
        if word != "a message" and f'"{word}"' not in t.problems:
            yield f"{name}: the service does not say `{word}`"
    if body["code"] != code:
        yield f"{name}: the code is {body['code']}, not {code}"


def limits(t):
    """stage and usage plan throttle, and the plan is that of this stage"""
    ((stage_id, stage),) = t.of("AWS::ApiGateway::Stage").items()
    every = [method for method in stage.get("MethodSettings", []) if (method["ResourcePath"], method["HttpMethod"]) == ("/*", "*")]
    if not every or not all(every[0].get(limit, 0) > 0 for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit")):
        yield "the stage does not throttle"
    if not every or every[0].get("MetricsEnabled") is not True:
        yield "the stage has no metrics"
    ((_, plan),) = t.of("AWS::ApiGateway::UsagePlan").items()
    if plan.get("ApiStages") != [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": stage_id}}]:
        yield "the usage plan is not that of the stage: every key would be refused"
    if not all(plan.get("Throttle", {}).get(limit, 0) > 0 for limit in ("RateLimit", "BurstLimit")):
        yield "the usage plan does not throttle"
    if plan.get("Quota", {}).get("Limit", 0) <= 0 or plan["Quota"].get("Period") != "DAY":
        yield "the usage plan has no quota for a day"


def functions(t):
    """functions run the packages of dist, end in time, and know their stage is no part of the path"""
    wanted = {"ApiFunction": ("api", 25), "UpdateFunction": ("update", 60)}
    for name in set(wanted) ^ set(t.functions):
        yield f"{name} is not in both"
    for name, function in t.functions.items():
        what, timeout = wanted.get(name, ("", 0))
        if function["FunctionName"] != f"crypto-watch-{what}-{t.environment}":
            yield f"{name} is called {function['FunctionName']}"
        if (function["Timeout"], function["MemorySize"]) != (timeout, 512):
            yield f"{name} has {function['Timeout']} s and {function['MemorySize']} MB"
        if (function["Runtime"], function["Handler"]) != ("provided.al2023", "bootstrap"):
            yield f"{name} does not run `bootstrap`"
        if t.resources[name].get("Metadata", {}).get("SkipBuild") is not True:
            yield f"{name} would be built again by `sam build`"
        variables = function["Environment"]["Variables"]
        if "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH" not in variables:
            yield f"{name} lacks AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: every route would be a 404"
        if variables["ENVIRONMENT"] != t.environment or variables["DYNAMODB_TABLE_NAME"] != {"Ref": "Table"}:
            yield f"{name} is told of another environment or table"
    if t.functions["ApiFunction"]["Timeout"] >= GATEWAY_WAITS:
        yield f"the gateway gives up after {GATEWAY_WAITS} s, before ApiFunction does"
    if t.functions["UpdateFunction"].get("ReservedConcurrentExecutions") != 1:
        yield "UpdateFunction may run twice at once"


def schedule(t):
    """EventBridge runs the updater every five minutes, and may"""
    rules = t.of("AWS::Events::Rule")
    if len(rules) != 1:
        yield f"there are {len(rules)} rules"
        return
    ((rule_id, rule),) = rules.items()
    if (rule["ScheduleExpression"], rule["State"]) != ("rate(5 minutes)", "ENABLED"):
        yield f"the rule is {rule['ScheduleExpression']}, {rule['State']}"
    (target,) = rule["Targets"]
    if target["Arn"] != {"Fn::GetAtt": ["UpdateFunction", "Arn"]} or target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 300) >= 300:
        yield "the rule has another target, or delivers events that are older than the next one"
    if not any(
        grant["Principal"] == "events.amazonaws.com"
        and grant["FunctionName"] == {"Ref": "UpdateFunction"}
        and grant["SourceArn"] == {"Fn::GetAtt": [rule_id, "Arn"]}
        for grant in t.of("AWS::Lambda::Permission").values()
    ):
        yield "nothing permits the rule to invoke UpdateFunction"
    configs = list(t.of("AWS::Lambda::EventInvokeConfig").values())
    if [(config["FunctionName"], config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) for config in configs] != [
        ({"Ref": "UpdateFunction"}, 1, 240)
    ]:
        yield "a failed update is not tried once more, within four minutes"


def rights(t):
    """functions may ask the table, and nothing else, for what their code asks for, and no more"""
    for function, operations in OPERATIONS.items():
        role = t.resources[t.functions[function]["Role"]["Fn::GetAtt"][0]]["Properties"]
        statements = [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
        allowed = {action for statement in statements for action in statement["Action"]}
        if allowed != {f"dynamodb:{operation}" for operation in operations}:
            yield f"{function} may {', '.join(sorted(allowed))}"
        if any(statement["Resource"] != {"Fn::GetAtt": ["Table", "Arn"]} for statement in statements):
            yield f"{function} has rights beyond the table"
        if any(not arn.endswith(":policy/service-role/AWSLambdaBasicExecutionRole") for arn in role["ManagedPolicyArns"]):
            yield f"{function} has {role['ManagedPolicyArns']}"


def logs(t):
    """logs are JSON in groups of our own, kept for 30, 60 or 90 days, and metrics are not filtered out"""
    groups = t.of("AWS::Logs::LogGroup")
    for name, function in t.functions.items():
        logging = function.get("LoggingConfig", {})
        group = groups.get(logging.get("LogGroup", {}).get("Ref"), {})
        if logging.get("LogFormat") != "JSON" or group.get("LogGroupName") != f"/aws/lambda/{function['FunctionName']}":
            yield f"{name} does not log JSON to its own group"
        if group.get("RetentionInDays") != RETENTION[t.environment]:
            yield f"{name}: logs are kept for {group.get('RetentionInDays')} days"
        if logging.get("ApplicationLogLevel") not in ("TRACE", "DEBUG", "INFO"):
            yield f"{name}: Lambda drops metrics at the level {logging.get('ApplicationLogLevel')}"


def table(t):
    """the table is the service's, on demand, encrypted; prod keeps it, and copies of it"""
    ((_, properties),) = t.of("AWS::DynamoDB::Table").items()
    is_prod = t.environment == "prod"

    def keys(hash_key, range_key):
        return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]

    index = {"IndexName": "GSI1", "KeySchema": keys("GSI1PK", "GSI1SK"), "Projection": {"ProjectionType": "ALL"}}
    for name, wanted in {
        "TableName": f"crypto-watch-data-{t.environment}",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys("PK", "SK"),
        "GlobalSecondaryIndexes": [index],
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": is_prod},
        "DeletionProtectionEnabled": is_prod,
    }.items():
        if properties.get(name) != wanted:
            yield f"{name} is {properties.get(name)}, not {wanted}"


# What must be passed for how long: statistic, period in seconds, threshold, of how many periods, how many, without data.
ALARMS = {
    "LambdaErrors": ("Sum", 60, 5, 1, 1, "notBreaching"),
    "LambdaThrottles": ("Sum", 60, 10, 1, 1, "notBreaching"),
    "ApiServerErrors": ("Average", 300, 0.1, 1, 1, "notBreaching"),
    "PricesStale": ("Maximum", 60, 900, 3, 2, "breaching"),
}


def alarms(t):
    """prod has its four alarms, and nobody else has any"""
    wanted = set(ALARMS) if t.environment == "prod" else set()
    for name in sorted(wanted ^ set(t.alarms)):
        yield f"{name} is {'missing' if name in wanted else 'here'}"
    for name in sorted(wanted & set(t.alarms)):
        alarm = t.alarms[name]
        stats = [metric["MetricStat"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
        stats = stats or [{"Stat": alarm.get("Statistic"), "Period": alarm.get("Period")}]
        periods = alarm["EvaluationPeriods"]
        rest = (alarm["Threshold"], periods, alarm.get("DatapointsToAlarm", periods), alarm.get("TreatMissingData"))
        for stat in stats:
            if (given := (stat["Stat"], stat["Period"], *rest)) != ALARMS[name]:
                yield f"{name} is {given}, not {ALARMS[name]}"
        if alarm["ComparisonOperator"] != "GreaterThanThreshold":
            yield f"{name} compares by {alarm['ComparisonOperator']}"


def telling(t):
    """alarms tell whoever asked to be told, and then only"""
    topics, subscriptions = list(t.of("AWS::SNS::Topic")), list(t.of("AWS::SNS::Subscription").values())
    if (len(topics), len(subscriptions)) != (t.is_told, t.is_told):
        yield f"there are {len(topics)} topics and {len(subscriptions)} subscriptions"
        return
    for subscription in subscriptions:
        if (subscription["Protocol"], subscription["TopicArn"]) != ("email", {"Ref": topics[0]}):
            yield f"nobody gets mail from {topics[0]}"
    for name, alarm in t.alarms.items():
        for actions in ("AlarmActions", "OKActions"):
            if alarm.get(actions, []) != [{"Ref": topic} for topic in topics]:
                yield f"{name}: {actions} are {alarm.get(actions)}"


def alarmed_metrics(t):
    """alarms watch metrics that there are"""
    for name, alarm in t.alarms.items():
        stats = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric] or [alarm]
        for metric in stats:
            given = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
            what = (metric["Namespace"], metric["MetricName"])
            if what in (("AWS/Lambda", "Errors"), ("AWS/Lambda", "Throttles")):
                known = set(given) == {"FunctionName"} and given["FunctionName"].get("Ref") in t.functions
            elif what == ("AWS/ApiGateway", "5XXError"):
                known = given == {"ApiName": t.api["Name"], "Stage": t.environment}
            else:
                declared = re.search(r'"Dimensions":\[\[(.*?)\]\]', t.metrics)[1].replace('"', "").split(",")
                namespace = re.search(r'NAMESPACE: &str = "(.*)"', t.metrics)[1]
                known = (
                    metric["Namespace"] == namespace
                    and f'metric!("{metric["MetricName"]}"' in t.metrics
                    and list(given) == declared
                    and f'"{given["Service"]}"' in t.metrics
                    and given["Environment"] == t.environment
                )
            if not known:
                yield f"{name}: nobody measures {' '.join(what)} of {given}"


def empty_values(t):
    """the service starts with the parameters left alone: what it refuses, they refuse"""
    for name, low, high in (("RateLimitPerMinute", 1, 1_000_000), ("CacheTtlSeconds", 1, 3600)):
        given = t.parameters[name]
        if (given.get("MinValue"), given.get("MaxValue")) != (low, high):
            yield f"{name} may be {given.get('MinValue')} to {given.get('MaxValue')}, and the service takes {low} to {high}"
    for name, given in t.parameters.items():
        if name != "Environment" and "Default" not in given:
            yield f"{name} has no default"
    if t.parameters["ExternalApiKey"].get("NoEcho") is not True:
        yield "ExternalApiKey is shown"


def tags(t):
    """everything that can be tagged says which application and environment it belongs to"""
    wanted = {"Application": "crypto-watch", "Environment": t.environment}
    for name, resource in t.resources.items():
        if resource["Type"] in TAGGED:
            given = {tag["Key"]: tag["Value"] for tag in resource["Properties"].get("Tags", [])}
            if given != wanted:
                yield f"{name} has the tags {given}"


def outputs(t):
    """whoever deploys it is told the names of what there is"""
    for name in {"ApiUrl", "ApiId", "UsagePlanId", "TableName", "ApiFunctionName", "UpdateFunctionName"} ^ set(t.outputs):
        yield f"{name} is not in both"


ALL = [
    routes, keys, preflight, proxies, gzip, gateway_responses, limits, functions, schedule, rights, logs, table, alarms,
    telling, alarmed_metrics, empty_values, tags, outputs,
]  # fmt: skip
