"""Prints what `sam deploy` asks, as JSON: the prompts in their order, and the last line that it prints.

    deploy.py folder [--guided]

The folder has template.yaml and samconfig.toml. SAM runs on a terminal and without credentials: it asks all its questions
before it needs them. ClientId and ClientSecret are answered; for all other questions, Return is pressed.
"""

import json
import os
import pty
import re
import subprocess
import sys
import tempfile

ANSWERS = {"Parameter ClientId []": "my-client", "Parameter ClientSecret": "a secret"}
# A prompt is a last line without an end: `Stack Name [webinargeek-connect]: `, or `Parameter ClientSecret: `.
PROMPT = re.compile(r"([^\r\n]+): $")
MOST = 200


def main(folder, *options):
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as home:
        sam = os.path.join(os.path.dirname(sys.executable), "sam")
        environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "SAM_CLI_TELEMETRY": "0",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        process = subprocess.Popen(
            [sam, "deploy", *options], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        prompts, waiting, printed = [], "", ""
        while len(prompts) < MOST:
            try:
                chunk = os.read(ours, 4096).decode()
            except OSError:  # the terminal's other end is closed
                break
            if not chunk:
                break
            plain = re.sub(r"\x1b\[[0-9;]*m", "", chunk)
            waiting, printed = waiting + plain, printed + plain
            if found := PROMPT.search(waiting):
                prompts.append(found[1].strip())
                waiting = ""
                os.write(ours, f"{ANSWERS.get(prompts[-1], '')}\n".encode())
        process.kill()
        process.wait()
    print(json.dumps({"prompts": prompts, "last": printed.strip().splitlines()[-1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
