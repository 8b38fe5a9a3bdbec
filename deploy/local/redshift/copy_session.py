"""COPY inside a session: columns from the catalog, rows from the load, errors into the views."""
import datetime
import time

from . import wire
from .column import Column
from .errors import Refusal, internal
from .load import Load, error_from_upstream
from .upstream import UpstreamError, quote_literal
from .vocabulary import SCHEMA, quote

MAX_COPY_MESSAGE = 1 << 20
KINDS = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
         "bool": "boolean", "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
         "time": "time without time zone", "timetz": "time with time zone", "date": "date", "numeric": "numeric",
         "bpchar": "character", "text": "character varying", "super": "super", "varbyte": "binary varying",
         "varchar": "character varying"}
SHORT_KINDS = {"character varying": "varchar", "character": "char", "integer": "int4", "bigint": "int8",
               "smallint": "int2", "timestamp without time zone": "timestamp", "double precision": "float8",
               "timestamp with time zone": "timestamptz", "real": "float4", "boolean": "bool",
               "binary varying": "varbyte"}


def _column(session, row):
    name, kind, typmod, not_null, has_default, identity = row
    kind = KINDS.get(kind)
    typmod = int(typmod)
    size = scale = None
    if kind == "numeric":
        size, scale = (((typmod - 4) >> 16) & 65535, (typmod - 4) & 2047) if typmod > 0 else (38, 0)
    elif kind in ("character varying", "character", "binary varying"):
        size = typmod - 4 if typmod > 0 else (1024000 if kind == "binary varying" else 65535)
    return Column(session.server.names.original(name), kind, size, scale, not_null == "t", has_default == "t",
                  identity)


async def _columns(session, spec, target):
    """(table's oid, columns)"""
    rows, error = await session.hidden(
        f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE; SELECT attrelid, attname, typname, atttypmod, attnotnull, atthasdef, "
        f"attidentity FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE attrelid = "
        f"{quote_literal(target)}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum", check=False)
    if error is not None:
        if error.get("C") == "42P01":
            raise Refusal("XX000", f"Cannot COPY into nonexistent table {spec.table[1]}")
        raise session.as_refusal(error)
    return (int(rows[0][0]) if rows else 0), [_column(session, row[1:]) for row in rows]


def _choose(spec, columns):
    """The columns that the fields fill, in the order of the fields."""
    by_name = {column.name: column for column in columns}
    identities = [column for column in columns if column.identity == "a"]
    if spec.columns is None:
        if spec.has("explicit_ids"):
            if not identities:
                raise Refusal("0A000", "EXPLICIT_IDS needs a table with an IDENTITY column")
            return columns
        return [column for column in columns if column.identity != "a"]
    chosen = []
    for name in spec.columns:
        if name not in by_name:
            raise Refusal("42703", f'column "{name}" of relation "{spec.table[1]}" does not exist')
        if by_name[name] in chosen:
            raise Refusal("42701", f'column "{name}" specified more than once')
        chosen.append(by_name[name])
    named = [column for column in chosen if column.identity == "a"]
    if named and not spec.has("explicit_ids"):
        raise Refusal("0A000", f'cannot set an identity column "{named[0].name}" to a value without EXPLICIT_IDS')
    if spec.has("explicit_ids") and not named:
        raise Refusal("0A000", "EXPLICIT_IDS needs an IDENTITY column in the column list")
    for column in columns:
        if column.not_null and not column.has_default and not column.identity and column not in chosen:
            raise Refusal("XX000", f"Column {column.name} is NOT NULL, has no default and is not in the column list")
    return chosen


async def run_copy(session, step, slow_down):
    """False when the statement failed; the error has been raised or written by then."""
    started = time.perf_counter()
    began = datetime.datetime.now(datetime.timezone.utc)
    session.cancelled = False
    own = session.status == b"I"
    if session.status == b"E":
        raise Refusal("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    try:
        await session.prepare_for([step])
        if own:
            await session.hidden("BEGIN")
        count = await _copy(session, step, began, slow_down)
        if own:
            await session.hidden("COMMIT")
    except Refusal as refusal:
        if own and session.status != b"I":
            await session.hidden("ROLLBACK", check=False)
        session.server.journal.add(session, step.sql, "error", (time.perf_counter() - started) * 1000,
                                   sqlstate=refusal.sqlstate, message=refusal.message)
        raise
    session.server.journal.add(session, step.sql, "ok", (time.perf_counter() - started) * 1000, tag="COPY",
                               message=f"{count} rows")
    session.client.write(wire.notice(f"Load into table '{step.payload.table[1]}' completed, {count} record(s) loaded "
                                     "successfully.") + wire.command_complete("COPY"))
    return True


async def _copy(session, step, began, slow_down):
    spec = step.payload
    names = session.server.names
    target = (quote(spec.table[0]) + "." if spec.table[0] else "") + names.quoted(spec.table[1])
    if spec.table[0] == SCHEMA:
        raise Refusal("3F000", f'schema "{SCHEMA}" does not exist')
    table_id, columns = await _columns(session, spec, target)
    chosen = _choose(spec, columns)
    if spec.format == "json" and spec.get("format")[1] == "noshred" and [c.kind for c in chosen] != ["super"]:
        raise Refusal("XX000", "JSON 'noshred' needs one SUPER column")
    load = Load(spec, chosen, session.server.options, session.server.switches, slow_down)
    load.start()
    sql = load.form.copy_sql(target, [names.quoted(column.name) for column in chosen])
    count, upstream_error = await _stream(session, load, sql)
    if load.begun:
        session.last_copy_id = session.server.next_query_id()
        session.last_copy_count = 0
    if session.cancelled:
        raise Refusal("57014", "Query cancelled on user's request")
    if upstream_error is not None and not load.failed():
        if upstream_error.get("C", "").startswith(("57", "25", "42", "40", "53")):
            raise session.as_refusal(upstream_error)
        found = await load.look_again(session.server.options, session.server.switches)
        load.errors.extend(found or [error_from_upstream(load, upstream_error)])
        await _record(session, load, table_id, began, "aborted")
        raise _failed(session, spec)
    if load.failure is not None:
        raise load.failure
    if load.failed():
        await _record(session, load, table_id, began, "aborted")
        raise _failed(session, spec)
    await _record(session, load, table_id, began, "completed")
    if spec.has("noload"):
        count = sum(report.rows for report in load.files)
    else:
        session.last_copy_count = count
    return count


def _failed(session, spec):
    view = "stl_load_errors" if session.server.switches["copy_error_view"] == "stl" else "sys_load_error_detail"
    return Refusal("XX000", f"Load into table '{spec.table[1]}' failed.  Check '{view}' system table for details.")


async def _stream(session, load, sql):
    """Feeds PostgreSQL; (rows, error fields or None). The upstream COPY begins with the first chunk."""
    upstream, copying, error = session.upstream, False, None
    try:
        async for chunk in load.chunks():
            if not copying:
                error = await _begin(session, sql)
                if error is not None:
                    break
                copying = True
            view = memoryview(chunk)
            for at in range(0, len(chunk), MAX_COPY_MESSAGE):
                part = view[at:at + MAX_COPY_MESSAGE]
                upstream.write(b"d" + (len(part) + 4).to_bytes(4, "big"))
                upstream.write(part)
                await upstream.drain()
            if session.cancelled or upstream.closed or len(upstream.buf) > upstream.pos:
                break
        else:
            if not copying:
                return 0, None
            failed = load.failed()
            upstream.write(wire.message(b"f", wire.cstring("load failed")) if failed else wire.message(b"c"))
            return await _end(session)
    except BaseException:
        session.server.spawn(load.stop())
        raise
    stopping = session.server.spawn(load.stop())
    if copying:
        upstream.write(wire.message(b"f", wire.cstring("load stopped")))
        _, error = await _end(session)
    await stopping
    return 0, error or {"C": "XX000", "M": "load stopped"}


async def _begin(session, sql):
    session.upstream.write(wire.query(sql))
    error = None
    while True:
        kind, raw = await session.upstream.message()
        if kind == 71:  # G
            return None
        if kind == 69:
            error = wire.error_fields(raw[5:])
        elif kind == 90:
            session.status = raw[5:6]
            return error or {"C": "XX000", "M": "COPY did not start"}


async def _end(session):
    count, error = 0, None
    while True:
        kind, raw = await session.upstream.message()
        if kind == 67:
            count = int(raw[5:-1].split()[-1])
        elif kind == 69:
            error = wire.error_fields(raw[5:])
            if error.get("S") == "FATAL":
                session.client.write(raw)
                raise wire.Closed
        elif kind == 90:
            session.status = raw[5:6]
            return count, error


async def _record(session, load, table_id, began, status):
    """Load history and errors, written by the helper connection: they survive the client's ROLLBACK."""
    start = quote_literal(began.strftime("%Y-%m-%d %H:%M:%S.%f"))
    end = quote_literal(datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"))
    spec, query, pid = load.spec, session.last_copy_id, session.pid
    database = quote_literal(session.server.options.upstream_database)
    table = quote_literal(spec.table[1])
    statements = []
    for report in load.files:
        statements.append(f"INSERT INTO {SCHEMA}.load_file VALUES (100, {query}, {pid}, {pid}, {table}, "
                          f"{quote_literal(spec.source)}, {quote_literal(report.url)}, {start}, {end}, {report.rows}, "
                          f"{report.bytes}, {report.errors}, '{status}')")
    for error in load.errors[:1000]:
        column = error.column
        size = (f"{column.size}, {column.scale}" if column.scale else str(column.size or "")) if column else ""
        kind = SHORT_KINDS.get(column.kind, column.kind) if column else ""
        values = [quote_literal(error.url), error.line, quote_literal(column.name if column else ""),
                  quote_literal(kind), quote_literal(size), error.position,
                  quote_literal(error.raw.decode("utf-8", "replace").rstrip("\n")[:1024]),
                  quote_literal(error.value[:1024]), error.code, quote_literal(error.reason)]
        statements.append(f"INSERT INTO {SCHEMA}.load_error VALUES (100, {query}, {pid}, {pid}, {database}, {table_id}, "
                          f"{start}, {', '.join(str(value) for value in values)})")
    if not statements:
        return
    try:
        await session.server.helper.query("; ".join(statements))
    except (UpstreamError, OSError, wire.Closed) as error:
        raise internal(f"could not write the load history: {error}") from error
