"""What each resource type answers to Ref and Fn::GetAtt, as AWS documents it."""

import os
import uuid
from typing import NamedTuple

ACCOUNT, STACK = "111122223333", os.environ.get("STACK_NAME", "wg-rehearsal")
REGION = os.environ.get("STACK_REGION", "eu-west-1")
PARTITION = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(REGION.rsplit("-", 2)[0], "aws")
SUFFIX = "amazonaws.com.cn" if PARTITION == "aws-cn" else "amazonaws.com"
AT = f"{REGION}:{ACCOUNT}"


class Kind(NamedTuple):
    """`name` is the property that may give the name; {Names} in the others are properties and `identity`'s facts."""

    name: str = ""
    arn: str = ""
    ref: str = "{name}"
    attributes: dict[str, str] = {}


ARN = {"Arn": "{arn}"}
CERTIFICATE = f"arn:{PARTITION}:acm:{AT}:certificate/{{uuid}}"
MANAGED_POLICY = f"arn:{PARTITION}:iam::{ACCOUNT}:policy{{Path}}{{name}}"
SECRET = f"arn:{PARTITION}:secretsmanager:{AT}:secret:{{name}}-AbCdEf"
SUBSCRIPTION = "{TopicArn}:{uuid}"
TOPIC = f"arn:{PARTITION}:sns:{AT}:{{name}}"
GATEWAY = f"arn:{PARTITION}:apigateway:{REGION}::"
LIVE = f"arn:{PARTITION}:lambda:{AT}:function:{{FunctionName}}:{{name}}"
API = "abc1234567"
QUEUE = f"https://sqs.{REGION}.{SUFFIX}/{ACCOUNT}/{{name}}"

KINDS = {
    "AWS::ApiGatewayV2::Api": Kind(
        arn=f"{GATEWAY}/apis/{API}",
        ref=API,
        attributes={"ApiId": API, "ApiEndpoint": f"https://{API}.execute-api.{REGION}.{SUFFIX}"},
    ),
    "AWS::ApiGatewayV2::ApiMapping": Kind(ref="map123", attributes={"ApiMappingId": "map123"}),
    "AWS::ApiGatewayV2::DomainName": Kind(
        "DomainName",
        f"{GATEWAY}/domainnames/{{name}}",
        attributes={
            "RegionalDomainName": f"d-{API}.execute-api.{REGION}.{SUFFIX}",
            "RegionalHostedZoneId": "ZLY8HYME6SFDD",
        },
    ),
    "AWS::ApiGatewayV2::Stage": Kind("StageName", f"{GATEWAY}/apis/{{ApiId}}/stages/{{name}}"),
    "AWS::CertificateManager::Certificate": Kind(arn=CERTIFICATE, ref=CERTIFICATE),
    "AWS::CloudWatch::Alarm": Kind("AlarmName", f"arn:{PARTITION}:cloudwatch:{AT}:alarm:{{name}}", attributes=ARN),
    "AWS::CloudWatch::CompositeAlarm": Kind("AlarmName", f"arn:{PARTITION}:cloudwatch:{AT}:alarm:{{name}}", attributes=ARN),
    "AWS::CloudWatch::Dashboard": Kind("DashboardName", f"arn:{PARTITION}:cloudwatch::{ACCOUNT}:dashboard/{{name}}"),
    "AWS::CodeDeploy::Application": Kind("ApplicationName"),
    "AWS::CodeDeploy::DeploymentGroup": Kind("DeploymentGroupName"),
    "AWS::DynamoDB::Table": Kind(
        "TableName",
        f"arn:{PARTITION}:dynamodb:{AT}:table/{{name}}",
        # It needs the property that switches the stream on. Without that there is no attribute.
        attributes={**ARN, "StreamArn": "{arn}/stream/{StreamSpecification[StreamViewType]}"},
    ),
    "AWS::Events::EventBus": Kind(
        "Name", f"arn:{PARTITION}:events:{AT}:event-bus/{{name}}", attributes={**ARN, "Name": "{name}"}
    ),
    "AWS::Events::Rule": Kind("Name", f"arn:{PARTITION}:events:{AT}:rule/{{bus}}{{name}}", attributes=ARN),
    "AWS::IAM::ManagedPolicy": Kind("ManagedPolicyName", MANAGED_POLICY, MANAGED_POLICY, {"PolicyArn": "{arn}"}),
    "AWS::IAM::Policy": Kind("PolicyName"),
    "AWS::IAM::Role": Kind("RoleName", f"arn:{PARTITION}:iam::{ACCOUNT}:role{{Path}}{{name}}", attributes=ARN),
    # The documentation says only that Ref gives a name. The template has no such Ref.
    "AWS::IAM::RolePolicy": Kind("PolicyName"),
    "AWS::KMS::Alias": Kind("AliasName", f"arn:{PARTITION}:kms:{AT}:{{name}}"),
    "AWS::KMS::Key": Kind(arn=f"arn:{PARTITION}:kms:{AT}:key/{{uuid}}", ref="{uuid}", attributes={**ARN, "KeyId": "{uuid}"}),
    "AWS::Lambda::Alias": Kind("Name", LIVE, LIVE),
    "AWS::Lambda::EventInvokeConfig": Kind(),
    "AWS::Lambda::EventSourceMapping": Kind(
        arn=f"arn:{PARTITION}:lambda:{AT}:event-source-mapping:{{uuid}}",
        ref="{uuid}",
        attributes={"Id": "{uuid}", "EventSourceMappingArn": "{arn}"},
    ),
    "AWS::Lambda::Function": Kind("FunctionName", f"arn:{PARTITION}:lambda:{AT}:function:{{name}}", attributes=ARN),
    "AWS::Lambda::Permission": Kind(),
    "AWS::Lambda::Version": Kind(ref="{FunctionName}:1", attributes={"Version": "1"}),
    "AWS::Logs::LogGroup": Kind("LogGroupName", f"arn:{PARTITION}:logs:{AT}:log-group:{{name}}:*", attributes=ARN),
    "AWS::Logs::MetricFilter": Kind("FilterName"),
    "AWS::Pipes::Pipe": Kind("Name", f"arn:{PARTITION}:pipes:{AT}:pipe/{{name}}", attributes=ARN),
    "AWS::Route53::RecordSet": Kind("Name"),
    "AWS::Route53::RecordSetGroup": Kind(),
    "AWS::Scheduler::Schedule": Kind("Name", f"arn:{PARTITION}:scheduler:{AT}:schedule/{{GroupName}}/{{name}}", attributes=ARN),
    "AWS::SecretsManager::Secret": Kind("Name", SECRET, SECRET, {"Id": "{arn}"}),
    "AWS::SNS::Subscription": Kind(arn=SUBSCRIPTION, ref=SUBSCRIPTION, attributes=ARN),
    "AWS::SNS::Topic": Kind("TopicName", TOPIC, TOPIC, {"TopicArn": "{arn}", "TopicName": "{name}"}),
    "AWS::SNS::TopicPolicy": Kind(),
    "AWS::SQS::Queue": Kind(
        "QueueName", f"arn:{PARTITION}:sqs:{AT}:{{name}}", QUEUE, {**ARN, "QueueName": "{name}", "QueueUrl": QUEUE}
    ),
    "AWS::SQS::QueuePolicy": Kind(),
}


def identity(logical_id, kind, properties):
    """The physical id, the ARN (or None) and the attributes of a resource."""
    bus = properties.get("EventBusName", "default").rpartition("/")[2]
    facts = {"Path": "/", "GroupName": "default", **properties} | {
        "name": properties.get(kind.name, f"{STACK}-{logical_id}"),
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, logical_id)),
        "bus": "" if bus == "default" else f"{bus}/",
    }
    facts["arn"] = kind.arn.format(**facts)
    attributes = {}
    for attribute, form in kind.attributes.items():
        try:
            attributes[attribute] = form.format(**facts)
        except KeyError:
            continue
    return kind.ref.format(**facts), facts["arn"] or None, attributes
