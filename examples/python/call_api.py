"""Calls WebinarGeek's API for one of your connections.

python call_api.py acme https://app.webinargeek.com/api/v2/webinars
"""

import sys

from webinargeek_connect import Client, NotConfigured, Problem, ReauthRequired

if len(sys.argv) < 3:
    sys.exit(__doc__)
connection, *urls = sys.argv[1:]
try:
    client = Client()  # API_ORIGIN, AWS_REGION, and credentials as boto3 finds them
    for url in urls:
        answer = client.request(connection, "GET", url)
        print(answer.status_code, answer.text)
except ReauthRequired:
    sys.exit(f"{connection} must connect again: client.begin_session makes a link for its customer")
except (NotConfigured, Problem) as problem:
    sys.exit(str(problem))
