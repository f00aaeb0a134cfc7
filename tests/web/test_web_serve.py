"""The command ``serve``, as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from click.testing import CliRunner

from trailwarden.app import App
from trailwarden.faces.serve import serve

COMMAND = [sys.executable, "-c", "from trailwarden.faces.serve import serve; serve()"]


def test_the_first_start_prints_a_link_that_works(tmp_path: Path, free_port: int) -> None:
    environment = {**os.environ, "TRAILWARDEN_HOME": str(tmp_path)}
    command = [*COMMAND, "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"The console: http://localhost:{free_port}\n"
            assert "Nobody can sign in yet" in process.stdout.readline()
            link = process.stdout.readline().strip()
            assert re.fullmatch(rf"http://localhost:{free_port}/first-run\?token=[\w-]{{43}}", link)
            with httpx.Client() as client:
                page = client.get(link.replace("localhost", "127.0.0.1"))
            assert "You are the first person here" in page.text
            assert "server" not in page.headers
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


def test_plain_http_on_other_addresses_ends_with_the_remedy(tmp_path: Path) -> None:
    done = CliRunner().invoke(serve, ["--host", "0.0.0.0"], env={"TRAILWARDEN_HOME": str(tmp_path)})
    assert done.exit_code == 2
    assert "refusing plain HTTP on 0.0.0.0" in done.stderr
    assert "--behind-proxy" in done.stderr


def test_a_taken_port_ends_with_the_remedy(tmp_path: Path, taken_port: int) -> None:
    with App.open(tmp_path):
        pass
    done = CliRunner().invoke(serve, ["--port", str(taken_port)], env={"TRAILWARDEN_HOME": str(tmp_path)})
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{taken_port}" in done.stderr
    assert "--port" in done.stderr
