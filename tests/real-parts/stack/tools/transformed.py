"""The template as CloudFormation gets it, from what resolve.py prints: for linters that know no SAM and no conditions.

    resolve.py template.yaml '{"ClientId": "id", "ClientSecret": "secret"}' | transformed.py > transformed.json
"""

import json
import sys

resources = json.load(sys.stdin)["resources"]
kept = ("Type", "Properties", "DeletionPolicy", "UpdateReplacePolicy")
of_cloudformation = {name: {key: one[key] for key in kept if key in one} for name, one in resources.items()}
json.dump({"AWSTemplateFormatVersion": "2010-09-09", "Resources": of_cloudformation}, sys.stdout, indent=2)
