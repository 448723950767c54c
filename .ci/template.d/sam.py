"""SAM's template as CloudFormation gets it, linted, and with the values of one environment."""

import copy
import functools
import json
import logging
import re
import tomllib

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# What is deployed: in which environment, and what is added to the parameters of its samconfig.
DEPLOYMENTS = {
    "dev": ("dev", {}),
    "staging": ("staging", {}),
    "prod": ("prod", {}),
    "prod with AlarmEmail": ("prod", {"AlarmEmail": "somebody@example.org"}),
}

# It says at each transformation that a feature of AWS's own deployment is not there.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


def settings(environment):
    """`samconfig-{environment}.toml`, and the parameters that it gives the stack."""
    with open(f"samconfig-{environment}.toml", "rb") as file:
        config = tomllib.load(file)
    overrides = config["default"]["deploy"]["parameters"]["parameter_overrides"]
    return config, dict(pair.split("=", 1) for pair in overrides)


def transformed(source, parameters):
    """What SAM makes of the text of a template; a ValueError when it cannot."""
    document = yaml_parse(source)
    for resource in document["Resources"].values():
        if "CodeUri" in (resource.get("Properties") or {}):
            # `sam deploy` has uploaded it by then.
            resource["Properties"]["CodeUri"] = "s3://bucket/bootstrap.zip"
    try:
        return transform(document, dict(parameters), type("NoManagedPolicies", (), {"load": lambda self: {}})())
    except InvalidDocumentException as error:
        raise ValueError("; ".join(str(cause.message) for cause in error.causes)) from error


@functools.cache
def findings(text):
    """What cfn-lint has against a template."""
    found = lint(text, config=ManualArgs(regions=["us-east-1"], include_checks=["I"]))
    return sorted({f"{match.rule.id} {'/'.join(map(str, getattr(match, 'path', None) or []))}: {match.message}" for match in found})


def resolved(document, parameters):
    """The document with this environment's values in place, without the resources whose condition does not hold.

    A ValueError when a mapping lacks something. What is known only once it is deployed stays: references to resources, their attributes, and AWS's own parameters.
    """
    document = copy.deepcopy(document)
    values = {name: given.get("Default") for name, given in document["Parameters"].items()} | parameters
    conditions = document.get("Conditions", {})
    nothing = object()

    def holds(condition):
        return value(conditions[condition])

    def value(node):
        if isinstance(node, list):
            return [made for made in map(value, node) if made is not nothing]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), *_ = node.items()
            if function == "Ref":
                return nothing if argument == "AWS::NoValue" else values.get(argument, node)
            if function == "Condition" and argument in conditions:
                return holds(argument)
            if function == "Fn::If":
                return value(argument[1] if holds(argument[0]) else argument[2])
            if function == "Fn::Equals":
                return value(argument[0]) == value(argument[1])
            if function == "Fn::Not":
                return not value(argument[0])
            if function == "Fn::And":
                return all(map(value, argument))
            if function == "Fn::FindInMap":
                found = document["Mappings"]
                for key in map(value, argument):
                    if key not in found:
                        raise ValueError(f"the mapping {argument[0]} lacks {key}")
                    found = found[key]
                return found
            if function == "Fn::Sub" and isinstance(argument, str):
                text = re.sub(r"\$\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), argument)
                return {function: text} if "${" in text else text
        made = {name: value(inner) for name, inner in node.items()}
        return {name: inner for name, inner in made.items() if inner is not nothing}

    document["Resources"] = {
        name: value({key: inner for key, inner in resource.items() if key != "Condition"})
        for name, resource in document["Resources"].items()
        if "Condition" not in resource or holds(resource["Condition"])
    }
    document["Outputs"] = value(document["Outputs"])
    return document


def literal(document):
    """A resolved document as text, without what its values came from, and which it no longer refers to."""
    sources = ("Parameters", "Mappings", "Conditions")
    return json.dumps({name: part for name, part in document.items() if name not in sources}, indent=1)
