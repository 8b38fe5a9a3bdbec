"""Puts the helper schema (types, functions, system views) into the upstream database and keeps it current."""
import hashlib
import os

from .upstream import UpstreamError, quote_literal

FOLDER = os.path.dirname(os.path.abspath(__file__))
DROP_VIEWS = """DO $$ DECLARE v text; BEGIN
    FOR v IN SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'standin' AND c.relkind = 'v' LOOP
        EXECUTE 'DROP VIEW IF EXISTS ' || v || ' CASCADE';
    END LOOP; END $$;"""


def _read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        text = file.read()
    return text, hashlib.sha256(text.encode()).hexdigest()


async def install(helper):
    """Raises SystemExit with one clear line when the upstream database was made by another version."""
    base, base_digest = _read("base.sql")
    rows = await helper.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'standin'")
    if rows[0][0] == "0":
        await _transaction(helper, base, "base", base_digest, "SET allow_system_table_mods = on;")
    installed = dict(await helper.query("SELECT part, digest FROM standin.installed"))
    if installed.get("base") != base_digest:
        raise SystemExit("the upstream database holds the helper schema of another version of the stand-in: "
                         "reset its data folder (deploy/local/stack reset) and start again")
    functions, functions_digest = _read("functions.sql")
    views, views_digest = _read("views.sql")
    if installed.get("functions") != functions_digest:
        await _transaction(helper, DROP_VIEWS + functions, "functions", functions_digest,
                           "SET allow_system_table_mods = on; DELETE FROM standin.installed WHERE part = 'views';")
        installed.pop("views", None)
    if installed.get("views") != views_digest:
        await _transaction(helper, DROP_VIEWS + views, "views", views_digest)


async def _transaction(helper, sql, part, digest, before=""):
    note = (f"INSERT INTO standin.installed VALUES ({quote_literal(part)}, {quote_literal(digest)}) "
            "ON CONFLICT (part) DO UPDATE SET digest = excluded.digest;")
    try:
        await helper.query(f"BEGIN; {before} {sql}; {note} COMMIT")
    except UpstreamError as error:
        await helper.query("ROLLBACK")
        raise SystemExit(f"could not install the helper schema ({part}.sql): {error}") from error


async def type_oids(helper):
    """{upstream oid: Redshift oid} for result descriptions."""
    rows = await helper.query("SELECT 'standin.varchar'::regtype::oid, 'standin.super'::regtype::oid, "
                              "'standin.varbyte'::regtype::oid")
    varchar, super_, varbyte = (int(value) for value in rows[0])
    return {varchar: 1043, super_: 4000, varbyte: 6551}
