"""What deploy/ and the README show people is what the program takes."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
LEAT = os.environ.get("LEAT_BIN", str(CHECKOUT / "build/dev/leat"))
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)\}")


def compose():
    return yaml.safe_load((CHECKOUT / "deploy/compose.yaml").read_text())


def readme_example():
    return re.search(r"```yaml\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL).group(1)


CONFIGURATIONS = {
    "README.md": readme_example,
    "deploy/compose/leat.yaml": lambda: (CHECKOUT / "deploy/compose/leat.yaml").read_text(),
    "docs/examples/leat.yaml": lambda: (CHECKOUT / "docs/examples/leat.yaml").read_text(),
}


def value_of(variable):
    """Something of the form that the setting wants."""
    forms = {"BROKERS": "x:1", "URL": "http://x", "URI": "mongodb://x", "PORT": "1", "BUCKET": "staging",
             "ROLE": "default"}
    return next((value for part, value in forms.items() if variable.endswith(part)), "x")


def leat(text, *command):
    variables = {name: value_of(name) for name in VARIABLE.findall(text)}
    return subprocess.run([LEAT, *command], env={"LEAT_CONFIG_YAML": text, **variables}, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=30)


@pytest.mark.parametrize("place", CONFIGURATIONS)
def test_every_shown_configuration_is_taken(place):
    """A source that it does not have is asked for: only a configuration that was read whole gets that far."""
    answer = leat(CONFIGURATIONS[place](), "capture", "nobody")
    assert answer.returncode == 2
    assert 'has no source "nobody"' in answer.stderr


def test_a_broken_configuration_does_not_get_that_far():
    answer = leat(readme_example().replace("brokers", "brokrs"), "capture", "nobody")
    assert answer.returncode == 2
    assert 'unknown key "brokrs"' in answer.stderr


def test_compose_runs_each_source_and_the_sink():
    configuration = yaml.safe_load((CHECKOUT / "deploy/compose/leat.yaml").read_text())
    wanted = sorted([["capture", source["name"]] for source in configuration["sources"]] + [["sink"]])
    workers = [service for service in compose()["services"].values() if "build" in service]
    assert sorted(service["command"] for service in workers) == wanted


def test_compose_is_whole():
    """Every service has an image, every dependency and every named volume exists, health is asked of what is waited for."""
    document = compose()
    services = document["services"]
    for name, service in services.items():
        assert service.get("image"), name
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed], (name, needed)
        for volume in service.get("volumes", []):
            source = volume.rsplit(":", 2)[0] if volume.endswith(":ro") else volume.split(":")[0]
            if source.startswith("."):
                assert (CHECKOUT / "deploy" / source).exists(), source
            elif not source.startswith("$"):
                assert source in document["volumes"], source


def test_the_ecs_template_gives_every_worker_its_command_and_its_secrets():
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)
    template = yaml.load((CHECKOUT / "deploy/ecs/leat.yaml").read_text(), Loader)
    resources = template["Resources"].values()
    tasks = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::ECS::TaskDefinition"]
    services = [resource for resource in resources if resource["Type"] == "AWS::ECS::Service"]
    commands = sorted(task["ContainerDefinitions"][0]["Command"] for task in tasks)
    assert commands == [["capture", "core"], ["capture", "docs"], ["sink"]]
    assert len(services) == len(tasks)
    for task in tasks:
        names = {secret["Name"] for secret in task["ContainerDefinitions"][0]["Secrets"]}
        assert {"LEAT_CONFIG_YAML", "PG_PASSWORD", "MONGO_URI", "REDSHIFT_PASSWORD"} <= names
