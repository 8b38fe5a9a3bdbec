"""The details that decide fidelity: types, names, sessions, views, and the extended protocol."""
import decimal
import subprocess

import psycopg
import pytest
from standin_world import in_thread, wait_for_a_waiter


def test_version_and_encoding(db):
    info = db.connection.info
    assert info.server_version == 80002
    assert info.parameter_status("server_version") == "8.0.2"
    assert info.parameter_status("client_encoding") == "UNICODE"
    assert info.parameter_status("standard_conforming_strings") is None


@pytest.mark.parametrize("host, mode", [("localhost", "verify-full"), ("127.0.0.1", "verify-full"), ("localhost", "verify-ca"),
                                        ("localhost", "require"), ("localhost", "disable")])
def test_tls(world, host, mode):
    with psycopg.connect(host=host, hostaddr="127.0.0.1", port=world.port, user=world.user, password=world.password,
                         dbname=world.database, sslmode=mode, sslrootcert=world.ca) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use == (mode != "disable")


def test_tls_with_another_authority_fails(world, tmp_path):
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=other", "-keyout", str(tmp_path / "key"), "-out", str(other)], check=True,
                   capture_output=True)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(host="localhost", port=world.port, user=world.user, password=world.password,
                        dbname=world.database, sslmode="verify-full", sslrootcert=str(other))


def test_another_database_does_not_exist(world):
    with pytest.raises(psycopg.OperationalError, match='database "nope" does not exist'):
        psycopg.connect(host="127.0.0.1", port=world.port, user=world.user, password=world.password, dbname="nope")


# names ------------------------------------------------------------------------------------------------------------
def test_quoted_names_fold_to_lower_case(db):
    db.run('CREATE TABLE "MiXed" ("ColA" int, "select" int)')
    db.run('INSERT INTO mixed ("COLA", "SELECT") VALUES (1, 2)')
    cursor = db.connection.execute('SELECT "ColA" AS "Out", "Select" FROM "MIXED"')
    assert [column.name for column in cursor.description] == ["out", "select"]
    db.run("SET enable_case_sensitive_identifier TO true")
    assert db.one("SHOW enable_case_sensitive_identifier") == "on"
    assert db.error('SELECT "ColA" FROM mixed')[0] == "42703"
    db.run("RESET enable_case_sensitive_identifier")
    assert db.one('SELECT "ColA" FROM mixed') == 1


def test_names_up_to_127_bytes(db):
    long, other = "l" * 126 + "a", "l" * 126 + "b"
    wide = "\u00e9" * 70
    db.run(f'CREATE TABLE {long} ("{wide}" int, {other} int)')
    db.run(f"CREATE TABLE {other} (x int)")
    db.run(f"INSERT INTO {long} VALUES (1, 2)")
    cursor = db.connection.execute(f"SELECT * FROM {long}")
    assert [column.name for column in cursor.description] == ["\u00e9" * 63, other]
    assert db.run("SELECT table_name FROM information_schema.tables WHERE table_schema = "
                  f"'{db.schema}' ORDER BY table_name") == [(long,), (other,)]
    code, text = db.error(f"SELECT {long} FROM {other}")
    assert code == "42703" and long in text
    db.load(long, "5,6\n")
    assert db.one(f"SELECT COUNT(*) FROM {long}") == 2


# types ------------------------------------------------------------------------------------------------------------
def test_default_sizes(db):
    db.run("CREATE TABLE d (a varchar, b char, c numeric, d text, e varbyte, f varchar(max), g decimal(5))")
    assert [row[0] for row in db.run("SELECT type FROM pg_table_def WHERE tablename = 'd'")] == [
        "character varying(256)", "character(1)", "numeric(18,0)", "character varying(256)", "binary varying(64000)",
        "character varying(65535)", "numeric(5,0)"]


def test_varchar_counts_bytes(db):
    db.run("CREATE TABLE d (a varchar(4))")
    db.run("INSERT INTO d VALUES ('\u00e9\u00e9'), ('abcd      ')")
    assert db.error("INSERT INTO d VALUES ('\u00e9\u00e9\u00e9')") == (
        "22001", "value too long for type character varying(4)")
    assert db.error("UPDATE d SET a = %s", ["abcde"])[0] == "22001"
    assert db.one("SELECT 'abc\u00e9'::varchar(4)") == "abc"


def test_trailing_blanks_do_not_count(db):
    db.run("CREATE TABLE a (k varchar(9), v int)")
    db.run("CREATE TABLE b (LIKE a)")
    db.run("INSERT INTO a VALUES ('x', 1), ('y ', 2)")
    db.run("INSERT INTO b VALUES ('x  ', 3), ('y', 4), ('z', 5)")
    assert db.one("SELECT COUNT(*) FROM a JOIN b ON a.k = b.k") == 2
    assert db.one("SELECT COUNT(*) FROM a WHERE k = 'x   '") == 1
    assert db.one("SELECT COUNT(*) FROM a WHERE k = %s", ["y"]) == 1
    assert db.one("SELECT COUNT(DISTINCT k) FROM (SELECT k FROM a UNION ALL SELECT k FROM b) q") == 3
    assert db.run("SELECT LEN(k), OCTET_LENGTH(k) FROM a WHERE v = 2") == [(2, 2)]
    db.run("MERGE INTO a USING b ON a.k = b.k WHEN MATCHED THEN UPDATE SET v = b.v "
           "WHEN NOT MATCHED THEN INSERT VALUES (b.k, b.v)")
    assert db.run("SELECT k, v FROM a ORDER BY v") == [("x", 3), ("y ", 4), ("z", 5)]
    db.run("DELETE FROM a USING b WHERE a.k = b.k")
    assert db.one("SELECT COUNT(*) FROM a") == 0


def test_super(db):
    db.run("CREATE TABLE j (id int, doc super)")
    db.run("INSERT INTO j VALUES (1, JSON_PARSE('{\"b\": [1, 2.50, null], \"a\": \"x y\"}')), (2, NULL)")
    cursor = db.connection.execute("SELECT doc FROM j ORDER BY id")
    assert cursor.fetchall()[0][0] in ('{"b":[1,2.50,null],"a":"x y"}', {"b": [1, 2.5, None], "a": "x y"})
    assert cursor.description[0].type_code == 4000
    assert db.one("SELECT JSON_SERIALIZE(doc) FROM j WHERE id = 1") == '{"b":[1,2.50,null],"a":"x y"}'
    assert db.one("SELECT JSON_TYPEOF(doc) FROM j WHERE id = 1") == "object"
    assert db.run("SELECT CAN_JSON_PARSE('[1]'), CAN_JSON_PARSE('[1')") == [(True, False)]
    assert db.error("SELECT JSON_PARSE('{oops')")[0] == "XX000"
    assert db.error("SELECT doc->'a' FROM j")[0] == "42601"
    assert db.error("SELECT doc->>'a' FROM j")[0] == "42601"
    assert db.error("SELECT doc::jsonb FROM j")[0] == "42704"


@pytest.mark.parametrize("reading, is_null", [("sqlnull", True), ("jsonnull", False)])
def test_switch_json_null_in_super(db, reading, is_null):
    db.world.switch(json_null_in_super=reading)
    db.run("CREATE TABLE j (id int, doc super)")
    db.load("j", "1,null\n2,\\N\n")
    assert db.run("SELECT id, doc IS NULL FROM j ORDER BY id") == [(1, is_null), (2, True)]


def test_switch_super_64k_fails(db):
    db.run("CREATE TABLE j (id int, doc super)")
    db.run("CREATE TABLE k (LIKE j)")
    big = "[" + ",".join(['"' + "x" * 1000 + '"'] * 70) + "]"
    db.load("j", '1,"' + big.replace('"', '""') + '"\n')
    merge = ("MERGE INTO k USING j ON k.id = j.id WHEN MATCHED THEN UPDATE SET doc = j.doc "
             "WHEN NOT MATCHED THEN INSERT VALUES (j.id, j.doc)")
    db.run(merge)
    db.world.switch(super_64k_fails="on")
    for statement in (merge, "INSERT INTO k SELECT * FROM j", "SELECT COUNT(*) FROM j JOIN k ON j.id = k.id"):
        assert db.error(statement) == ("XX000", "String value exceeds the max size of 65535 bytes")
    db.run("DELETE FROM k USING j WHERE k.id = j.id")


def test_varbyte(db):
    db.run("CREATE TABLE b (id int, v varbyte(4))")
    db.run("INSERT INTO b VALUES (1, FROM_HEX('ff00')), (2, 'ab'::varbyte)")
    db.load("b", "3,cafe\n4,\\N\n")
    expected = [("ff00",), ("6162",), ("cafe",), (None,)]
    assert db.run("SELECT v FROM b ORDER BY id") == expected
    assert db.run("SELECT v FROM b WHERE id < %s ORDER BY id", [9]) == expected
    assert db.one("SELECT FROM_VARBYTE(v, 'hex') FROM b WHERE id = 3") == "cafe"
    assert db.error("INSERT INTO b VALUES (5, FROM_HEX('0102030405'))")[0] == "22001"


def test_literals_escape_with_backslash(db):
    assert db.one(r"SELECT 'a\'b\\c\n'") == "a'b\\c\n"
    assert db.one("SELECT 'it''s'") == "it's"


def test_decimal_19_ends_with_64_bits(db):
    db.run("CREATE TABLE n (v decimal(19,0))")
    db.run("INSERT INTO n VALUES (9223372036854775807)")
    assert db.error("INSERT INTO n VALUES (9223372036854775808)")[0] is not None
    assert db.one("SELECT v FROM n") == decimal.Decimal(9223372036854775807)


# statements -------------------------------------------------------------------------------------------------------
def test_temp_table_like_with_an_extra_column(db):
    db.run("CREATE TABLE target (id bigint NOT NULL PRIMARY KEY DISTKEY, v varchar(9) DEFAULT 'q' ENCODE lzo)")
    db.run("CREATE TEMP TABLE stage (LIKE target, op char(1), seq int)")
    assert db.run("SELECT \"column\", type, \"notnull\" FROM pg_table_def WHERE tablename = 'stage'") == [
        ("id", "bigint", True), ("v", "character varying(9)", False), ("op", "character(1)", False),
        ("seq", "integer", False)]
    db.run("INSERT INTO stage (id) VALUES (1)")
    assert db.run("SELECT id, v FROM stage") == [(1, None)]
    other = db.again()
    assert other.error("SELECT * FROM stage")[0] == "42P01"
    other.close()
    assert db.error("CREATE TEMP TABLE x (LIKE target) DISTKEY(id)")[0] == "0A000"
    db.run("CREATE TABLE #hash (a int)")
    db.run("INSERT INTO #hash VALUES (1)")
    assert db.one("SELECT COUNT(*) FROM #hash") == 1


def test_temp_table_hides_a_permanent_one(db):
    db.run("CREATE TABLE x (a int)")
    db.run("INSERT INTO x VALUES (1)")
    db.run("CREATE TEMP TABLE x (a int)")
    assert db.one("SELECT COUNT(*) FROM x") == 0
    assert db.one(f"SELECT COUNT(*) FROM {db.schema}.x") == 1


def test_update_from_and_delete_using(db):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    db.run("CREATE TABLE s (id int, v varchar(9))")
    db.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.run("INSERT INTO s VALUES (1, 'x'), (3, 'z')")
    assert db.run("UPDATE t AS q SET v = s.v FROM s WHERE q.id = s.id AND s.id = 1") == "UPDATE 1"
    assert db.run("DELETE FROM t USING s WHERE t.id = s.id AND s.id = 3") == "DELETE 1"
    assert db.run(f"DELETE FROM {db.schema}.t USING s WHERE {db.schema}.t.id = s.id") == "DELETE 1"
    assert db.run("SELECT * FROM t") == [(2, "b")]


def test_error_on_nondeterministic_update(db):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    db.run("CREATE TABLE s (id int, v varchar(9))")
    db.run("INSERT INTO t VALUES (1, 'a')")
    db.run("INSERT INTO s VALUES (1, 'x'), (1, 'y')")
    qualified = f'"{db.schema}"."t"'
    updates = ("UPDATE t SET v = s.v FROM s WHERE t.id = s.id", "UPDATE t AS q SET v = s.v FROM s WHERE q.id = s.id",
               f'UPDATE {qualified} SET "v" = "s"."v" FROM "s" WHERE {qualified}."id" = "s"."id"')
    db.run(updates[0])
    db.run("SET error_on_nondeterministic_update TO true")
    for update in updates:
        assert db.error(update) == ("XX000", "Found multiple matches to update the same tuple.")
        assert db.error(update, []) == ("XX000", "Found multiple matches to update the same tuple.")
    db.run("DELETE FROM s WHERE v = 'y'")
    for update in updates:
        assert db.run(update) == "UPDATE 1"


def test_ddl_rolls_back(db):
    db.run("CREATE TABLE t (id int)")
    db.run("BEGIN")
    db.run("ALTER TABLE t ADD COLUMN v varchar(9) DEFAULT 'q' NOT NULL")
    db.run("CREATE TABLE u (id int DISTKEY)")
    db.run("ROLLBACK")
    assert db.error("SELECT v FROM t")[0] == "42703"
    assert db.error("SELECT * FROM u")[0] == "42P01"
    db.run("ALTER TABLE t ADD COLUMN v varchar(9)")
    assert db.error("ALTER TABLE t ADD COLUMN v varchar(9)")[0] == "42701"


def test_settings(db):
    for statement in ("SET statement_timeout TO 60000", "SET query_group TO 'load'", "SET application_name TO 'x'",
                      "SET timezone TO 'UTC'", f"SET search_path TO {db.schema}, public", "SET datestyle TO ISO",
                      "SET error_on_nondeterministic_update TO true", "SET json_parse_truncate_strings TO on"):
        db.run(statement)
    assert db.one("SHOW query_group") == "load"
    assert db.error("SET work_mem TO '1GB'")[0] == "42704"
    assert db.error("SET standin.query_group TO 'x'")[0] == "42704"
    assert db.error("SET enable_case_sensitive_identifier TO maybe")[0] == "22023"
    db.run("SET statement_timeout TO 0")


@pytest.mark.parametrize("expression, value", [
    ("NVL(NULL, 2)", 2), ("COALESCE(NULL, 'a')", "a"), ("LEN('abc')", 3), ("OCTET_LENGTH('\u00e9')", 2),
    ("UPPER('a') || LOWER('B')", "Ab"), ("TRIM('  a ')", "a"), ("MD5('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("SUBSTRING('abcdef', 2, 3)", "bcd"), ("LEFT('abc', 2) || RIGHT('abc', 1)", "abc"), ("ABS(-3)", 3),
    ("SPLIT_PART('a,b,c', ',', 2)", "b"), ("STRTOL('ff', 16)", 255),
    ("STRTOL('-0xFF', 16)", -255), ("STRTOL('7fffffffffffffff', 16)", 2**63 - 1), ("STRTOL('101', 2)", 5),
    ("DATEDIFF(day, '2020-01-01', '2020-03-01')", 60),
    ("DATEDIFF(month, '2020-01-31', '2020-03-01')", 2), ("TO_CHAR(DATE '2020-02-03', 'YYYY/MM')", "2020/02"),
    ("EXTRACT(year FROM DATE '2020-02-03')", 2020), ("DATE_TRUNC('month', DATE '2020-02-03')::date::varchar", "2020-02-01"),
    ("DATEADD(day, 2, '2020-01-01')::varchar", "2020-01-03 00:00:00"), ("CAST('12' AS integer) + '1'::int", 13),
    ("CASE WHEN 1 = 1 THEN 'y' ELSE 'n' END", "y"), ("ROUND(2.567, 1)", decimal.Decimal("2.6")),
    ("SHA2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("CHARINDEX('c', 'abc')", 3), ("POSITION('c' IN 'abc')", 3), ("NVL2(1, 'a', 'b')", "a"),
    ("GETDATE() <= SYSDATE + INTERVAL '1 second'", True)])
def test_functions(db, expression, value):
    assert db.one(f"SELECT {expression}") == value


def test_queries_that_readers_write(db):
    db.run("CREATE TABLE t (g int, v varchar(9))")
    db.run("INSERT INTO t VALUES (1, 'b'), (1, 'a'), (2, 'c')")
    assert db.run("SELECT g, LISTAGG(v, ',') WITHIN GROUP (ORDER BY v), COUNT(*) FROM t GROUP BY g ORDER BY g") == [
        (1, "a,b", 2), (2, "c", 1)]
    assert db.run("SELECT TOP 2 v FROM t ORDER BY v") == [("a",), ("b",)]
    assert db.run("WITH q (x) AS (SELECT MAX(v) FROM t) SELECT x FROM q") == [("c",)]
    assert db.run("SELECT v, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v) FROM t ORDER BY 1") == [
        ("a", 1), ("b", 2), ("c", 1)]
    assert db.run("SELECT a.v FROM t a LEFT JOIN t b ON a.g = b.g AND a.v < b.v, (SELECT 1 AS one) q "
                  "WHERE b.v IS NULL AND a.g IN (1, 2) ORDER BY 1") == [("b",), ("c",)]
    assert db.run("SELECT g FROM t UNION SELECT 7 MINUS SELECT 1 ORDER BY 1") == [(2,), (7,)]
    assert db.run("SELECT MIN(v), MAX(v) FROM t") == [("a", "c")]


def test_catalog_views(db):
    db.run("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, n decimal(10,3), v varchar(7) ENCODE zstd, j super, ts timestamptz)"
           " DISTKEY(id) COMPOUND SORTKEY(ts, id)")
    db.run("INSERT INTO t (id) VALUES (1)")
    where = f"WHERE table_schema = '{db.schema}' AND table_name = 't' ORDER BY ordinal_position"
    for view in ("information_schema.columns", "svv_columns"):
        assert db.run(f"SELECT column_name, data_type, is_nullable, character_maximum_length, numeric_precision, "
                      f"numeric_scale FROM {view} {where}") == [
            ("id", "bigint", "NO", None, 64, 0), ("n", "numeric", "YES", None, 10, 3),
            ("v", "character varying", "YES", 7, None, None), ("j", "super", "YES", None, None, None),
            ("ts", "timestamp with time zone", "YES", None, None, None)]
    assert db.run("SELECT \"column\", type, encoding, distkey, sortkey FROM pg_table_def WHERE tablename = 't'") == [
        ("id", "bigint", "none", True, 2), ("n", "numeric(10,3)", "none", False, 0),
        ("v", "character varying(7)", "zstd", False, 0), ("j", "super", "none", False, 0),
        ("ts", "timestamp with time zone", "none", False, 1)]
    assert db.run(f"SELECT tbl_rows, diststyle, sortkey1 FROM svv_table_info WHERE schema = '{db.schema}'") == [
        (1, "KEY(id)", "ts")]
    assert len(db.run(f"SELECT * FROM svv_redshift_columns WHERE schema_name = '{db.schema}'")) == 5
    assert len(db.run(f"SELECT * FROM svv_all_columns WHERE schema_name = '{db.schema}'")) == 5
    assert db.one("SELECT reldiststyle FROM pg_class WHERE relname = 't' ORDER BY oid DESC LIMIT 1") == 1
    assert db.one("SELECT isolation_level FROM stv_db_isolation_level") == "Snapshot Isolation"
    assert "concurrency_model=1" in db.one("SELECT datconfig FROM pg_database_info")
    db.run("SELECT COUNT(*) FROM svv_transactions")
    assert db.error("SELECT * FROM stl_no_such_view")[0] == "42P01"
    assert db.error("SELECT * FROM standin.table_note")[0] == "3F000"


def test_query_history(db):
    db.run("SELECT 'needle-in-history'")
    assert db.one("SELECT COUNT(*) FROM stl_query WHERE querytxt LIKE '%%needle-in%%' AND querytxt LIKE 'SELECT ''%%'") >= 1
    assert db.one("SELECT status FROM sys_query_history WHERE query_text LIKE 'SELECT ''needle-in-history%%' LIMIT 1") == "success"


def test_serverless_has_no_stl_views(db):
    db.world.switch(profile="serverless")
    assert db.error("SELECT * FROM stl_load_errors")[0] == "42P01"
    db.run("SELECT * FROM sys_load_error_detail LIMIT 1")


# concurrency ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("params", [None, [2]], ids=["simple", "extended"])
@pytest.mark.parametrize("statement", ["UPDATE t SET n = {} WHERE id = 2", "INSERT INTO t VALUES ({}, 9)",
                                       "DELETE FROM t WHERE id = {}"])
def test_rule_46_writers_wait_for_each_other(db, statement, params):
    db.run("CREATE TABLE t (id int, n int)")
    db.run("INSERT INTO t VALUES (1, 0), (2, 0)")
    other, watcher = db.again(), db.again()
    db.run("BEGIN")
    db.run("UPDATE t SET n = n + 1 WHERE id = 1")
    thread, result = in_thread(lambda: other.run(statement.format("%s" if params else 2), params))
    wait_for_a_waiter(watcher)
    assert watcher.one("SELECT COUNT(*) FROM t") == 2
    db.run("COMMIT")
    thread.join(20)
    assert "error" not in result, result
    for session in (other, watcher):
        session.close()


def test_rule_46_conflict_is_1023(db):
    db.run("CREATE TABLE t (id int, n int)")
    db.run("INSERT INTO t VALUES (1, 0)")
    other = db.again()
    other.run("BEGIN")
    assert other.one("SELECT n FROM t") == 0
    db.run("UPDATE t SET n = 1 WHERE id = 1")
    with pytest.raises(psycopg.errors.InternalError_) as caught:
        other.run("UPDATE t SET n = 2 WHERE id = 1")
    assert caught.value.diag.message_primary == "1023"
    assert "Serializable isolation violation on table" in caught.value.diag.message_detail
    other.run("ROLLBACK")
    other.close()


def test_lock_blocks_readers(db):
    db.run("CREATE TABLE t (id int)")
    other, watcher = db.again(), db.again()
    assert db.error("LOCK t")[0] == "25P01"
    db.run("BEGIN")
    db.run("LOCK TABLE t")
    thread, result = in_thread(lambda: other.one("SELECT COUNT(*) FROM t"))
    wait_for_a_waiter(watcher)
    db.run("COMMIT")
    thread.join(20)
    assert result == {"value": 0}
    for session in (other, watcher):
        session.close()


@pytest.mark.parametrize("params", [None, []], ids=["simple", "extended"])
def test_what_is_read_after_lock_is_what_the_other_committed(db, params):
    db.run("CREATE TABLE progress (n int)")
    db.run("INSERT INTO progress VALUES (1)")
    other, watcher = db.again(), db.again()

    def second():
        for statement in ("BEGIN", "LOCK progress"):
            other.run(statement, params)
        return other.one("SELECT n FROM progress", params)

    db.run("BEGIN")
    db.run("LOCK progress")
    thread, result = in_thread(second)
    wait_for_a_waiter(watcher)
    db.run("UPDATE progress SET n = 2")
    db.run("COMMIT")
    thread.join(20)
    assert result == {"value": 2}
    for session in (other, watcher):
        session.close()


def test_snapshot_isolation(db):
    db.run("CREATE TABLE t (id int)")
    other = db.again()
    other.run("BEGIN")
    assert other.one("SELECT COUNT(*) FROM t") == 0
    db.run("INSERT INTO t VALUES (1)")
    assert other.one("SELECT COUNT(*) FROM t") == 0
    other.run("COMMIT")
    assert other.one("SELECT COUNT(*) FROM t") == 1
    other.close()


# protocol ---------------------------------------------------------------------------------------------------------
def test_extended_protocol_carries_everything(db):
    def run(sql):
        return db.connection.execute(sql, [], prepare=True)
    for statement in ("CREATE TABLE t (id int DISTKEY, v varchar(9))", "BEGIN", "CREATE TEMP TABLE s (LIKE t)",
                      "INSERT INTO s VALUES (1, 'a')", "COMMIT", "ALTER TABLE t ADD COLUMN w int", "TRUNCATE t",
                      "LOCK t"):
        if statement == "LOCK t":
            run("BEGIN")
        run(statement)
    run("COMMIT")
    url = db.world.put(f"{db.schema}/x.csv", "1,a,2\n")
    run(f"COPY t FROM '{url}' IAM_ROLE default CSV")
    run("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)")
    assert run("SELECT * FROM t").fetchall() == [(1, "a", 2)]
    with pytest.raises(psycopg.errors.SyntaxError):
        run("SELECT 1; SELECT 2")
    with pytest.raises(psycopg.errors.UndefinedTable):
        run("INSERT INTO nowhere VALUES (1)")
    assert run("SELECT 5").fetchone() == (5,)


def test_prepared_statement_is_used_again(db):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    for n in range(10):
        db.connection.execute("INSERT INTO t VALUES (%s, %s)", [n, str(n)], prepare=True)
    assert db.connection.execute("SELECT COUNT(*) FROM t WHERE id < %s", [5], prepare=True).fetchone() == (5,)


def test_binary_results(db):
    cursor = db.connection.cursor(binary=True)
    assert cursor.execute("SELECT 1::bigint, 'a'::varchar(3), 1.5::decimal(5,1)").fetchone() == (
        1, "a", decimal.Decimal("1.5"))


def test_several_statements_in_one_query_are_one_transaction(db):
    db.run("CREATE TABLE t (id int)")
    db.error("INSERT INTO t VALUES (1); INSERT INTO t VALUES (1, 2)")
    assert db.one("SELECT COUNT(*) FROM t") == 0
    url = db.world.put(f"{db.schema}/x.csv", "1\n")
    db.error(f"INSERT INTO t VALUES (1); COPY t FROM '{url}' IAM_ROLE default CSV; INSERT INTO t VALUES (1, 2)")
    assert db.one("SELECT COUNT(*) FROM t") == 0
    db.run(f"INSERT INTO t VALUES (1); COPY t FROM '{url}' IAM_ROLE default CSV; INSERT INTO t VALUES (2)")
    assert db.one("SELECT COUNT(*) FROM t") == 3
    db.run(f"BEGIN; COPY t FROM '{url}' IAM_ROLE default CSV; ROLLBACK")
    assert db.one("SELECT COUNT(*) FROM t") == 3
    assert db.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_cursors(db):
    db.run("CREATE TABLE t (id int)")
    db.run("INSERT INTO t VALUES (1), (2), (3)")
    db.run("BEGIN")
    db.run("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id")
    assert db.run("FETCH FORWARD 2 FROM c") == [(1,), (2,)]
    db.run("CLOSE c")
    db.run("COMMIT")


def test_cancel(db):
    db.run("CREATE TABLE t (id int)")
    other, watcher = db.again(), db.again()
    db.run("BEGIN")
    db.run("LOCK t")
    thread, result = in_thread(lambda: other.run("SELECT COUNT(*) FROM t"))
    wait_for_a_waiter(watcher)
    other.connection.cancel()
    thread.join(20)
    assert result["error"].sqlstate == "57014"
    db.run("ROLLBACK")
    for session in (other, watcher):
        session.close()


def test_unknown_statements_name_themselves(db):
    for statement in ("CALL p()", "UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE default", "CREATE FUNCTION f() RETURNS int",
                      "SELECT no_such_function(1)", "SELECT * FROM t QUALIFY ROW_NUMBER() OVER () = 1", "REINDEX TABLE t"):
        assert db.error(statement)[0] in ("42601", "42883", "0A000")


def test_roles(db):
    db.run("CREATE TABLE t (id int)")
    db.run("INSERT INTO t VALUES (1)")
    db.run("CREATE USER standin_reader PASSWORD 'Secret123'")
    try:
        db.run(f"GRANT USAGE ON SCHEMA {db.schema} TO standin_reader")
        with psycopg.connect(host="127.0.0.1", port=db.world.port, user="standin_reader", password="Secret123",
                             dbname=db.world.database, autocommit=True) as reader:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT * FROM {db.schema}.t")
            db.run("GRANT SELECT ON TABLE t TO standin_reader")
            assert reader.execute(f"SELECT * FROM {db.schema}.t").fetchall() == [(1,)]
            reader.execute("SELECT COUNT(*) FROM pg_table_def").fetchone()
            reader.execute("SELECT NVL(1, 2), GETDATE()").fetchone()
        assert "Secret123" not in str(db.world.journal())
    finally:
        db.run("REVOKE ALL ON TABLE t FROM standin_reader")
        db.run(f"REVOKE ALL ON SCHEMA {db.schema} FROM standin_reader")
        db.run("DROP USER standin_reader")


@pytest.mark.parametrize("params", [None, []], ids=["simple", "extended"])
def test_a_loader_batch(db, params):
    """What the sink sends for one table, names quoted and qualified, schema and table of one name."""
    schema, world = db.schema, db.world
    table = f'"{schema}"."{schema}"'

    def run(sql):
        return db.run(sql, params)
    run(f'CREATE TABLE IF NOT EXISTS {table} ("id" bigint NOT NULL, "v" varchar(100), "doc" super, "_leat_pos" varchar(64), '
        'PRIMARY KEY ("id")) DISTSTYLE KEY DISTKEY ("id") COMPOUND SORTKEY ("id")')
    run(f'CREATE TABLE "{schema}"."progress" ("source" varchar(100), "pos" varchar(64))')
    run(f"INSERT INTO {table} VALUES (1, 'old', NULL, '1'), (2, 'gone', NULL, '1'), (3, 'kept', NULL, '1')")
    run(f"INSERT INTO \"{schema}\".\"progress\" VALUES ('a', '1')")
    part = world.put(f"{schema}/part.csv", '1,new,"{""a"":[1,2]}",2,u\n2,\\N,\\N,2,d\n4,fresh,\\N,2,u\n')
    manifest = world.manifest(f"{schema}/manifest", [part])
    run("BEGIN")
    run(f'LOCK TABLE "{schema}"."progress"')
    assert run(f"SELECT \"pos\" FROM \"{schema}\".\"progress\" WHERE \"source\" = 'a'") == [("1",)]
    run(f'CREATE TEMP TABLE "leat_stage_1" (LIKE {table}, "_leat_op" char(1))')
    run(f"COPY \"leat_stage_1\" (\"id\", \"v\", \"doc\", \"_leat_pos\", \"_leat_op\") FROM '{manifest}' IAM_ROLE default "
        "MANIFEST FORMAT AS CSV TIMEFORMAT 'auto' DATEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF")
    assert run("SELECT pg_last_copy_count()") == [(3,)]
    run(f'DELETE FROM {table} USING "leat_stage_1" WHERE {table}."id" = "leat_stage_1"."id" AND '
        '"leat_stage_1"."_leat_op" = \'d\'')
    run('DELETE FROM "leat_stage_1" WHERE "_leat_op" = \'d\'')
    run(f'MERGE INTO {table} USING "leat_stage_1" AS "s" ON {table}."id" = "s"."id" WHEN MATCHED THEN UPDATE SET '
        '"v" = "s"."v", "doc" = "s"."doc", "_leat_pos" = "s"."_leat_pos" WHEN NOT MATCHED THEN INSERT '
        '("id", "v", "doc", "_leat_pos") VALUES ("s"."id", "s"."v", "s"."doc", "s"."_leat_pos")')
    run(f"UPDATE \"{schema}\".\"progress\" SET \"pos\" = '2' WHERE \"source\" = 'a'")
    run("COMMIT")
    assert run(f'SELECT "id", "v", JSON_SERIALIZE("doc"), "_leat_pos" FROM {table} ORDER BY "id"') == [
        (1, "new", '{"a":[1,2]}', "2"), (3, "kept", None, "1"), (4, "fresh", None, "2")]
    assert db.error(f'MERGE INTO {table} USING "leat_stage_1" AS "s" ON {table}."id" = "s"."id" WHEN MATCHED THEN UPDATE '
                    'SET "v" = "s"."doc"."a" WHEN NOT MATCHED THEN INSERT ("id") VALUES ("s"."id")')[0] == "0A000"


@pytest.mark.parametrize("expression, value", [
    ("COALESCE(v, UPPER(v))", "1a"), ("CASE WHEN n > 5 THEN v ELSE 'x' || v END", "1a"), ("GREATEST(v, '0')", "1a"),
    ("NULLIF(v, '1a')", None), ("v || n", "1a7"), ("n::varchar || 'x'", "7x"), ("w::int + 1", 13), ("w::decimal(10,2)",
     decimal.Decimal("12.00")), ("v LIKE '1%%'", True), ("v IN ('x', LOWER('1A'))", True), ("v BETWEEN '1' AND '2'", True),
    ("v ~ 'a$'", True), ("v = c", False), ("c = 'q'", True), ("c::varchar(5) = 'q'", True), ("LAG(v) OVER (ORDER BY n)", None),
    ("REPLACE(v, 'a', 'b')", "1b"), ("LEFT(v, 1)", "1"), ("SUM(STRTOL(SUBSTRING(MD5(v || w), 1, 8), 16))", 3402679390),
    ("LISTAGG(DISTINCT v, ',')", "1a"), ("COUNT(DISTINCT v)", 1), ("TO_DATE('20200102', 'YYYYMMDD')::varchar", "2020-01-02"),
    ("v = ANY (SELECT v FROM t)", True), ("CONCAT(v, w)", "1a12"), ("LPAD(w, 4, '0')", "0012"), ("v IS NULL OR v = ''", False)])
def test_varchar_in_expressions(db, expression, value):
    db.run("CREATE TABLE t (v varchar(9), w varchar(9), n int, c char(3))")
    db.run("INSERT INTO t VALUES ('1a', '12', 7, 'q')")
    assert db.one(f"SELECT {expression} FROM t", []) == value
    assert db.one(f"SELECT {expression.replace('%%', '%')} FROM t") == value


def test_varchar_in_set_operations(db):
    db.run("CREATE TABLE t (v varchar(9), c char(3))")
    db.run("INSERT INTO t VALUES ('a', 'b')")
    assert db.run("SELECT v FROM t UNION ALL SELECT UPPER(v) FROM t UNION ALL SELECT c FROM t UNION ALL SELECT 'z' ORDER BY 1") \
        in ([("A",), ("a",), ("b",), ("z",)], [("A",), ("a",), ("b  ",), ("z",)])
    assert db.one("SELECT COUNT(*) FROM t a JOIN (SELECT LOWER(v) AS k FROM t) b ON a.v = b.k") == 1
    db.run("CREATE TABLE copied AS SELECT v, UPPER(v) AS u, 'x' AS x, COUNT(*) AS n FROM t GROUP BY v")
    assert db.run("SELECT * FROM copied") == [("a", "A", "x", 1)]
    db.run("INSERT INTO t SELECT u, x FROM copied")
    assert db.one("SELECT COUNT(*) FROM t WHERE v = 'A '") == 1
    db.run("CREATE VIEW w AS SELECT v FROM t WHERE v = 'A  '")
    assert db.run("SELECT * FROM w") == [("A",)]
