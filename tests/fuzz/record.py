"""Records replication streams of real servers as corpora of the fuzz targets: pgoutput, copy_data, spool; and values as the
servers' send functions write them: wire.

    $LEAT_PYTHON tests/fuzz/record.py      (of deploy/local/install --paths)

One server of each version is started, asked for everything that pgoutput can send in it, and read with each protocol
version it speaks. Of each kind of message the shortest that differ in length are kept; tests/corpus/ holds what was
recorded last. Positions, times and transaction numbers differ with each run; nothing compares them."""

import shutil
import struct
import sys
import tempfile
from pathlib import Path

from psycopg import pq

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "deploy/local"), str(CHECKOUT / "tests/e2e")]

from bank import wait  # noqa: E402
from cluster import MAJORS, Cluster, Template  # noqa: E402
from leatstack import postgres  # noqa: E402

CORPUS = CHECKOUT / "tests/corpus"
KEPT_OF_A_KIND = 2
STREAM_BYTES = 4000  # of each version's stream, as it came
MESSAGE_MAX_BYTES = 1500
SETTINGS = {"logical_decoding_work_mem": "64kB", "max_prepared_transactions": "5"}

SETUP = """\
create type mood as enum ('sad', 'ok');
create domain cents as numeric(10, 2);
create table t (id int primary key, m mood, c cents, big text, a int[], w timestamptz);
create table other (id int primary key);
create table whole (id int, v text);
alter table whole replica identity full;
create publication p for table t, other, whole;
"""

PLAIN = """\
begin; insert into t values (1, 'sad', 1.5, null, '{1,2}', now()), (2, null, null, '', null, null); commit;
update t set big = (select string_agg(md5(i::text), '') from generate_series(1, 200) i) where id = 1;
update t set m = 'ok' where id = 1;
update t set id = 3 where id = 2;
delete from t where id = 3;
insert into whole values (1, 'é'), (1, 'é');
update whole set v = null;
delete from whole;
truncate t, other restart identity cascade;
alter table other add column "Odd 'name'" text default 'x';
insert into other values (1, 'y');
"""

MESSAGES = """\
select pg_logical_emit_message(false, 'plain', 'hi');
begin; select pg_logical_emit_message(true, 'inside', 'hi'); insert into other values (2); commit;
"""

ORIGIN = """\
select pg_replication_origin_create('elsewhere');
select pg_replication_origin_session_setup('elsewhere');
begin; select pg_replication_origin_xact_setup('0/1234', now()); insert into other values (3); commit;
select pg_replication_origin_session_reset();
"""

LARGE = "insert into t select i, 'ok', i, repeat('x', 100), null, now() from generate_series({0}, {0} + 900) i;"
STREAMED = "\n".join((
    "begin;", LARGE.format(1000), "savepoint a;", LARGE.format(2000), "rollback to savepoint a;",
    "truncate other;", "alter table t add column later int;", LARGE.format(3000).replace("now()", "now(), 7"), "commit;",
    "begin;", LARGE.format(4000).replace("now()", "now(), 8"), "rollback;",
))  # fmt: skip

PREPARED = "\n".join((
    "begin; insert into other values (10); prepare transaction 'small'; commit prepared 'small';",
    "begin; insert into other values (11); prepare transaction 'gone'; rollback prepared 'gone';",
    "begin;", LARGE.format(5000).replace("now()", "now(), 9"), "prepare transaction 'large'; commit prepared 'large';",
))  # fmt: skip


# In the order of the kinds in capture/pg/wire_fuzz.c.
VALUES = (
    ("boolean", ["t", "f"]), ("smallint", ["-32768"]), ("integer", ["1", "-2147483648"]), ("bigint", ["9223372036854775807", "-1"]),
    ("oid", ["4294967295"]), ("real", ["0.1", "-1e20", "NaN"]), ("double precision", ["0.1", "5e-324", "-Infinity", "1e15"]),
    ("numeric", ["0", "1.50", "-0.0001", "100", "12345678901234567890.5", "1e40", "1e-40", "NaN", "99999999999999999999"]),
    ("numeric(10, 2)", ["1234.50", "-99999999.99", "NaN"]), ("text", ["", "h\u00e9"]), ('"char"', ["", "a"]),
    ("bytea", ["", r"\x00ff10"]), ("uuid", ["12345678-9abc-def0-1234-567812345678"]), ("jsonb", ['{"a": [1, null]}']),
    ("date", ["2024-02-29", "0044-03-15 BC", "5874897-12-31", "infinity"]), ("time", ["00:00:01.5", "24:00"]),
    ("timetz", ["12:00:00.12+02", "01:02:03-01:02:03", "24:00+00"]),
    ("timestamp", ["2024-02-29 12:34:56.12", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59.999999", "-infinity"]),
    ("timestamptz", ["2024-02-29 12:34:56.12+00", "4714-11-24 00:00:00+00 BC", "12345-06-07 00:00:00+00", "infinity"]),
    ("interval", ["1 year -2 mons +3 days 04:05:06.70", "-1 days +02:03:00", "178000000 years", "-00:00:00.5"]),
    ("timestamp(3)", ["1969-12-31 23:59:59.999"]), ("timestamptz(3)", ["2024-02-29 12:34:56.12+00"]), ("bit(1)", ["1"]),
    ("varbit", ["", "101", "0000000001"]), ("hstore", ["", r'"q\"\\"=>"=>, ", "b"=>NULL']), ("ltree", ["a.b"]),
    ("integer[]", ["{}", "{1,NULL,-3}", "[0:1]={4,5}", "{{1,2},{3,4}}"]), ("text[]", [r'{"",a,"null",NULL,"a,b","a\"b","a\\b"}']),
    ("numeric[]", ["{1.50,NULL}", "{NaN}"]), ("bytea[]", [r'{"\\x00ff",NULL}']), ("timestamptz[]", ['{"2024-02-29 00:00+00"}']),
    ("double precision[]", ["{0.1,NaN}"]), ("hstore[]", [r'{"\"a\"=>\"1\""}']),
)  # fmt: skip
BINARY_FROM = 14


def sent_values(connection):
    """{name: the byte that chooses the type, and what its send function writes}"""
    for name in ("hstore", "ltree"):
        connection.execute(f"create extension if not exists {name}")
    found = {}
    for kind, (name, values) in enumerate(VALUES):
        send = connection.execute("select typsend::text from pg_type where oid = to_regtype(%s)", (name,)).fetchone()[0]
        for place, value in enumerate(values):
            sent = connection.execute(f"select {send}(%s::{name})", (value,)).fetchone()[0]
            found[f"{kind:02}_{place}"] = bytes([kind]) + sent
    return found


def run(connection, script):
    """Statement by statement: some begin and end transactions."""
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


def protocols(major):
    """(number, what else is asked for)"""
    number = min(max(int(major) - 12, 1), 4)
    asked = {1: [None], 2: ["on", "binary"], 3: ["on", "binary"], 4: ["on", "parallel", "binary"]}[number]
    return [(number, value) for value in asked]


def read_stream(cluster, slot, number, streaming):
    """What stands in the CopyData messages, until the server has nothing more to say."""
    with cluster.connect() as connection:
        target = connection.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()[0]
    conninfo = (
        f"host=127.0.0.1 port={cluster.port} user={postgres.USER} password={postgres.PASSWORD} dbname=postgres"
        " replication=database"
    )
    connection = pq.PGconn.connect(conninfo.encode())
    options = f"proto_version '{number}', publication_names 'p'"
    if number >= 2:
        options += f", messages 'true', streaming '{'on' if streaming == 'binary' else streaming}'"
    if streaming == "binary":
        options += ", binary 'true'"
    if number >= 3:
        options += ", two_phase 'on'"
    result = connection.exec_(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ({options})'.encode())
    assert result.status == pq.ExecStatus.COPY_BOTH, connection.error_message
    found = []

    def drained():
        connection.consume_input()
        while True:
            size, data = connection.get_copy_data(1)
            assert size >= 0, connection.error_message
            if size == 0:
                return False
            found.append(bytes(data))
            if data[:1] == b"k" and struct.unpack(">Q", data[1:9])[0] >= target:
                return True

    wait.until(drained, 60, "the end of the stream")
    connection.finish()
    return found


def record(major, folder, template, clusters):
    """[(version and protocol, CopyData contents)] of one server, and {name: value}."""
    cluster = Cluster(major, folder, f"server-{major}", clusters)
    template.copy(major, cluster.data)
    cluster.set(**SETTINGS).start()
    streams, values = [], {}
    with cluster.connect() as connection:
        run(connection, SETUP)
        for number, streaming in protocols(major):
            two_phase = ", false, true" if number >= 3 else ""
            slot = f"s_{streaming or 'whole'}"
            connection.execute(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput'{two_phase})")
        run(connection, PLAIN + ORIGIN + (MESSAGES if int(major) >= 14 else "") + STREAMED)
        if int(major) >= 15:
            run(connection, PREPARED)
        for number, streaming in protocols(major):
            label = f"{major}_v{number}" + (f"_{streaming}" if streaming in ("parallel", "binary") else "")
            streams.append((label, read_stream(cluster, f"s_{streaming or 'whole'}", number, streaming)))
        if int(major) >= BINARY_FROM:
            values = sent_values(connection)
    cluster.stop()
    return streams, values


def shortest(messages):
    """Of each kind of message: type and, inside a stream, that."""
    kinds = {}
    for kind, message in messages:
        kinds.setdefault(kind, {}).setdefault(len(message), message)
    for kind, by_length in sorted(kinds.items()):
        for place, length in enumerate(sorted(by_length)[:KEPT_OF_A_KIND], 1):
            if length <= MESSAGE_MAX_BYTES:
                yield f"{kind}_{place}", by_length[length]


NAMES = {
    "B": "begin", "C": "commit", "O": "origin", "R": "relation", "Y": "type", "I": "insert", "U": "update", "D": "delete",
    "T": "truncate", "M": "message", "S": "stream_start", "E": "stream_stop", "c": "stream_commit", "A": "stream_abort",
    "b": "begin_prepare", "P": "prepare", "K": "commit_prepared", "r": "rollback_prepared", "p": "stream_prepare",
}  # fmt: skip


def named(contents):
    in_stream = False
    for data in contents:
        if data[:1] != b"w":
            continue
        message = data[25:]
        kind = chr(message[0])
        in_stream = kind == "S" or (in_stream and kind != "E")
        yield ("streamed_" if in_stream and kind != "S" else "") + NAMES[kind], message


def spooled(contents):
    """As spool.c writes it."""
    for kind, message in named(contents):
        if kind.startswith("streamed_") and len(message) <= MESSAGE_MAX_BYTES:
            plain = message[:1] + message[5:]
            yield struct.pack(">IQ", len(plain), 1) + message[1:5] + plain + struct.pack(">I", len(plain))


def main():
    recorded = {"pgoutput": {}, "copy_data": {}, "spool": {}}
    sent = {}
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder, clusters = Path(name), []
        try:
            template = Template(folder / "templates")
            for major in MAJORS:
                streams, values = record(major, folder, template, clusters)
                for name, value in values.items():  # versions write alike, but for the oids of extensions in arrays
                    assert len(sent.setdefault(name, value)) == len(value), name
                for label, contents in streams:
                    for kind, message in shortest(named(contents)):
                        recorded["pgoutput"][f"{label}_{kind}"] = message
                    frames = b"".join(b"d" + struct.pack(">I", 4 + len(data)) + data for data in contents)
                    recorded["copy_data"][f"{label}_stream"] = frames[:STREAM_BYTES]
                    recorded["copy_data"][f"{label}_keepalive"] = next(data for data in contents if data[:1] == b"k")
                    if messages := list(spooled(contents)):
                        recorded["spool"][label] = b"".join(messages)[:STREAM_BYTES]
        finally:
            for cluster in clusters:
                cluster.kill()
    shutil.rmtree(CORPUS / "wire", ignore_errors=True)
    (CORPUS / "wire").mkdir()
    for name, value in sent.items():
        (CORPUS / "wire" / name).write_bytes(value)
    print(f"wire: {len(sent)} files")
    for module, files in recorded.items():
        seen = set()
        (CORPUS / module).mkdir(exist_ok=True)
        for old in (CORPUS / module).glob("[0-9]*_v*"):
            old.unlink()
        for name, content in sorted(files.items()):
            kind = (name.split("_", 2)[-1], len(content)) if module == "pgoutput" else name
            if kind not in seen:
                (CORPUS / module / name).write_bytes(content)
            seen.add(kind)
        print(f"{module}: {len(list((CORPUS / module).iterdir()))} files")


if __name__ == "__main__":
    main()
