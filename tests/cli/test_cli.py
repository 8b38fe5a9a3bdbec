"""What the program answers to its command line and configuration. No server is needed: all of it ends before one is
asked. LEAT_BIN names the program; build/dev/leat when it is not set."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAT = os.environ.get("LEAT_BIN", str(ROOT / "build/dev/leat"))

CONFIG = """\
prefix: bank
kafka:
  brokers: 127.0.0.1:1
registry:
  url: http://127.0.0.1:1
sources:
  - name: core
    type: postgresql
    postgresql:
      host: 127.0.0.1
      port: 1
      database: stori
      user: leat
      password: "${LEAT_TEST_PASSWORD}"
  - name: other
    type: postgresql
    postgresql: {host: 127.0.0.1, port: 1, database: stori, user: leat}
sinks:
  - name: warehouse
    sources: [core]
    redshift: {host: 127.0.0.1, port: 1, database: dwh, user: leat}
    s3: {bucket: staging, region: us-east-1, endpoint: "http://127.0.0.1:1"}
"""


def run(*args, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LEAT_CONFIG")}
    return subprocess.run([LEAT, *args], env=clean | {"LEAT_TEST_PASSWORD": "hunter2"} | env, text=True,
                          capture_output=True, timeout=30)


@pytest.fixture
def config(tmp_path):
    """Writes a configuration and answers its path; the first argument replaces a part of the good one."""
    def write(old="", new=""):
        assert old in CONFIG
        path = tmp_path / "leat.yaml"
        path.write_text(CONFIG.replace(old, new, 1) if old else CONFIG)
        return str(path)
    return write


def test_the_version_is_the_build_s():
    declared = re.search(r"project\(leat VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    answer = run("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"leat {declared}\n", "")


def test_help_names_every_command_and_hides_the_hidden():
    answer = run("--help")
    assert answer.returncode == 0 and answer.stderr == ""
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?) ", answer.stdout, re.MULTILINE)
    assert commands == ["capture", "sink", "snapshot", "status", "check", "offsets show", "offsets reset"]


@pytest.mark.parametrize("command", ["capture", "sink", "snapshot", "status", "check", "offsets show", "offsets reset"])
def test_each_command_has_a_help_of_its_own(command):
    answer = run(*command.split(), "--help")
    assert answer.returncode == 0 and answer.stderr == ""
    assert answer.stdout.startswith(f"usage: leat {command}")
    assert run("-h", *command.split()).stdout == answer.stdout


def test_a_group_of_commands_shows_the_program_s_help():
    assert run("offsets", "--help").stdout == run("--help").stdout


RESET = ("offsets", "reset", "--source", "core")
USAGE = [
    ("no command", (), "a command is missing"),
    ("an unknown command", ("captur",), 'unknown command "captur" (did you mean "capture"?)'),
    ("a command far from any", ("frobnicate",), 'unknown command "frobnicate"'),
    ("half of a command", ("offsets",), "offsets needs show or reset"),
    ("a wrong half of a command", ("offsets", "drop"), "offsets needs show or reset"),
    ("an unknown option", ("sink", "--sik", "x"), 'unknown option "--sik" (did you mean "--sink"?)'),
    ("a short option", ("sink", "-x"), 'unknown option "-x"'),
    ("an option of another command", ("sink", "--execute"), "sink does not take --execute"),
    ("an option twice", ("check", "--sink", "a", "--sink=b"), "--sink is given twice"),
    ("an option without its value", ("check", "--sink"), "--sink needs its value: --sink NAME"),
    ("an option for a value", ("check", "--sink", "--help"), "--sink needs its value: --sink NAME"),
    ("a flag with a value", ("sink", "--until-caught-up=yes"), "--until-caught-up takes no value"),
    ("a capture without a name", ("capture",), "capture needs NAME"),
    ("a word too many", ("capture", "core", "docs"), 'capture does not take "docs"'),
    ("a word where none belongs", ("check", "core"), 'check does not take "core"'),
    ("many words that are no command", ("a", "b", "c", "d", "e"), 'unknown command "a"'),
    ("a snapshot without a source", ("snapshot",), "snapshot needs NAME"),
    ("a snapshot of nothing", ("snapshot", "core"), "snapshot needs TABLE..., --all or --cancel"),
    ("a snapshot of all and one", ("snapshot", "core", "public.a", "--all"), "--all stands for every table: name none"),
    ("a condition for all tables", ("snapshot", "core", "--all", "--where", "true"), "--where needs TABLE..."),
    ("a condition for a cancel", ("snapshot", "core", "public.a", "--cancel", "--where", "true"),
     "--where does not go with --cancel"),
    ("an empty condition", ("snapshot", "core", "public.a", "--where="), "--where is empty"),
    ("a table without its schema", ("snapshot", "core", "a"), 'table "a" has no schema: name it as schema.table'),
    ("a reset without a source", ("offsets", "reset", "--earliest"), "offsets reset needs --source NAME"),
    ("a reset to nowhere", RESET, "offsets reset needs one of --earliest, --offset N and --time ISO8601"),
    ("a reset to two places", (*RESET, "--earliest", "--offset", "1"),
     "offsets reset needs one of --earliest, --offset N and --time ISO8601"),
    ("a reset to a negative offset", (*RESET, "--offset", "-1"), '--offset is "-1": must be a whole number, 0 or more'),
    ("a reset to no number", (*RESET, "--offset=1x"), '--offset is "1x": must be a whole number, 0 or more'),
    ("a page that does not exist", ("docs", "nothing"),
     'there is no page "nothing": config, errors, metrics, exit-codes or commands'),
]


@pytest.mark.parametrize("args, message", [row[1:] for row in USAGE], ids=[row[0] for row in USAGE])
def test_wrong_usage_ends_with_2_and_one_message(args, message):
    answer = run(*args)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == f"leat: {message}\nhint: see leat --help\n"


@pytest.mark.parametrize("time", ["yesterday", "2026-11-23", "2026-11-23T18:45:00", "2026-02-30T00:00:00Z",
                                  "2026-11-23T24:00:00Z", "2026-11-23T18:45:00.Z", "2026-11-23T18:45:00Zulu",
                                  "2026-11-23T18:45:00+15:00", "26-11-23T18:45:00Z", ""])
def test_a_time_that_is_none_is_refused(time):
    answer = run(*RESET, "--time", time)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f'leat: --time is "{time}": must be date, time and zone')


@pytest.mark.parametrize("time", ["2026-11-23T18:45:00Z", "2026-11-23 18:45:00.123456+01:00", "2028-02-29T00:00:00-0330"])
def test_a_time_is_taken(time, config):
    answer = run("--config", config(), "offsets", "reset", "--source", "other", "--time", time)
    assert (answer.returncode, answer.stderr) == \
        (2, 'leat: sink "warehouse" does not load source "other"\nhint: see leat --help\n')


@pytest.mark.parametrize("command", [("capture", "core"), ("sink",), ("check",), ("snapshot", "core", "--all"),
                                     ("status",), ("offsets", "show"),
                                     (*RESET, "--earliest")], ids=lambda args: " ".join(args[:2]))
class TestConfiguration:
    """Every command that reads the configuration refuses a wrong one the same way."""

    def test_none_named(self, command):
        answer = run(*command)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr == ("leat: no configuration was given\nhint: give the file's path with --config or "
                                 "LEAT_CONFIG, or its text in LEAT_CONFIG_YAML\n")

    def test_text_in_the_environment(self, command):
        """It wins over LEAT_CONFIG, which the container image sets."""
        answer = run(*command, LEAT_CONFIG_YAML=CONFIG.replace("brokers", "brokrs"), LEAT_CONFIG="/nonexistent.yaml")
        assert answer.returncode == 2
        assert answer.stderr.startswith('leat: LEAT_CONFIG_YAML:3:3: unknown key "brokrs" in kafka')

    def test_the_option_wins(self, command, config):
        path = config("prefix: bank\n")
        answer = run(*command, "--config", path, LEAT_CONFIG_YAML=CONFIG, LEAT_CONFIG="/nonexistent.yaml")
        assert answer.stderr.startswith(f'leat: {path}:1:1: missing key "prefix" in the top level\n')

    def test_missing_file(self, command):
        answer = run(*command, LEAT_CONFIG="/nonexistent.yaml")
        assert answer.returncode == 2
        assert answer.stderr.startswith(
            'leat: could not open configuration file "/nonexistent.yaml": No such file or directory\nhint: ')

    def test_mistyped_key(self, command, config):
        path = config("brokers", "brokrs")
        answer = run(*command, "--config", path)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr == (f'leat: {path}:3:3: unknown key "brokrs" in kafka (did you mean "brokers"?)\n'
                                 "hint: correct the key's spelling, or remove it; docs/config.md lists all keys\n")

    def test_missing_variable(self, command, config):
        path = config("LEAT_TEST_PASSWORD", "LEAT_TEST_ABSENT")
        answer = run(*command, "--config", path)
        assert answer.returncode == 2
        assert answer.stderr.startswith(f"leat: {path}:14:17: sources[].postgresql.password: the environment variable "
                                        '"LEAT_TEST_ABSENT" is not set\nhint: ')

    def test_a_secret_is_never_shown(self, command, config):
        path = config("port: 1\n", "port: ${LEAT_TEST_PASSWORD}\n")
        answer = run(*command, "--config", path)
        assert answer.returncode == 2
        assert answer.stderr.startswith(f'leat: {path}:11:13: sources[].postgresql.port is "${{LEAT_TEST_PASSWORD}}": '
                                        "must be a whole number\nhint: ")
        assert "hunter2" not in answer.stderr + answer.stdout


NAMES = [
    (("capture", "croe"), 'the configuration has no source "croe" (did you mean "core"?)'),
    (("sink", "lake"), 'the configuration has no sink "lake"'),
    (("check", "--source", "x"), 'the configuration has no source "x"'),
    (("check", "--sink", "x"), 'the configuration has no sink "x"'),
    (("offsets", "show", "--sink", "x"), 'the configuration has no sink "x"'),
    (("offsets", "reset", "--source", "x", "--earliest"), 'the configuration has no source "x"'),
]


@pytest.mark.parametrize("args, message", NAMES, ids=lambda value: value if isinstance(value, str) else " ".join(value))
def test_a_name_that_the_configuration_does_not_have(args, message, config):
    answer = run(*args, "--config", config())
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == f"leat: {message}\nhint: see leat --help\n"


def test_a_sink_must_be_named_when_there_is_none_to_take(config):
    sinks = CONFIG[CONFIG.index("sinks:"):]
    answer = run("sink", "--config", config(sinks, ""))
    assert (answer.returncode, answer.stderr) == \
        (2, "leat: the configuration has no sink\nhint: see leat --help\n")


@pytest.mark.parametrize("command", [("capture", "core"), ("sink",), ("check",)], ids=lambda args: args[0])
def test_a_log_level_that_does_not_exist_is_refused(command, config):
    answer = run(*command, "--config", config(), "--log-level", "loud")
    assert answer.returncode == 2
    assert answer.stderr.startswith('leat: --log-level is "loud": must be debug, info, warn or error\n')


@pytest.mark.parametrize("command", [("capture", "core"), ("sink",)], ids=lambda args: args[0])
def test_an_address_in_use_ends_the_worker_before_it_begins(command, config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = run(*command, "--config", config(), "--http", listen)
    assert answer.returncode == 1
    assert answer.stderr == (f'leat: could not listen on "{listen}": Address already in use\n'
                             "hint: choose another address in http.listen\n")


@pytest.mark.parametrize("page", ["config", "errors", "metrics", "exit-codes", "commands"])
def test_a_page_of_the_documentation_is_what_the_program_prints(page):
    answer = run("docs", page)
    assert answer.returncode == 0 and answer.stderr == ""
    committed = (ROOT / f"docs/{page}.md").read_text()
    assert committed == answer.stdout, f"docs/{page}.md is old: leat docs {page} > docs/{page}.md"


def test_every_exit_code_of_the_header_is_documented():
    header = (ROOT / "base/err.h").read_text()
    codes = re.findall(r"EXIT_CODE_[A-Z]+ = (\d+)", header)
    documented = re.findall(r"^\| (\d+) \|", run("docs", "exit-codes").stdout, re.MULTILINE)
    assert codes and codes == documented


@pytest.mark.parametrize("page", ["config", "errors", "metrics", "exit-codes", "commands"])
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", run("docs", page).stdout):
        assert (ROOT / "docs" / target).exists(), target
