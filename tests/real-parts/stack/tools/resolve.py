"""The CloudFormation that a deployment of a SAM template creates, with every function resolved, as JSON.

    resolve.py template.yaml '{"ParameterName": "value"}'

The variables STACK_NAME and STACK_REGION may name another stack and region than the rehearsal's. ADDITION is YAML that is
merged into the template first. If CloudFormation would refuse the deployment, there is a line for each problem, and the exit
code is 1.
"""

import json
import os
import re
import sys

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
from yaml import YAMLError

# A test leaves nothing in the repository.
sys.dont_write_bytecode = True
from kinds import ACCOUNT, KINDS, PARTITION, REGION, STACK, SUFFIX, identity

PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": SUFFIX,
}
NO_VALUE = object()


class Refused(Exception):
    pass


class NoManagedPolicies:
    def load(self):
        return {}


def only(source):
    """The one pair of a map: functions and conditions have no second."""
    return next(iter(source.items())) if isinstance(source, dict) and len(source) == 1 else None


def plain(value):
    """A scalar as the string that CloudFormation makes from it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise Refused(f"a string is needed, not {json.dumps(value, default=repr)}")


def listed(value):
    return value if isinstance(value, list) else [value]


class Stack:
    def __init__(self, template, parameters):
        self.template, self.parameters = template, parameters
        self.resources, self.attributes = {}, {}
        self.path = []  # the names being resolved, for cycles and error messages

    def described(self):
        # Sorted, because the translator's order differs from run to run.
        names = sorted(name for name, source in self.template["Resources"].items() if self.exists(source))
        resources, outputs = {name: self.resource(name) for name in names}, {}
        for name, source in self.template.get("Outputs", {}).items():
            self.path = [f"output {name}"]
            if self.exists(source):
                outputs[name] = self.value(source["Value"])
        return {"parameters": self.parameters, "resources": resources, "outputs": outputs}

    def exists(self, source):
        return "Condition" not in source or self.holds({"Condition": source["Condition"]})

    def resource(self, name):
        if name in self.resources:
            return self.resources[name]
        if name in self.path:
            raise Refused("a cycle: " + " -> ".join([*self.path[self.path.index(name) :], name]))
        source = self.template["Resources"].get(name)
        if source is None:
            raise Refused(f"there is no {name}")
        if not self.exists(source):
            raise Refused(f"refers to {name}, which its condition leaves out")
        if source["Type"] not in KINDS:
            raise Refused(f"{name} has an unknown type: {source['Type']}")

        self.path.append(name)
        for other in listed(source.get("DependsOn", [])):
            # CloudFormation ignores DependsOn if a condition leaves the other resource out.
            if self.exists(self.template["Resources"].get(other, {})):
                self.resource(other)
        properties = self.value(source.get("Properties", {}))
        physical_id, arn, self.attributes[name] = identity(name, KINDS[source["Type"]], properties)
        self.path.pop()

        kept = {key: source[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if key in source}
        described = {"Type": source["Type"], "Properties": properties, **kept, "physical_id": physical_id, "arn": arn}
        return self.resources.setdefault(name, described)

    def attribute(self, name, attribute):
        kind = self.resource(name)["Type"]
        if attribute not in self.attributes[name]:
            raise Refused(f"{name} ({kind}) has no attribute {attribute}")
        return self.attributes[name][attribute]

    def ref(self, name):
        known = PSEUDO | self.parameters
        return known[name] if name in known else self.resource(name)["physical_id"]

    def sub(self, template, names):
        def replaced(found):
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in names:
                return plain(names[name])
            return plain(self.attribute(*name.split(".", 1)) if "." in name else self.ref(name))

        return re.sub(r"\$\{(!?)([^}]+)\}", replaced, template)

    def find(self, *keys):
        found = self.template.get("Mappings", {})
        for key in keys:
            if key not in found:
                raise Refused(f"no {key} in the mapping {'.'.join(keys)}")
            found = found[key]
        return found

    def values(self, source):
        values = self.value(source)
        if not isinstance(values, list):
            raise Refused(f"a list is needed, not {json.dumps(source)}")
        return values

    def value(self, source):
        if source is None:
            raise Refused("null is no value")
        if isinstance(source, list):
            return [value for value in map(self.value, source) if value is not NO_VALUE]
        if not isinstance(source, dict):
            return source
        if not any(key == "Ref" or key.startswith("Fn::") for key in source):
            return {key: value for key, part in source.items() if (value := self.value(part)) is not NO_VALUE}
        match only(source):
            case "Ref", "AWS::NoValue":
                return NO_VALUE
            case "Ref", str(name):
                return self.ref(name)
            case "Fn::GetAtt", [str(name), str(attribute)]:
                return self.attribute(name, attribute)
            case "Fn::GetAtt", str(both) if "." in both:
                return self.attribute(*both.split(".", 1))
            case "Fn::Sub", str(template):
                return self.sub(template, {})
            case "Fn::Sub", [str(template), dict(names)]:
                return self.sub(template, self.value(names))
            case "Fn::If", [str(condition), then, otherwise]:
                return self.value(then if self.holds({"Condition": condition}) else otherwise)
            case "Fn::Join", [str(between), parts]:
                return between.join(map(plain, self.values(parts)))
            case "Fn::Split", [str(between), whole]:
                return plain(self.value(whole)).split(between)
            case "Fn::Select", [index, parts]:
                parts, index = self.values(parts), int(plain(self.value(index)))
                if index in range(len(parts)):
                    return parts[index]
            case "Fn::FindInMap", [_, _, _] as keys:
                return self.find(*(plain(self.value(key)) for key in keys))
        raise Refused(f"cannot resolve {json.dumps(source)}")

    def holds(self, source):
        match only(source):
            case "Condition", str(name) if name in self.template.get("Conditions", {}):
                return self.holds(self.template["Conditions"][name])
            case "Fn::Equals", [one, other]:
                return plain(self.value(one)) == plain(self.value(other))
            case "Fn::Not", [part]:
                return not self.holds(part)
            # All parts are evaluated: a part that is no condition is an error, even if the result is clear without it.
            case "Fn::And", [_, _, *_] as parts:
                return all([self.holds(part) for part in parts])
            case "Fn::Or", [_, _, *_] as parts:
                return any([self.holds(part) for part in parts])
        raise Refused(f"no condition: {json.dumps(source)}")


class Rules(Stack):
    """Rules know parameters only, and two functions that conditions do not."""

    def __init__(self, parameters):
        super().__init__({"Resources": {}}, parameters)

    def holds(self, source):
        match only(source):
            case "Fn::Contains", [several, one]:
                return plain(self.value(one)) in map(plain, self.values(several))
            case "Fn::EachMemberIn", [some, several]:
                return set(map(plain, self.values(some))) <= set(map(plain, self.values(several)))
        return super().holds(source)

    def broken(self, rules):
        for name, rule in rules.items():
            self.path = [f"rule {name}"]
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    if not self.holds(assertion["Assert"]):
                        yield f"{name}: {assertion.get('AssertDescription', 'does not hold')}"


def accepted(declared, given):
    """The parameters' values, and CloudFormation's errors for them."""
    values, problems = {}, [f"{name}: there is no such parameter" for name in given if name not in declared]
    for name, limits in declared.items():
        value = given.get(name, plain(limits["Default"]) if "Default" in limits else None)
        if not isinstance(value, str):
            problems.append(f"{name}: must have a value" if value is None else f"{name}: must be a string")
            continue
        several = limits["Type"].startswith(("CommaDelimitedList", "List<"))
        values[name] = [part.strip() for part in value.split(",")] if several else value
        reasons = [reason for part in listed(values[name]) for reason in against(limits, part)]
        if reasons:
            problems.append(f"{name}: {limits.get('ConstraintDescription', ', '.join(reasons))}")
    return values, problems


def against(limits, value):
    pattern, allowed = limits.get("AllowedPattern"), limits.get("AllowedValues")
    # CloudFormation's \d, \w and \s are Java's: ASCII.
    if pattern is not None and not re.fullmatch(pattern, value, re.ASCII):
        yield f"must match {pattern}"
    if allowed is not None and value not in map(plain, allowed):
        yield f"must be one of {', '.join(map(plain, allowed))}"
    if len(value) < int(limits.get("MinLength", 0)):
        yield f"must be at least {limits['MinLength']} long"
    if len(value) > int(limits.get("MaxLength", len(value))):
        yield f"must be at most {limits['MaxLength']} long"
    if limits["Type"] in ("Number", "List<Number>"):
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", value, re.ASCII):
            yield "must be a number"
        elif not float(limits.get("MinValue", value)) <= float(value) <= float(limits.get("MaxValue", value)):
            yield f"must be from {limits.get('MinValue', 'any')} to {limits.get('MaxValue', 'any')}"


def merged(template, addition):
    """Merges maps into maps. All other values replace those of the template."""
    for key, value in addition.items():
        both = isinstance(value, dict) and isinstance(template.get(key), dict)
        template[key] = merged(template[key], value) if both else value
    return template


def packaged(template):
    """As `sam deploy` does: code that is a local folder becomes an object in S3."""
    for name, resource in template["Resources"].items():
        if resource.get("Type") == "AWS::Serverless::Function" and "InlineCode" not in resource["Properties"]:
            resource["Properties"]["CodeUri"] = f"s3://{STACK}-code/{name}.zip"
    return template


def main(path, given="{}"):
    stack = None
    try:
        # The round trip makes strings of dates without quotes, as CloudFormation does.
        with open(path, encoding="utf-8") as file:
            template = merged(yaml_parse(file.read()), yaml_parse(os.environ.get("ADDITION", "{}")))
        template = json.loads(json.dumps(template, default=str))
        parameters, problems = accepted(template.get("Parameters", {}), json.loads(given))
        stack = Rules(parameters)
        if problems := problems or list(stack.broken(template.get("Rules", {}))):
            sys.exit("\n".join(problems))
        # The translator asks boto3 for the region, which must not be the machine's.
        os.environ["AWS_DEFAULT_REGION"] = REGION
        stack = Stack(transform(packaged(template), dict(parameters), NoManagedPolicies()), parameters)
        print(json.dumps(stack.described(), indent=2))
    except InvalidDocumentException as refused:
        sys.exit("\n".join(cause.message for cause in refused.causes))
    except YAMLError as error:
        sys.exit(str(error))
    except Refused as problem:
        sys.exit(": ".join([*(stack.path[-1:] if stack else []), str(problem)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
