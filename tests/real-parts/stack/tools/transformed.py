"""Makes the template that CloudFormation gets from the output of resolve.py, for linters that do not know SAM and conditions.

    resolve.py template.yaml '{"ClientId": "id", "ClientSecret": "secret"}' | transformed.py > transformed.json
"""

import json
import sys

resources = json.load(sys.stdin)["resources"]
kept = ("Type", "Properties", "DeletionPolicy", "UpdateReplacePolicy")
of_cloudformation = {name: {key: one[key] for key in kept if key in one} for name, one in resources.items()}
json.dump({"AWSTemplateFormatVersion": "2010-09-09", "Resources": of_cloudformation}, sys.stdout, indent=2)
