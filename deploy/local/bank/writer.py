"""Writes into both sources at a bounded rate until told to stop: inserts, updates, deletes, changed keys, big
transactions, transactions that are rolled back, and trades that do not fit.

A server that goes away in between is waited for: what a lost commit did is read from the source again, never guessed."""

import datetime
import random
import threading
import time

import bson
import psycopg
import pymongo
import pymongo.errors

from . import mapping
from .generate import ACCOUNTS, details_of, spoiled, trade
from .load import COLLECTION, DOCUMENT_DATABASE, as_document

BIG_TRANSACTION_ROWS = 2000
RECONNECT_SECONDS = 120
RETRY_S = 0.2
LOST = (psycopg.OperationalError, psycopg.InterfaceError, pymongo.errors.ConnectionFailure)


class Writer(threading.Thread):
    """One source, one thread, one seed. A subclass has `operations`: [(weight, method)]."""

    def __init__(self, name, seed, per_second):
        super().__init__(name=name, daemon=True)
        self.rng = random.Random(f"{name} {seed}")
        self.interval = 1 / per_second
        self.stopping = threading.Event()
        self.counts = {}  # operation -> how often
        self.n_lost = 0  # connections
        self.error = None

    def stop(self):
        """Ends it after the operation that is under way; raises what ended it before."""
        self.stopping.set()
        self.join()
        if self.error:
            raise self.error

    def run(self):
        try:
            self.reconnect()
            weights, methods = zip(*self.operations())
            due = time.monotonic()
            while not self.stopping.wait(max(0.0, due - time.monotonic())):
                due = max(due + self.interval, time.monotonic() - 1)
                self.step(self.rng.choices(methods, weights)[0])
        except Exception as error:  # handed over by stop()
            self.error = error
        finally:
            self.disconnect()

    def step(self, method):
        try:
            method()
            self.counts[method.__name__] = self.counts.get(method.__name__, 0) + 1
        except LOST:
            self.n_lost += 1
            self.reconnect()

    def reconnect(self):
        deadline = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                self.disconnect()
                return self.connect()
            except LOST:
                if time.monotonic() > deadline:
                    raise
                self.stopping.wait(RETRY_S)


class TransactionsWriter(Writer):
    """public.transactions."""

    INSERT = """\
        insert into public.transactions (account_no, date, transaction_details, chq_no, value_date, withdrawal_amt,
            deposit_amt, balance_amt) values (%s, %s, %s, %s, %s, %s, %s, %s) returning id"""

    def __init__(self, servers, seed, per_second, database=None):
        super().__init__("transactions writer", seed, per_second)
        self.servers = servers
        self.database = database
        self.connection = None
        self.ids = []

    def connect(self):
        self.connection = self.servers.postgres(self.database)
        with self.connection.transaction():
            self.ids = [row[0] for row in self.connection.execute("select id from public.transactions order by id")]

    def disconnect(self):
        if self.connection:
            self.connection.close()

    def operations(self):
        return [
            (30, self.insert), (35, self.update), (12, self.delete), (6, self.change_key), (8, self.mixed),
            (8, self.rolled_back), (0.4, self.big),
        ]  # fmt: skip

    def pick(self, n):
        return self.rng.sample(self.ids, min(n, len(self.ids)))

    def row(self):
        rng = self.rng
        day = datetime.date(2019, 3, 6) + datetime.timedelta(days=rng.randrange(400))
        cents = rng.randrange(1, 10_000_000)
        amounts = (cents, None) if rng.random() < 0.5 else (None, cents)
        decimals = [None if amount is None else f"{amount / 100:.2f}" for amount in (*amounts, rng.randrange(10**9))]
        cheque = None if rng.random() < 0.9 else str(rng.randrange(100_000, 999_999))
        return (rng.choice(ACCOUNTS), day, details_of(rng), cheque, day, *decimals)

    def add(self, n):
        return [self.connection.execute(self.INSERT, self.row()).fetchone()[0] for _ in range(n)]

    def set_details(self, ids):
        self.connection.execute(
            "update public.transactions set transaction_details = %s, balance_amt = balance_amt + %s where id = any(%s)",
            (details_of(self.rng), self.rng.randrange(-5000, 5000), ids),
        )

    def remove(self, ids):
        self.connection.execute("delete from public.transactions where id = any(%s)", (ids,))

    def forget(self, ids):
        gone = set(ids)
        self.ids = [number for number in self.ids if number not in gone]

    # ---- operations: one transaction each ----

    def insert(self):
        with self.connection.transaction():
            added = self.add(self.rng.randrange(1, 6))
        self.ids += added

    def update(self):
        with self.connection.transaction():
            self.set_details(self.pick(self.rng.choice((1, 1, 1, 2, 5, 20))))

    def delete(self):
        ids = self.pick(self.rng.choice((1, 1, 2)))
        with self.connection.transaction():
            self.remove(ids)
        self.forget(ids)

    def change_key(self):
        ids = self.pick(1)
        with self.connection.transaction():
            changed = self.connection.execute(
                "update public.transactions set id = nextval(pg_get_serial_sequence('public.transactions', 'id'))"
                " where id = any(%s) returning id",
                (ids,),
            ).fetchall()
        self.forget(ids)
        self.ids += [row[0] for row in changed]

    def mixed(self):
        """A row that comes and goes inside one transaction, and one that is changed twice."""
        touched = self.pick(2)
        with self.connection.transaction():
            added = self.add(2)
            self.set_details([added[0], *touched])
            self.remove([added[0]])
            self.set_details(touched[:1])
            self.connection.execute(self.INSERT, self.row())
        self.ids.append(added[1])

    def rolled_back(self):
        with self.connection.transaction():
            self.add(3)
            self.remove(self.pick(3))
            self.set_details(self.pick(10))
            raise psycopg.Rollback()

    def big(self):
        with self.connection.transaction():
            self.set_details(self.pick(BIG_TRANSACTION_ROWS))


class TradesWriter(Writer):
    """trades. A trade that fits is never turned into one that does not: those are inserted as such."""

    def __init__(self, servers, seed, per_second, database=DOCUMENT_DATABASE, collection=COLLECTION, first_number=10**7):
        super().__init__("trades writer", seed, per_second)
        self.servers = servers
        self.names = (database, collection)
        self.number = first_number
        self.n_spoiled = 0
        self.unfit = set()  # every _id, as text, of an unfit trade that this writer may have written
        self.client = None
        self.collection = None
        self.fitting = []

    def connect(self):
        self.client = self.servers.documents()
        database, collection = self.names
        self.collection = self.client[database][collection]
        self.fitting = [
            document["_id"] for document in self.collection.find() if not mapping.unfit(document, mapping.TRADE_COLUMNS)
        ]

    def disconnect(self):
        if self.client:
            self.client.close()

    def operations(self):
        return [
            (30, self.insert), (35, self.update), (10, self.replace), (10, self.delete), (4, self.insert_unfit),
            (4, self.transaction), (3, self.aborted), (2, self.update_many),
        ]  # fmt: skip

    def trade(self):
        self.number += 1
        return as_document(trade(self.rng, self.number))

    def pick(self):
        return self.rng.choice(self.fitting) if self.fitting else None

    def change(self):
        rng = self.rng
        return rng.choice((
            {"$set": {"price": rng.randrange(1, 90_000), "details.lag": rng.randrange(900)}},
            {"$inc": {"shares": 1}},
            {"$set": {"details.system": "moved 🚚", "note": "a field that nobody declared"}},
            {"$push": {"details.asks": {"price": rng.randrange(100) + 0.25, "shares": 1}}},
            {"$set": {"details.bids": []}},
        ))  # fmt: skip

    # ---- operations ----

    def insert(self):
        documents = [self.trade() for _ in range(self.rng.randrange(1, 6))]
        self.collection.insert_many(documents)
        self.fitting += [document["_id"] for document in documents]

    def update(self):
        self.collection.update_one({"_id": self.pick()}, self.change())

    def update_many(self):
        self.collection.update_many({"_id": {"$in": [self.pick() for _ in range(20)]}}, self.change())

    def replace(self):
        self.collection.replace_one({"_id": self.pick()}, self.trade())

    def delete(self):
        identity = self.pick()
        self.collection.delete_one({"_id": identity})
        if identity is not None:
            self.fitting.remove(identity)

    def insert_unfit(self):
        document = spoiled(self.trade(), self.n_spoiled)
        document["_id"] = bson.ObjectId()
        self.n_spoiled += 1
        self.unfit.add(str(document["_id"]))
        self.collection.insert_one(document)

    def transaction(self):
        documents = [self.trade() for _ in range(3)]
        with self.client.start_session() as session, session.start_transaction():
            self.collection.insert_many(documents, session=session)
            self.collection.update_one({"_id": documents[0]["_id"]}, self.change(), session=session)
            self.collection.update_one({"_id": self.pick()}, self.change(), session=session)
        self.fitting += [document["_id"] for document in documents]

    def aborted(self):
        with self.client.start_session() as session:
            session.start_transaction()
            self.collection.insert_one(self.trade(), session=session)
            self.collection.delete_one({"_id": self.pick()}, session=session)
            session.abort_transaction()
