"""The rules that the stand-in enforces, by their numbers: first the statements that must fail, then the behaviours."""
import re

import psycopg
import pytest

SYNTAX, NOT_SUPPORTED = "42601", "0A000"
TABLES = """
    CREATE TABLE t (id bigint NOT NULL PRIMARY KEY DISTKEY, v varchar(20), n integer, j super, d varchar(20) DEFAULT 'x')
        SORTKEY(id);
    CREATE TABLE s (id bigint NOT NULL, v varchar(20), n integer, j super, op char(1));
    CREATE TABLE narrow (id bigint);
    CREATE TABLE ident (id bigint IDENTITY(1,1), v varchar(20));
"""
MERGE_TAIL = "WHEN NOT MATCHED THEN INSERT VALUES (s.id)"
UPDATE_TAIL = "WHEN MATCHED THEN UPDATE SET v = s.v"
COPY_URL = "COPY t FROM 's3://b/k' IAM_ROLE default"

# (rule, what it is, statement, SQLSTATE, part of the message)
REFUSED = [
    (1, "merge-alias-as", f"MERGE INTO t AS x USING s ON x.id = s.id WHEN MATCHED THEN DELETE {MERGE_TAIL}", SYNTAX, ""),
    (1, "merge-alias-bare", f"MERGE INTO t x USING s ON x.id = s.id WHEN MATCHED THEN DELETE {MERGE_TAIL}", SYNTAX, ""),
    (2, "matched-twice", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.op = 'd' THEN DELETE "
        f"{UPDATE_TAIL} {MERGE_TAIL}", SYNTAX, ""),
    (2, "matched-and", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.n > 1 THEN DELETE {MERGE_TAIL}", SYNTAX, ""),
    (2, "not-matched-and", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED AND s.n > 1 THEN INSERT VALUES (s.id)", SYNTAX, ""),
    (3, "only-matched", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", SYNTAX, ""),
    (3, "only-not-matched", f"MERGE INTO t USING s ON t.id = s.id {MERGE_TAIL}", SYNTAX, ""),
    (4, "do-nothing", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING {MERGE_TAIL}", SYNTAX, ""),
    (4, "by-source", "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE", SYNTAX, ""),
    (5, "source-is-target", f"MERGE INTO t USING t AS q ON t.id = q.id WHEN MATCHED THEN DELETE {MERGE_TAIL}",
        NOT_SUPPORTED, "Source view/subquery in Merge statement cannot reference target table."),
    (5, "subquery-over-target", "MERGE INTO t USING (SELECT * FROM t) q ON t.id = q.id WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT VALUES (q.id)", NOT_SUPPORTED,
        "Source view/subquery in Merge statement cannot reference target table."),
    (7, "partial-super-set", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.j.a {MERGE_TAIL}",
        NOT_SUPPORTED, "Partial reference of SUPER column is not supported in MERGE statement."),
    (7, "partial-super-index", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.j[0] {MERGE_TAIL}",
        NOT_SUPPORTED, "Partial reference of SUPER column is not supported in MERGE statement."),
    (7, "partial-super-on", f"MERGE INTO t USING s ON t.id = s.j.id WHEN MATCHED THEN DELETE {MERGE_TAIL}",
        NOT_SUPPORTED, "Partial reference of SUPER"),
    (8, "with", f"WITH q AS (SELECT * FROM s) MERGE INTO t USING q ON t.id = q.id WHEN MATCHED THEN DELETE {MERGE_TAIL}",
        SYNTAX, ""),
    (8, "set-qualified", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.v = s.v {MERGE_TAIL}",
        SYNTAX, ""),
    (8, "condition-not-equal", f"MERGE INTO t USING s ON t.id > s.id WHEN MATCHED THEN DELETE {MERGE_TAIL}",
        NOT_SUPPORTED, ""),
    (8, "condition-or", f"MERGE INTO t USING s ON t.id = s.id OR t.n = s.n WHEN MATCHED THEN DELETE {MERGE_TAIL}",
        NOT_SUPPORTED, ""),
    (8, "returning", f"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE {MERGE_TAIL} RETURNING t.id",
        SYNTAX, ""),
    (9, "column-counts", "MERGE INTO t USING narrow ON t.id = narrow.id REMOVE DUPLICATES", NOT_SUPPORTED, ""),
    (9, "where", "MERGE INTO t USING s ON t.id = s.id REMOVE DUPLICATES WHERE s.n > 1", SYNTAX, ""),
    (10, "on-conflict", "INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", SYNTAX, ""),
    (11, "delete-returning", "DELETE FROM t RETURNING id", SYNTAX, ""),
    (11, "insert-returning", "INSERT INTO t (id) VALUES (1) RETURNING id", SYNTAX, ""),
    (12, "delete-alias", "DELETE FROM t x USING s WHERE x.id = s.id", SYNTAX, ""),
    (12, "delete-alias-as", "DELETE FROM t AS x WHERE x.id = 1", SYNTAX, ""),
    (13, "for-update", "SELECT * FROM t FOR UPDATE", NOT_SUPPORTED, ""),
    (13, "for-share", "SELECT * FROM t FOR SHARE", NOT_SUPPORTED, ""),
    (14, "distinct-on", "SELECT DISTINCT ON (id) id FROM t", SYNTAX, ""),
    (14, "filter", "SELECT COUNT(*) FILTER (WHERE n > 1) FROM t", SYNTAX, ""),
    (14, "lateral", "SELECT * FROM t, LATERAL (SELECT 1) q", SYNTAX, ""),
    (14, "is-distinct-from", "SELECT * FROM t WHERE v IS DISTINCT FROM 'a'", SYNTAX, ""),
    (14, "is-not-distinct-from", "SELECT * FROM t WHERE v IS NOT DISTINCT FROM 'a'", SYNTAX, ""),
    (14, "values-table", "SELECT * FROM (VALUES (1), (2)) q", SYNTAX, ""),
    (14, "values-query", "VALUES (1)", SYNTAX, ""),
    (14, "row", "SELECT ROW(1, 2)", SYNTAX, ""),
    (14, "row-comparison", "SELECT * FROM t WHERE (id, n) = (1, 2)", NOT_SUPPORTED, ""),
    (15, "uuid", "CREATE TABLE x (id uuid)", "42704", 'type "uuid" does not exist'),
    (15, "jsonb", "CREATE TABLE x (c jsonb)", "42704", ""),
    (15, "hstore", "CREATE TABLE x (c hstore)", "42704", ""),
    (15, "citext", "CREATE TABLE x (c citext)", "42704", ""),
    (15, "cast-jsonb", "SELECT v::jsonb FROM t", "42704", ""),
    *[(15, kind, f"CREATE TABLE x (c {kind})", NOT_SUPPORTED, 'Column "c" has unsupported type')
      for kind in ("bytea", "json", "money", "inet", "xml", "int[]", "varchar(10)[]", "bit", "point")],
    (16, "serial", "CREATE TABLE x (id serial)", NOT_SUPPORTED, ""),
    (16, "sequence", "CREATE SEQUENCE q", NOT_SUPPORTED, ""),
    (16, "enum", "CREATE TYPE e AS ENUM ('a')", SYNTAX, ""),
    (16, "domain", "CREATE DOMAIN q AS int", NOT_SUPPORTED, ""),
    (16, "extension", "CREATE EXTENSION hstore", NOT_SUPPORTED, ""),
    (16, "trigger", "CREATE TRIGGER q BEFORE INSERT ON t EXECUTE FUNCTION f()", NOT_SUPPORTED, ""),
    (16, "index", "CREATE INDEX i ON t(id)", NOT_SUPPORTED, 'SQL command "CREATE INDEX i ..." not supported on Redshift'),
    (16, "unique-index", "CREATE UNIQUE INDEX i ON t(id)", NOT_SUPPORTED, "not supported on Redshift tables"),
    (17, "check-column", "CREATE TABLE x (a int CHECK (a > 0))", NOT_SUPPORTED,
        "CREATE TABLE CHECK constraint is not supported"),
    (17, "check-table", "CREATE TABLE x (a int, CHECK (a > 0))", NOT_SUPPORTED,
        "CREATE TABLE CHECK constraint is not supported"),
    (18, "savepoint", "SAVEPOINT a", SYNTAX, ""),
    (18, "do", "DO $$ BEGIN END $$", SYNTAX, ""),
    (18, "listen", "LISTEN a", SYNTAX, ""),
    (18, "notify", "NOTIFY a", SYNTAX, ""),
    (18, "prepare-transaction", "PREPARE TRANSACTION 'a'", SYNTAX, ""),
    (18, "advisory-lock", "SELECT pg_advisory_lock(1)", "42883", ""),
    (18, "pg-sleep", "SELECT pg_sleep(1)", "42883", ""),
    (19, "now", "INSERT INTO t (id) SELECT now() FROM s", NOT_SUPPORTED, "Specified types or functions"),
    (19, "current-timestamp", "SELECT id, current_timestamp FROM t", NOT_SUPPORTED, "Specified types or functions"),
    (19, "update-now", "UPDATE t SET v = now() WHERE id = 1", NOT_SUPPORTED, "Specified types or functions"),
    (20, "catalog-join", "SELECT * FROM t, pg_class", NOT_SUPPORTED, "Specified types or functions"),
    (20, "catalog-subquery", "SELECT * FROM t WHERE v IN (SELECT relname FROM pg_class)", NOT_SUPPORTED, "Specified"),
    (20, "catalog-insert", "INSERT INTO t (v) SELECT tablename FROM pg_table_def", NOT_SUPPORTED, "Specified"),
    (21, "two-columns", "ALTER TABLE t ADD a int, ADD b int", SYNTAX, ""),
    (21, "column-list", "ALTER TABLE t ADD COLUMN (a int, b int)", SYNTAX, ""),
    (22, "not-null", "ALTER TABLE t ADD COLUMN a int NOT NULL", NOT_SUPPORTED,
        "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"),
    (23, "add-if-not-exists", "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", SYNTAX, ""),
    (23, "drop-if-exists", "ALTER TABLE t DROP COLUMN IF EXISTS v", SYNTAX, ""),
    (23, "alter-if-exists", "ALTER TABLE IF EXISTS t ADD COLUMN a int", SYNTAX, ""),
    (25, "same-size", "ALTER TABLE t ALTER COLUMN v TYPE varchar(20)", NOT_SUPPORTED,
        'cannot alter column "v" of relation "t", target column size should be different'),
    (26, "int-to-bigint", "ALTER TABLE t ALTER COLUMN n TYPE bigint", NOT_SUPPORTED, ""),
    (26, "key", "ALTER TABLE t ALTER COLUMN id TYPE bigint", NOT_SUPPORTED, ""),
    (26, "default", "ALTER TABLE t ALTER COLUMN d TYPE varchar(99)", NOT_SUPPORTED, ""),
    (27, "drop-not-null", "ALTER TABLE t ALTER COLUMN v DROP NOT NULL", SYNTAX, ""),
    (27, "set-not-null", "ALTER TABLE t ALTER COLUMN v SET NOT NULL", SYNTAX, ""),
    (27, "set-default", "ALTER TABLE t ALTER COLUMN v SET DEFAULT 'x'", SYNTAX, ""),
    (27, "using", "ALTER TABLE t ALTER COLUMN v TYPE varchar(30) USING v", SYNTAX, ""),
    (28, "key-column", "ALTER TABLE t DROP COLUMN id", NOT_SUPPORTED, ""),
    (31, "sortkey-super", "CREATE TABLE x (j super) SORTKEY(j)", NOT_SUPPORTED, ""),
    (31, "distkey-super", "CREATE TABLE x (j super DISTKEY)", NOT_SUPPORTED, ""),
    (31, "distkey-varbyte", "CREATE TABLE x (b varbyte) DISTKEY(b)", NOT_SUPPORTED, ""),
    (31, "two-distkeys", "CREATE TABLE x (a int DISTKEY, b int DISTKEY)", SYNTAX, ""),
    (31, "diststyle-key", "CREATE TABLE x (a int) DISTSTYLE KEY", NOT_SUPPORTED, ""),
    (31, "interleaved", "CREATE TABLE x (a int, b int, c int, d int, e int, f int, g int, h int, i int) "
        "INTERLEAVED SORTKEY(a, b, c, d, e, f, g, h, i)", NOT_SUPPORTED, ""),
    (32, "varchar", "CREATE TABLE x (v varchar(65536))", "22023", ""),
    (32, "decimal", "CREATE TABLE x (v decimal(39,0))", "22023", ""),
    (32, "scale", "CREATE TABLE x (v decimal(38,38))", "22023", ""),
    (32, "varbyte", "CREATE TABLE x (v varbyte(1024001))", "22023", ""),
    (32, "char", "CREATE TABLE x (v char(4097))", "22023", ""),
    (33, "temp-schema", "CREATE TEMP TABLE public.x (id int)", "42P16", ""),
    (33, "hash-schema", "CREATE TABLE public.#x (id int)", "42P16", ""),
    (35, "no-authorization", "COPY t FROM 's3://b/k' CSV", SYNTAX, "authorization"),
    (35, "two-kinds", f"{COPY_URL} ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b' CSV", SYNTAX, "authorization"),
    (35, "half-a-key", "COPY t FROM 's3://b/k' ACCESS_KEY_ID 'a' CSV", SYNTAX, ""),
    (36, "stdin", "COPY t FROM STDIN", NOT_SUPPORTED, ""),
    (36, "stdin-csv", "COPY t FROM STDIN CSV", NOT_SUPPORTED, ""),
    (36, "local-file", "COPY t FROM '/etc/passwd' IAM_ROLE default CSV", NOT_SUPPORTED, ""),
    (36, "program", "COPY t FROM PROGRAM 'ls'", NOT_SUPPORTED, ""),
    (36, "copy-to", "COPY t TO STDOUT", SYNTAX, ""),
    (36, "copy-query", "COPY (SELECT 1) TO STDOUT", SYNTAX, ""),
    (37, "parenthesised", f"{COPY_URL} WITH (FORMAT csv)", SYNTAX, ""),
    (37, "unknown", f"{COPY_URL} CSV FREEZE", SYNTAX, ""),
    (37, "doubled", f"{COPY_URL} CSV GZIP GZIP", SYNTAX, ""),
    (37, "two-formats", f"{COPY_URL} CSV JSON 'auto'", SYNTAX, ""),
    (37, "two-compressions", f"{COPY_URL} CSV GZIP ZSTD", SYNTAX, ""),
    *[(38, name.split()[0].lower(), f"{COPY_URL} CSV {name}", SYNTAX, "") for name in ("ESCAPE", "REMOVEQUOTES",
                                                                                     "FIXEDWIDTH 'a:3'")],
    *[(39, name.split()[0].lower(), f"{COPY_URL} JSON 'auto' {name}", SYNTAX, "")
      for name in ("NULL AS 'x'", "DELIMITER ','", "ESCAPE", "FILLRECORD", "IGNOREBLANKLINES", "REMOVEQUOTES")],
    *[(40, name.split()[0].lower(), f"{COPY_URL} FORMAT PARQUET {name}", NOT_SUPPORTED, "")
      for name in ("GZIP", "MAXERROR 5", "COMPUPDATE OFF", "REGION 'eu-west-1'", "NULL AS 'x'", "DATEFORMAT 'auto'",
                   "TRUNCATECOLUMNS")],
    (41, "ignoreallerrors-maxerror", f"{COPY_URL} CSV IGNOREALLERRORS MAXERROR 5", SYNTAX, ""),
    (41, "maxerror-too-high", f"{COPY_URL} CSV MAXERROR 100001", "22023", ""),
    (42, "identity-named", "COPY ident (id, v) FROM 's3://b/k' IAM_ROLE default CSV", NOT_SUPPORTED, "EXPLICIT_IDS"),
    (42, "explicit-ids-without", "COPY ident (v) FROM 's3://b/k' IAM_ROLE default CSV EXPLICIT_IDS", NOT_SUPPORTED,
        "EXPLICIT_IDS"),
    (47, "left-join", "UPDATE t SET v = s.v FROM s LEFT JOIN narrow ON s.id = narrow.id WHERE t.id = s.id",
        NOT_SUPPORTED, "Target table must be part of an equijoin predicate"),
    (48, "lock-mode", "LOCK TABLE t IN EXCLUSIVE MODE", SYNTAX, ""),
    (48, "lock-nowait", "LOCK t NOWAIT", SYNTAX, ""),
    (48, "truncate-two", "TRUNCATE t, s", SYNTAX, ""),
    (48, "truncate-cascade", "TRUNCATE t CASCADE", SYNTAX, ""),
    (50, "values-subquery", "INSERT INTO narrow VALUES ((SELECT 1)), (2)", NOT_SUPPORTED, ""),
]


@pytest.fixture
def tables(db):
    for statement in TABLES.split(";"):
        if statement.strip():
            db.run(statement)
    return db


@pytest.mark.parametrize("statement, sqlstate, message", [case[2:] for case in REFUSED],
                         ids=[f"rule-{case[0]:02}-{case[1]}" for case in REFUSED])
def test_refused(tables, statement, sqlstate, message):
    code, text = tables.error(statement)
    assert code == sqlstate, text
    assert message in text
    assert tables.one("SELECT 1") == 1


@pytest.mark.parametrize("statement", [case[2] for case in REFUSED if case[3] in (SYNTAX, NOT_SUPPORTED)][::7])
def test_refused_inside_a_block_fails_the_block(tables, statement):
    tables.run("BEGIN")
    tables.run("INSERT INTO s (id) VALUES (1)")
    tables.error(statement)
    assert tables.error("SELECT 1")[0] == "25P02"
    tables.run("ROLLBACK")
    assert tables.one("SELECT COUNT(*) FROM s") == 0


@pytest.mark.parametrize("then", ["UPDATE SET v = s.v", "DELETE"])
def test_rule_06_two_source_rows_for_one_target_row(tables, then):
    tables.run("INSERT INTO t (id) VALUES (1)")
    tables.run("INSERT INTO s (id, v) VALUES (1, 'a'), (1, 'b')")
    code, text = tables.error("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN " + then +
                              " WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)")
    assert (code, text) == ("XX000", "Found multiple matches to update the same tuple.")


def test_rule_06_two_source_rows_of_a_new_key_are_both_inserted(tables):
    tables.run("INSERT INTO s (id, v) VALUES (1, 'a'), (1, 'b')")
    tables.run("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v "
               "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)")
    assert tables.one("SELECT COUNT(*) FROM t") == 2


def test_rule_09_remove_duplicates_replaces(tables):
    tables.run("CREATE TABLE a (id int, v varchar(5))")
    tables.run("CREATE TABLE b (LIKE a)")
    tables.run("INSERT INTO a VALUES (1, 'old'), (1, 'old'), (2, 'kept')")
    tables.run("INSERT INTO b VALUES (1, 'new'), (3, 'new')")
    tables.run("MERGE INTO a USING b ON a.id = b.id REMOVE DUPLICATES")
    assert tables.run("SELECT id, v FROM a ORDER BY id") == [(1, "new"), (2, "kept"), (3, "new")]


@pytest.mark.parametrize("statement, what", [
    ("ALTER TABLE t ALTER COLUMN v TYPE varchar(99)", "ALTER TABLE ALTER COLUMN"),
    ("ALTER TABLE t APPEND FROM s", "ALTER TABLE APPEND"), ("VACUUM", "VACUUM"), ("VACUUM t", "VACUUM"),
    ("CREATE DATABASE x", "CREATE DATABASE")], ids=["rule-24-alter-type", "rule-29-append", "rule-29-vacuum",
                                                    "rule-29-vacuum-table", "rule-29-create-database"])
def test_not_inside_a_block(tables, statement, what):
    tables.run("BEGIN")
    code, text = tables.error(statement)
    assert code == "25001"
    assert text == f"{what} cannot run inside a transaction block"
    tables.run("ROLLBACK")


def test_rule_25_alter_type_widens_and_not_below_the_data(tables):
    tables.run("INSERT INTO t (id, v) VALUES (1, 'aaaaaaaaaa')")
    tables.run("ALTER TABLE t ALTER COLUMN v TYPE varchar(99)")
    code, _ = tables.error("ALTER TABLE t ALTER COLUMN v TYPE varchar(9)")
    assert code == NOT_SUPPORTED
    tables.run("ALTER TABLE t ALTER COLUMN v TYPE varchar(10)")
    assert tables.one("SELECT type FROM pg_table_def WHERE tablename = 't' AND \"column\" = 'v'") == \
        "character varying(10)"


def test_rule_29_append_moves_the_rows(tables):
    tables.run("CREATE TABLE a (id int, v varchar(5))")
    tables.run("CREATE TABLE b (LIKE a)")
    tables.run("INSERT INTO b VALUES (1, 'x'), (2, 'y')")
    assert tables.run("ALTER TABLE a APPEND FROM b").startswith("ALTER TABLE")
    assert (tables.one("SELECT COUNT(*) FROM a"), tables.one("SELECT COUNT(*) FROM b")) == (2, 0)


@pytest.mark.parametrize("reading, status", [("autocommit", psycopg.pq.TransactionStatus.IDLE),
                                             ("new_block", psycopg.pq.TransactionStatus.INTRANS)])
def test_rule_30_truncate_commits(tables, reading, status):
    tables.world.switch(truncate_in_block=reading)
    tables.run("INSERT INTO s (id) VALUES (1)")
    tables.run("BEGIN")
    tables.run("INSERT INTO t (id) VALUES (1)")
    tables.run("TRUNCATE s")
    assert tables.connection.info.transaction_status == status
    tables.run("ROLLBACK")
    assert (tables.one("SELECT COUNT(*) FROM t"), tables.one("SELECT COUNT(*) FROM s")) == (1, 0)


def test_rule_34_keys_are_not_enforced(tables):
    tables.run("CREATE TABLE k (id int PRIMARY KEY, u int UNIQUE, r int REFERENCES t (id), FOREIGN KEY (u) REFERENCES s (id))")
    tables.run("INSERT INTO k VALUES (1, 1, 99), (1, 1, 99)")
    assert tables.one("SELECT COUNT(*) FROM k") == 2
    assert tables.error("INSERT INTO k (u) VALUES (1)")[0] == "23502"


def test_rule_40_parquet_manifest_needs_content_length(tables):
    url = tables.world.manifest(f"{tables.schema}/m", [tables.world.put(f"{tables.schema}/p.parquet", b"PAR1")])
    code, text = tables.error(f"COPY t FROM '{url}' IAM_ROLE default FORMAT PARQUET MANIFEST")
    assert code in ("XX000", NOT_SUPPORTED)
    assert tables.one("SELECT COUNT(*) FROM t") == 0


def test_rule_42_identity_is_filled_unless_explicit(tables):
    tables.load("ident", "a\nb\n")
    tables.load("ident", "77,c\n", "CSV EXPLICIT_IDS", columns="(id, v)")
    assert tables.run("SELECT id, v FROM ident ORDER BY v") == [(1, "a"), (2, "b"), (77, "c")]


BAD_ROWS = [
    ("1202-too-many-fields", "a int, b int", "1,2,3\n", 1202),
    ("1203-too-few-fields", "a int, b int, c int", "1,2\n", 1203),
    ("1201-no-delimiter", "a int, b int", "1\n", 1201),
    ("1204-length-in-bytes", "a int, v varchar(4)", "1,\u00e9\u00e9\u00e9\n", 1204),
    ("1204-char-length", "a int, v char(4)", "1,abcde\n", 1204),
    ("1207-digits", "a int, b int", "x1,2\n", 1207),
    ("1207-decimal-digits", "a int, b decimal(10,2)", "1,2x\n", 1207),
    ("1222-overflow", "a smallint, b int", "40000,2\n", 1222),
    ("1207-decimal-overflow", "a int, b decimal(19,0)", "1,9223372036854775808\n", 1207),
    ("1209-decimal-nan", "a int, b decimal(10,2)", "1,NaN\n", 1209),
    ("1208-float-nan", "a int, b float8", "1,NaN\n", 1208),
    ("1208-float-infinity", "a int, b float8", "1,Infinity\n", 1208),
    ("1210-boolean", "a int, b boolean", "1,maybe\n", 1210),
    ("1205-date", "a int, b date", "1,2021-02-29\n", 1205),
    ("1205-date-infinity", "a int, b date", "1,infinity\n", 1205),
    ("1206-timestamp", "a int, b timestamp", "1,2021-02-20 25:00:00\n", 1206),
    ("1206-timestamp-fraction", "a int, b timestamp", "1,2021-02-20 20:00:00.1234567\n", 1206),
    ("1206-timestamp-t-without-auto", "a int, b timestamp", "1,2021-02-20T20:00:00\n", 1206),
    ("1206-timestamp-infinity", "a int, b timestamp", "1,infinity\n", 1206),
    ("1220-utf8", "a int, v varchar(9)", b"1,\xff\xfe\n", 1220),
    ("1220-char-multibyte", "a int, v char(9)", "1,\u00e9\n", 1220),
    ("1218-nul", "a int, v varchar(9)", b"1,\x00abc\n", 1218),
    ("1213-null-into-not-null", "a int, b int NOT NULL", "1,\\N\n", 1213),
    ("1213-empty-into-not-null", "a int, b int NOT NULL", "1,\n", 1213),
    ("1213-text-null", "a int, v varchar(9) NOT NULL", "1,\\N\n", 1213),
    ("1224-super", "a int, j super", "1,{broken\n", 1224),
    ("1224-super-string", "a int, j super", '1,"""' + "x" * 65536 + '"""\n', 1224),
    ("1224-super-depth", "a int, j super", "1,\"" + "[" * 1001 + "]" * 1001 + "\"\n", 1224),
    ("1216-row", "a int, v varchar(9)", "1," + "x" * (4 << 20) + "\n", 1216),
    ("1207-varbyte-hex", "a int, b varbyte(4)", "1,xyz\n", 1207),
    ("1204-varbyte-length", "a int, b varbyte(2)", "1,010203\n", 1204),
    ("1214-open-quote", "a int, v varchar(9)", '1,"abc\n', 1214),
]


@pytest.mark.parametrize("columns, body, code", [case[1:] for case in BAD_ROWS],
                         ids=["rule-43-" + case[0] for case in BAD_ROWS])
@pytest.mark.parametrize("good_rows", [0, 3])
def test_rows_that_do_not_load(db, columns, body, code, good_rows):
    db.run(f"CREATE TABLE bad ({columns})")
    names = re.findall(r"(?:^|, )(\w) ", columns)
    good = {"a": "7", "b": {"int": "7", "date": "2020-01-01", "boolean": "t", "timestamp": "2020-01-01 00:00:00",
                            "varbyte": "00"}.get(columns.rsplit("b ", 1)[-1].split("(")[0].split(" ")[0], "7"),
            "c": "7", "v": "ok", "j": "[]"}
    line = (",".join(good[name] for name in names) + "\n").encode()
    body = line * good_rows + (body if isinstance(body, bytes) else body.encode())
    found, column, at = db.load_error("bad", body)
    assert found == code
    assert at == good_rows + 1
    assert db.one("SELECT COUNT(*) FROM bad") == 0


def test_rule_44_last_copy_id_and_count(tables):
    assert tables.run("SELECT pg_last_copy_id(), pg_last_copy_count()") == [(-1, 0)]
    tables.load("narrow", "1\n2\n3\n")
    first, count = tables.run("SELECT pg_last_copy_id(), pg_last_copy_count()")[0]
    assert first > 0 and count == 3
    tables.error(f"{COPY_URL} CSV WRONG")
    tables.error("COPY narrow FROM 's3://standin-tests/none/at/all' IAM_ROLE default CSV")
    assert tables.run("SELECT pg_last_copy_id(), pg_last_copy_count()") == [(first, 3)]
    tables.load_error("narrow", "x\n")
    second, count = tables.run("SELECT pg_last_copy_id(), pg_last_copy_count()")[0]
    assert second > first and count == 0


def test_rule_44_count_works_inside_the_transaction(tables):
    tables.run("BEGIN")
    tables.load("narrow", "1\n2\n")
    assert tables.one("SELECT pg_last_copy_count()") == 2
    tables.run("ROLLBACK")


def test_rule_45_statement_size(tables):
    code, text = tables.error("SELECT '" + "x" * (16 << 20) + "'")
    assert code == "54000" and "Statement is too large" in text
    assert tables.one("SELECT LEN('" + "x" * (15 << 20) + "')") == 15 << 20


def test_rule_49_no_parameters_in_identifiers_or_copy(tables):
    for statement in ("COPY narrow FROM $1 IAM_ROLE default CSV", "COPY $1 FROM 's3://b/k' IAM_ROLE default CSV",
                      "SELECT * FROM $1", "DROP TABLE $1", "COPY narrow FROM 's3://b/k' IAM_ROLE $1 CSV"):
        with pytest.raises(psycopg.errors.SyntaxError):
            tables.connection.execute(statement.replace("$1", "%s"), ["x"])
        assert tables.one("SELECT 1") == 1
