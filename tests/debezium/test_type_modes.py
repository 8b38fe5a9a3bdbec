"""The options that say how a type travels: the zoo through both sides in each of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

import zoo  # noqa: E402

ANIMALS = {animal.name: animal for animal in zoo.animals()}
OPTIONS = {  # leat's setting and Debezium's option
    "decimal_handling_mode": "decimal.handling.mode",
    "time_precision_mode": "time.precision.mode",
    "interval_handling_mode": "interval.handling.mode",
    "hstore_handling_mode": "hstore.handling.mode",
    "binary_handling_mode": "binary.handling.mode",
    "money_fraction_digits": "money.fraction.digits",
    "unavailable_value_placeholder": "unavailable.value.placeholder",
}


@pytest.mark.parametrize(
    "names, modes",
    [
        ("numbers times arrays extensions defaults", {
            "decimal_handling_mode": "string", "time_precision_mode": "isostring", "interval_handling_mode": "string",
            "hstore_handling_mode": "map", "binary_handling_mode": "hex", "unavailable_value_placeholder": "gone",
        }),
        # apart: beside a table zoo.text Debezium takes text[] for an array of its rows
        ("text times", {
            "binary_handling_mode": "hex", "time_precision_mode": "adaptive_time_microseconds",
            "unavailable_value_placeholder": "gone",
        }),
        ("numbers times arrays defaults", {"decimal_handling_mode": "double", "time_precision_mode": "connect"}),
        ("numbers times arrays", {
            "time_precision_mode": "microseconds", "money_fraction_digits": 4, "binary_handling_mode": "base64-url-safe",
        }),
        ("made_types", {"time_precision_mode": "nanoseconds"}),
    ],
    ids=["texts", "hex", "connect", "microseconds", "nanoseconds"],
)  # fmt: skip
def test_modes(twin, names, modes):
    for name in names.split():
        twin.sql(ANIMALS[name].tables)
        twin.sql(ANIMALS[name].rows)
    twin.start(connector={OPTIONS[setting]: str(mode) for setting, mode in modes.items()}, postgresql=modes)
    for name in names.split():
        twin.sql(ANIMALS[name].changes)
    twin.check(minimum=20)
