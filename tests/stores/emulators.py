"""Object stores from PyPI: moto, which here demands right signatures as S3 does, and gcp-storage-emulator."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().with_name("requirements.txt")
START_SECONDS = 20
# What moto is told and asked before it demands signatures.
WITHOUT_SIGNATURE = 4


class Emulator:
    """A process that serves a bucket `media`."""

    def __init__(self, directory, python, name, module, *arguments, **environment):
        self.name = name
        self.python = python
        self.output = directory / f"{name}.output"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [python, "-B", "-m", module, *(word.format(port=self.port) for word in arguments)]
        environment = os.environ | environment
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=output)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or not self.running():
                    self.kill()
                    raise RuntimeError(f"{name} did not start: ...{self.last_output()[-300:]}")
                time.sleep(0.05)

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def last_output(self):
        return self.output.read_text(errors="replace")[-3000:]


class Moto(Emulator):
    """S3. `keys` are the two that it takes."""

    def __init__(self, directory, python):
        environment = {"INITIAL_NO_AUTH_ACTION_COUNT": str(WITHOUT_SIGNATURE)}
        super().__init__(directory, python, "moto", "moto.server", "-p{port}", **environment)
        self.keys = ("x", "y")
        self.keys = json.loads(self.run_with_boto(
            "import json, sys; iam.create_user(UserName='ftp')\n"
            "key = iam.create_access_key(UserName='ftp')['AccessKey']\n"
            "may = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]}\n"
            "iam.put_user_policy(UserName='ftp', PolicyName='p', PolicyDocument=json.dumps(may))\n"
            "s3.create_bucket(Bucket='media'); print(json.dumps([key['AccessKeyId'], key['SecretAccessKey']]))",
        ))  # fmt: skip

    def run_with_boto(self, script):
        """What a script prints that has `s3`, a client of boto3."""
        start = (
            "import boto3\n"
            f"about = dict(endpoint_url='{self.url}', region_name='us-east-1', aws_access_key_id='{self.keys[0]}', "
            f"aws_secret_access_key='{self.keys[1]}')\n"
            "s3, iam = boto3.client('s3', **about), boto3.client('iam', **about)\n"
        )
        done = subprocess.run([self.python, "-B", "-c", start + script], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-500:])
        return done.stdout


class Google(Emulator):
    """Google's store, as far as the emulator is that."""

    def __init__(self, directory, python):
        arguments = ["start", "--host=127.0.0.1", "--port={port}", "--in-memory", "--default-bucket=media"]
        super().__init__(directory, python, "gcp-storage-emulator", "gcp_storage_emulator", *arguments)

    def objects(self):
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/media/o") as answer:
            return [item["name"] for item in json.load(answer).get("items", [])]


def install(directory):
    """The Python of a new venv with the pinned packages."""
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    python = directory / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return python


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]
