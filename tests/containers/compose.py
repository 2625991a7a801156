"""The compose file of the checkout, under a name of its own."""

import json
import os
from pathlib import Path

from tests.containers.house import IMAGE, House, run

# Two names the compose file fixes, for the scripts of others; a test beside a real installation needs its own.
OVERRIDE = """\
services:
  app:
    container_name: {name}
    image: {image}-next
    build:
      labels:
        update: ${{UPDATE:-first}}
"""


class Project:
    """`docker compose` as in the documentation: nothing but the environment says which project it is."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        override = folder / "override.yml"
        override.write_text(OVERRIDE.format(name=name, image=IMAGE))
        self.environment = {
            "COMPOSE_FILE": f"docker-compose.yml{os.pathsep}{override}",
            "COMPOSE_PROJECT_NAME": name,
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "PUBLISH": "127.0.0.1:",  # any free port
        }

    def compose(self, *arguments: str, **environment: str) -> str:
        return run("docker", "compose", *arguments, environment=self.environment | environment)

    def up(self, **environment: str) -> House:
        self.compose("up", "--detach", "--build", **environment)
        return House(self.name)

    def shell(self, commands: str) -> str:
        """Commands of the documentation, in a shell, where the compose file is."""
        return run("bash", "-c", f"set -euo pipefail\n{commands}", environment=self.environment)

    def container(self) -> str:
        return run("docker", "inspect", "--format", "{{.Id}}", self.name)

    def config(self, *options: str) -> dict[str, dict[str, object]]:
        services: dict[str, dict[str, object]] = json.loads(self.compose(*options, "config", "--format=json"))[
            "services"
        ]
        return services
