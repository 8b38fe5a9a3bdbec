"""The bank's files: txns.csv and trades.json, the same bytes at every run.

    python -m bank.generate FOLDER          (in deploy/local)

Awkward on purpose: thousands commas, blanks, apostrophes, quotes, tabs, line breaks, backslashes, non-ASCII of two to
four bytes; and about one trade in a hundred that does not fit its declaration."""

import copy
import csv
import datetime
import json
import random
import sys
from pathlib import Path

SEED = 20170629
N_TRANSACTIONS = 116_201
N_TRADES = 20_000
HEADER = [
    "Account No", "DATE", "TRANSACTION DETAILS", "CHQ.NO.", "VALUE DATE", "WITHDRAWAL AMT", "DEPOSIT AMT", "BALANCE AMT",
]  # fmt: skip
ACCOUNTS = [f"{number}'" for number in (
    409000611074, 409000493201, 409000425051, 409000405747, 409000438611, 409000493210, 409000438620, 1196711, 1196428,
    409000362497,
)]  # fmt: skip
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
FIRST_DAY = datetime.date(2015, 1, 1)
N_DAYS = 1520

PLAIN_DETAILS = (
    "TRF FROM STORI SERVICES LTD", "FDRL/INTERNAL FUND TRANSFE", "NEFT/PAYOUT {n}", "ATM WDL {n}", "CASH DEPOSIT",
    "RTGS/HOLDER {n}", "INDO GIBL STL{n}", "FEE FOR {n}", "IMPS/{n}/P2A",
)  # fmt: skip
ODD_DETAILS = (
    'PAID TO "NORTH, SOUTH & SONS"', "RENT, MARCH; FLAT 3", "O'BRIEN'S 50% OFF", "CAFÉ ZÜRICH №{n}", "交易 {n} 付款",
    "GIFT 🎁 FOR 👩‍👧 {n}", "SHARE C:\\BANK\\IN\\{n}", "TAB\tBETWEEN", "FIRST LINE\nSECOND LINE", "", '"', '""', "\\N", "NULL",
    "  LEADING AND TRAILING  ", "ΑΘΗΝΑ ‐ СОФИЯ", "𝔅𝔞𝔫𝔨 {n}",
)  # fmt: skip


def csv_date(day):
    return f"{day.day:02}-{MONTHS[day.month - 1]}-{day.year % 100:02}"


def csv_amount(cents):
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100:,}.{cents % 100:02}"


def details_of(rng):
    """One in sixteen is awkward."""
    pattern = rng.choice(ODD_DETAILS if rng.random() < 1 / 16 else PLAIN_DETAILS)
    return pattern.replace("{n}", str(rng.randrange(10_000_000)))


def transactions():
    """Rows of the file, as text."""
    rng = random.Random(SEED)
    balances = {account: rng.randrange(100_000_000) for account in ACCOUNTS}
    for number in range(N_TRANSACTIONS):
        account = rng.choice(ACCOUNTS)
        day = FIRST_DAY + datetime.timedelta(days=number * N_DAYS // N_TRANSACTIONS)
        value_day = day + datetime.timedelta(days=rng.choice((0, 0, 0, 0, 1, 2)))
        cents = rng.choice((100_000_000, 5_000, rng.randrange(1, 100_000), rng.randrange(1, 500_000_000)))
        withdrawn = rng.random() < 0.5
        balances[account] += -cents if withdrawn else cents
        cheque = str(rng.randrange(100_000, 999_999)) if rng.random() < 0.01 else ""
        yield [
            account, csv_date(day), details_of(rng), cheque, csv_date(value_day),
            csv_amount(cents) if withdrawn else "", "" if withdrawn else csv_amount(cents), csv_amount(balances[account]),
        ]  # fmt: skip


TICKERS = "STOR ACME NRTH SOUT EAST WEST ÑAND 株式 B🏦NK".split()
SYSTEMS = ("core-1", "core-2", "dark pool", 'the "old" one', "système-β")
FIRST_TRADE = datetime.datetime(2023, 1, 2, 9, 0, 0)


def trade(rng, number):
    """A trade that fits."""

    def book(price):
        return [
            {"price": round(price * (1 + rng.uniform(-0.02, 0.02)), 2), "shares": rng.randrange(1, 900)}
            for _ in range(rng.choice((0, 1, 1, 2, 3, 5)))
        ]

    price = rng.randrange(1, 90_000)
    when = FIRST_TRADE + datetime.timedelta(milliseconds=number * 1_237 + rng.randrange(1000))
    return {
        "id": f"T{number:08}",
        "details": {
            "asks": book(price),
            "bids": book(price),
            # JavaScript clients write whole numbers as doubles.
            "lag": float(rng.randrange(900)) if rng.random() < 0.02 else rng.randrange(900),
            "system": rng.choice(SYSTEMS),
        },
        "price": price,
        "shares": rng.randrange(1, 10_000),
        "ticker": rng.choice(TICKERS),
        "ticket": f"{rng.getrandbits(64):016x}",
        "time": {"date": when.isoformat(timespec="milliseconds") + "Z"},
    }


def _without(*path):
    def spoil(document):
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return spoil


def _with(value, *path):
    def spoil(document):
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return spoil


# What makes a trade unfit, each in one way only.
SPOILERS = (
    _without("id"), _without("details"), _without("details", "asks"), _without("details", "bids"),
    _without("details", "lag"), _without("details", "system"), _without("price"), _without("shares"), _without("ticker"),
    _without("ticket"), _without("time"), _without("time", "date"),
    _with(None, "details", "lag"), _with("12 ms", "details", "lag"), _with(0.5, "details", "lag"),
    _with(True, "details", "lag"), _with({"ms": 3}, "details", "lag"), _with("90.10", "price"), _with([7], "price"),
    _with(1 << 40, "shares"), _with(12, "ticker"), _with(False, "details", "system"), _with(77, "ticket"),
    _with("yesterday", "time", "date"), _with(1672650000, "time", "date"), _with("2023-01-02", "time"),
)  # fmt: skip


def spoiled(document, number):
    """A copy that does not fit; `number` chooses how."""
    document = copy.deepcopy(document)
    SPOILERS[number % len(SPOILERS)](document)
    return document


def trades():
    rng = random.Random(SEED + 1)
    n_bad = 0
    for number in range(N_TRADES):
        document = trade(rng, number)
        if rng.random() < 0.01:
            document = spoiled(document, n_bad)
            n_bad += 1
        yield document


def write_transactions(path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(HEADER) + "\n")
        csv.writer(file, lineterminator="\n").writerows(transactions())


def write_trades(path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"data": list(trades())}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_transactions(folder / "txns.csv")
    write_trades(folder / "trades.json")


if __name__ == "__main__":
    main(sys.argv[1])
