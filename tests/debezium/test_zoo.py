"""Every type with its edges, copied and streamed, in every mode that there is for it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

import zoo  # noqa: E402

ANIMALS = {animal.name: animal for animal in zoo.animals()}
# In nanoseconds Debezium garbles what 64 bits do not hold (leat keeps such a row in the reject topic), and stops at a
# delete that carries only the key of a row with a required timestamp.
BEYOND_NANOSECONDS = "delete from zoo.times where id > 5; drop table zoo.required_times"
MODES = [
    ("numbers", {"decimal.handling.mode": "double"}),
    ("numbers", {"decimal.handling.mode": "string"}),
    ("numbers", {"money.fraction.digits": "4"}),
    ("times", {"time.precision.mode": "adaptive_time_microseconds"}),
    ("times", {"time.precision.mode": "connect"}),
    ("times", {"time.precision.mode": "isostring"}),
    ("times", {"time.precision.mode": "microseconds"}),
    ("times", {"time.precision.mode": "nanoseconds"}),
    ("times", {"interval.handling.mode": "string"}),
    ("extensions", {"hstore.handling.mode": "map"}),
    ("text", {"binary.handling.mode": "base64", "unavailable.value.placeholder": "not sent"}),
    ("text", {"binary.handling.mode": "base64-url-safe"}),
    ("text", {"binary.handling.mode": "hex"}),
    ("arrays", {"decimal.handling.mode": "string", "time.precision.mode": "microseconds", "binary.handling.mode": "hex"}),
]


def compare(twin, animal, **settings):
    """The rows are there before the two start; their changes come by the stream. settings: Twin.start()'s."""
    twin.sql(animal.tables)
    twin.sql(animal.rows)
    twin.start(**settings)
    twin.sql(animal.changes)
    twin.check(minimum=10)


@pytest.mark.parametrize("animal", ANIMALS.values(), ids=lambda animal: animal.name)
def test_zoo(twin, animal):
    compare(twin, animal)


@pytest.mark.parametrize("animal, modes", MODES, ids=lambda part: part if isinstance(part, str) else "-".join(part.values()))
def test_modes(twin, animal, modes):
    """A mode of leat's has Debezium's name, with _ for the dots."""
    ours = {key.replace(".", "_"): int(mode) if mode.isdigit() else mode for key, mode in modes.items()}
    chosen = ANIMALS[animal]
    if modes.get("time.precision.mode") == "nanoseconds":
        changes = [line for line in chosen.changes.splitlines() if "required_times" not in line]
        chosen = chosen._replace(rows=chosen.rows + BEYOND_NANOSECONDS, changes="\n".join(changes))
    compare(twin, chosen, connector=modes, postgresql=ours)
