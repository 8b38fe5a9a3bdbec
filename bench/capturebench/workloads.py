"""The backlogs that are drained. Each makes its tables, fills them with what is there before the slot, then loads what
the slot has to hold. Sizes are those of --scale 1."""

BANK_TABLE = """create table transactions (id bigint primary key, account_no text, date date, details text,
    withdrawal numeric(18,2), deposit numeric(18,2), balance numeric(18,2))"""
BANK_ROWS = """insert into {table}
    select i, (409000611074 + i %% 10)::text || '''', date '2015-01-01' + (i %% 1800)::int,
           'TRF FROM Indiaforensic SERVICES ' || i, case when i %% 3 = 0 then (i %% 100000) / 100.0 end,
           case when i %% 3 <> 0 then (i %% 70000) / 100.0 end, (i %% 9999999) / 100.0
    from generate_series(%s::bigint, %s::bigint) i"""
TEXT_ROWS = """insert into {table} select i, left(repeat(md5(i::text), %s), %s)
    from generate_series(%s::bigint, %s::bigint) i"""
MD5_CHARS = 32
ROWS_OF_A_TRANSACTION = 1000
FENCE_ID = 10**12


def ranges(first, n, size):
    """(first, last) of each transaction's rows."""
    return [(low, min(low + size, first + n) - 1) for low in range(first, first + n, size)]


def scaled(n, scale, at_least=10):
    return max(at_least, round(n * scale))


def text_rows(source, table, width, first, last):
    source.sql(TEXT_ROWS.format(table=table), (width // MD5_CHARS + 1, width, first, last))


class Workload:
    """`tables` are published; load() returns how many changes of theirs it made; fence() makes one more, so that there
    is a position inside the published data."""

    tables = ("public.transactions",)
    name = title = ""

    def __init__(self, scale):
        self.scale = scale

    def make(self, source):
        """Tables, and the rows before the slot; returns their number."""
        source.sql(BANK_TABLE)
        return 0

    def load(self, source):
        raise NotImplementedError

    def fence(self, source, n):
        source.sql(BANK_ROWS.format(table="transactions"), (FENCE_ID + n, FENCE_ID + n))


class Narrow(Workload):
    name, title, rows = "narrow", "the bank's inserts, 1,000 a transaction", 2_000_000

    def load(self, source):
        n = scaled(self.rows, self.scale)
        for bounds in ranges(1, n, ROWS_OF_A_TRANSACTION):
            source.sql(BANK_ROWS.format(table="transactions"), bounds)
        return n


class Tpcb(Workload):
    name, title = "tpcb", "pgbench TPC-B: three updates and one insert a transaction"
    tables = tuple(f"public.pgbench_{name}" for name in ("accounts", "branches", "tellers", "history"))
    transactions, branches, clients = 500_000, 20, 4

    def make(self, source):
        """The history gets a key, so that every peer can name its rows."""
        branches = scaled(self.branches, self.scale, at_least=1)
        source.program("pgbench", "-i", "-q", "-s", str(branches))
        source.sql("alter table pgbench_history add hid bigint generated always as identity primary key")
        return branches * (100_000 + 1 + 10)

    def load(self, source):
        each = scaled(self.transactions // self.clients, self.scale)
        source.program("pgbench", "-n", "-c", str(self.clients), "-t", str(each), "-M", "prepared")
        return each * self.clients * 4

    def fence(self, source, n):
        source.sql("insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, 1, %s::int, now())", (n,))


class Texts(Workload):
    """Tables of a key and a text of one width."""

    tables, width, rows, of_a_transaction = ("public.texts",), 1600, 300_000, ROWS_OF_A_TRANSACTION

    def make(self, source):
        for table in self.tables:
            source.sql(f"create table {table} (id bigint primary key, body text)")
            source.sql(f"alter table {table} alter body set storage external")
        return 0

    def load(self, source):
        """The tables take turns."""
        n = scaled(self.rows, self.scale)
        for i, (first, last) in enumerate(ranges(1, n, self.of_a_transaction)):
            text_rows(source, self.tables[i % len(self.tables)], self.width, first, last)
        return n

    def fence(self, source, n):
        text_rows(source, self.tables[0], self.width, FENCE_ID + n, FENCE_ID + n)


class Wide(Texts):
    name, title = "wide", "inserts of 1.6 kB, 1,000 a transaction"


class Huge(Texts):
    name, title, rows = "huge", "one transaction of 2 GB in rows of 1.6 kB", (2 << 30) // 1600

    def load(self, source):
        n = scaled(self.rows, self.scale)
        text_rows(source, self.tables[0], self.width, 1, n)
        return n


class Toast(Workload):
    name, title = "toast", "updates of rows with an unchanged TOASTed text of 8 kB"
    tables, updates, rows, width = ("public.documents",), 300_000, 20_000, 8192

    def make(self, source):
        n = scaled(self.rows, self.scale)
        source.sql("create table documents (id bigint primary key, body text, n bigint not null default 0)")
        source.sql("alter table documents alter body set storage external")
        for first, last in ranges(1, n, ROWS_OF_A_TRANSACTION):
            source.sql(
                "insert into documents select i, left(repeat(md5(i::text), 300), %s), 0"
                " from generate_series(%s::bigint, %s::bigint) i", (self.width, first, last),
            )  # fmt: skip
        return n

    def load(self, source):
        n, rounds = scaled(self.rows, self.scale), self.updates // self.rows
        for _ in range(rounds):
            for bounds in ranges(1, n, ROWS_OF_A_TRANSACTION):
                source.sql("update documents set n = n + 1 where id between %s and %s", bounds)
        return n * rounds

    def fence(self, source, n):
        source.sql("update documents set n = n + 1 where id = %s", (n + 1,))


class Filtered(Workload):
    name, title = "filtered", "the bank's inserts, nine of ten into a table outside the publication"
    rows = 2_000_000

    def make(self, source):
        source.sql(BANK_TABLE)
        source.sql("create table others (like transactions including all)")
        return 0

    def load(self, source):
        n = scaled(self.rows, self.scale, at_least=20)
        published = 0
        for i, (first, last) in enumerate(ranges(1, n, max(1, min(ROWS_OF_A_TRANSACTION, n // 20)))):
            inside = i % 10 == 9
            source.sql(BANK_ROWS.format(table="transactions" if inside else "others"), (first, last))
            published += (last - first + 1) if inside else 0
        return published


DRAINS = (Narrow, Tpcb, Wide, Toast, Huge, Filtered)


# ---- the curves: one property at a time ----


class Curve(Texts):
    """200,000 rows of 100 bytes, 100 rows a transaction, one table, unless said otherwise."""

    rows, width, of_a_transaction = 200_000, 100, 100

    def __init__(self, scale, name, x, **properties):
        super().__init__(scale)
        self.name, self.title = name, f"a point of a curve, at {x:,}"
        for key, value in properties.items():
            setattr(self, key, value)


def row_width(scale, width):
    return Curve(scale, f"width{width}", width, width=width, rows=min(200_000, 200_000_000 // width))


def transaction_size(scale, rows):
    return Curve(scale, f"transaction{rows}", rows, of_a_transaction=rows, rows=min(200_000, 50_000 * rows))


def number_of_tables(scale, n):
    return Curve(scale, f"tables{n}", n, tables=tuple(f"public.t{i}" for i in range(n)))


CURVES = {
    "row-width": ("bytes of text in a row", row_width, (20, 100, 400, 1600, 6400)),
    "transaction-size": ("rows in a transaction", transaction_size, (1, 10, 100, 1000, 10_000)),
    "tables": ("tables, written in turns", number_of_tables, (1, 4, 16, 64, 256)),
}
QUICK_POINTS = slice(0, None, 2)
