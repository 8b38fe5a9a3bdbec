"""How long from a commit in the source until a query in the warehouse shows it: marker rows, looked for from outside."""

import random
import threading
import time

import psycopg

from . import wait
from .generate import trade
from .load import COLLECTION, DOCUMENT_DATABASE, as_document

MARKER = "marker"
POLL_S = 0.1


class TransactionMarkers:
    table = "transactions"
    seen_query = 'select chq_no from "{schema}".transactions where account_no = %s'

    def __init__(self, servers):
        self.connection = servers.postgres(autocommit=True)

    def write(self, name):
        self.connection.execute(
            "insert into public.transactions (account_no, transaction_details, chq_no) values (%s, 'a marker', %s)",
            (MARKER, name),
        )

    def close(self):
        self.connection.close()


class TradeMarkers:
    table = "trades"
    seen_query = 'select ticket from "{schema}".trades where system = %s'

    def __init__(self, servers):
        self.client = servers.documents()

    def write(self, name):
        document = as_document(trade(random.Random(name), 0))
        document["details"]["system"] = MARKER
        document["ticket"] = name
        self.client[DOCUMENT_DATABASE][COLLECTION].insert_one(document)

    def close(self):
        self.client.close()


class Latency(threading.Thread):
    """Writes markers into one source and polls the warehouse for them: one at the start, which also waits for the first
    copy of the table and counts for nothing else, then, when that is seen, one every `interval` seconds."""

    def __init__(self, markers, servers, schema, interval=1.0):
        super().__init__(name=f"{markers.table} markers", daemon=True)
        self.markers = markers
        self.servers = servers
        self.query = markers.seen_query.format(schema=schema)
        self.interval = interval
        self.stopping = threading.Event()
        self.committed_at = {}  # name -> monotonic time at which the commit was known to us
        self.seconds = {}  # name -> seconds until it was seen
        self.error = None

    def run(self):
        try:
            with self.servers.warehouse() as warehouse:
                self.write()
                due = time.monotonic()
                while not self.stopping.wait(POLL_S):
                    self.look(warehouse)
                    if self.seconds and time.monotonic() >= due:
                        due = time.monotonic() + self.interval
                        self.write()
        except Exception as error:  # handed over by finish()
            self.error = error

    def name_of(self, number):
        return f"{self.markers.table}-{number}"

    def write(self):
        name = self.name_of(len(self.committed_at))
        self.markers.write(name)
        self.committed_at[name] = time.monotonic()

    def look(self, warehouse):
        try:
            rows = warehouse.execute(self.query, (MARKER,)).fetchall()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return  # the sink has not made it yet
        now = time.monotonic()
        for (name,) in rows:
            self.seconds.setdefault(name, now - self.committed_at[name])

    def finish(self, seconds):
        """Writes a last marker and waits until all of them are in the warehouse."""
        self.stopping.set()
        self.join()
        if self.error:
            raise self.error
        self.write()
        with self.servers.warehouse() as warehouse:

            def all_seen():
                self.look(warehouse)
                return self.seconds.keys() >= self.committed_at.keys()

            def what():
                unseen = sorted(self.committed_at.keys() - self.seconds.keys())
                return f"{len(unseen)} markers in {self.markers.table} ({', '.join(unseen[:3])}, ...)"

            wait.until(all_seen, seconds, what)
        self.markers.close()

    def first_copy_seconds(self):
        return self.seconds[self.name_of(0)]

    def n_measured(self):
        return len(self.seconds) - 1

    def percentile(self, p):
        ordered = sorted(seconds for name, seconds in self.seconds.items() if name != self.name_of(0))
        return ordered[min(len(ordered) - 1, len(ordered) * p // 100)]
