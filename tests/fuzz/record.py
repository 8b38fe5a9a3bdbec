"""Records replication streams of real servers as corpora of the fuzz targets: pgoutput, copy_data, spool.

    $LEAT_PYTHON tests/fuzz/record.py      (of deploy/local/install --paths)

One server of each version is started, asked for everything that pgoutput can send in it, and read with each protocol
version it speaks. Of each kind of message the shortest that differ in length are kept; tests/corpus/ holds what was
recorded last. Positions, times and transaction numbers differ with each run; nothing compares them."""

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


def run(connection, script):
    """Statement by statement: some begin and end transactions."""
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


def protocols(major):
    """(number, what else is asked for)"""
    number = min(max(int(major) - 12, 1), 4)
    streaming = {1: [None], 2: ["on"], 3: ["on"], 4: ["on", "parallel"]}[number]
    return [(number, value) for value in streaming]


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
        options += f", messages 'true', streaming '{streaming}'"
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
    """[(protocol, CopyData contents)] of one version."""
    cluster = Cluster(major, folder, f"server-{major}", clusters)
    template.copy(major, cluster.data)
    cluster.set(**SETTINGS).start()
    streams = []
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
            streams.append((number, read_stream(cluster, f"s_{streaming or 'whole'}", number, streaming)))
    cluster.stop()
    return streams


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
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder, clusters = Path(name), []
        try:
            template = Template(folder / "templates")
            for major in MAJORS:
                for number, contents in record(major, folder, template, clusters):
                    label = f"{major}_v{number}"
                    if f"{label}_stream" in recorded["copy_data"]:
                        label += "_parallel"
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
