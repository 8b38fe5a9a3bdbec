"""COPY: sources, compression, CSV as Redshift reads it, errors that survive ROLLBACK."""
import bz2
import decimal
import gzip
import json
import time
import urllib.request

import psycopg
import pytest
import zstandard
from standin_world import BUCKET, COPY_AUTH, in_thread, wait_for

AUTO = "CSV TIMEFORMAT 'auto' DATEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF"


@pytest.mark.parametrize("options, pack", [
    ("", lambda body: body), ("GZIP", gzip.compress), ("ZSTD", zstandard.compress), ("BZIP2", bz2.compress),
    ("GZIP", lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:])),
    ("ZSTD", lambda body: zstandard.compress(body[:7]) + zstandard.compress(body[7:]))],
    ids=["plain", "gzip", "zstd", "bzip2", "gzip-members", "zstd-frames"])
def test_compression(db, options, pack):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    db.load("t", pack(b"1,a\n2,b\n3,\\N"), f"CSV {options}")
    assert db.run("SELECT * FROM t ORDER BY id") == [(1, "a"), (2, "b"), (3, None)]


@pytest.mark.parametrize("option, body", [("GZIP", b"1,a\n"), ("ZSTD", b"1,a\n"), ("ZSTD", gzip.compress(b"1,a\n")),
                                          ("ZSTD", zstandard.compress(b"1,a\n" * 1000)[:-8]),
                                          ("GZIP", gzip.compress(b"1,a\n" * 1000)[:-12])],
                         ids=["plain-as-gzip", "plain-as-zstd", "gzip-as-zstd", "cut-zstd", "cut-gzip"])
def test_wrong_or_broken_compression_fails(db, option, body):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    with pytest.raises(psycopg.errors.InternalError_):
        db.load("t", body, f"CSV {option}")
    assert db.one("SELECT COUNT(*) FROM t") == 0


def test_manifest(db):
    world, prefix = db.world, db.schema
    db.run("CREATE TABLE t (id int, v varchar(9))")
    one, two = world.put(f"{prefix}/one", "1,a\n"), world.put(f"{prefix}/two", "2,b\n")
    url = world.manifest(f"{prefix}/m", [one, two, one])
    db.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV MANIFEST")
    assert db.run("SELECT id FROM t ORDER BY id") == [(1,), (1,), (2,)]
    assert db.one("SELECT pg_last_copy_count()") == 3
    missing = f"s3://{BUCKET}/{prefix}/missing"
    optional = world.put(f"{prefix}/m2", json.dumps({"entries": [{"url": missing}, {"url": one}]}))
    db.run(f"COPY t FROM '{optional}' {COPY_AUTH} CSV MANIFEST")
    assert db.one("SELECT pg_last_copy_count()") == 1


@pytest.mark.parametrize("body, text", [
    (json.dumps({"entries": [{"url": f"s3://{BUCKET}/none/such", "mandatory": True}]}), "NoSuchKey"),
    (json.dumps({"entries": [{"url": f"s3://{BUCKET}/none/such"}]}), "does not exist"),
    (json.dumps({"entries": [{"mandatory": True}]}), "Mandatory url is not present in manifest file"),
    ("{broken", "manifest"), (gzip.compress(b'{"entries": []}'), "compressed")],
    ids=["mandatory-missing", "none-found", "no-url", "not-json", "compressed"])
def test_manifest_errors(db, body, text):
    db.run("CREATE TABLE t (id int)")
    url = db.world.put(f"{db.schema}/m", body)
    code, message = db.error(f"COPY t FROM '{url}' {COPY_AUTH} CSV MANIFEST")
    assert code == "XX000" and text in message


def test_manifest_that_is_not_there(db):
    db.run("CREATE TABLE t (id int)")
    code, message = db.error(f"COPY t FROM 's3://{BUCKET}/{db.schema}/m' {COPY_AUTH} CSV MANIFEST")
    assert code == "XX000"
    assert message.startswith("Problem reading manifest file - S3ServiceException:") and "Error NoSuchKey" in message


def test_prefix_matches_every_key_that_begins_with_it(db):
    db.run("CREATE TABLE t (id int)")
    for name, body in (("data.csv", "1\n"), ("data.csv.bak", "2\n"), ("other", "3\n")):
        db.world.put(f"{db.schema}/{name}", body)
    db.run(f"COPY t FROM 's3://{BUCKET}/{db.schema}/data.csv' {COPY_AUTH} CSV")
    assert db.run("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert db.error(f"COPY t FROM 's3://{BUCKET}/{db.schema}/nope' {COPY_AUTH} CSV") == (
        "XX000", f"The specified S3 prefix '{db.schema}/nope' does not exist")


def test_prefix_of_more_than_a_page(db):
    db.run("CREATE TABLE t (id int)")
    for n in range(1005):
        db.world.put(f"{db.schema}/many/{n:05}", f"{n}\n")
    db.run(f"COPY t FROM 's3://{BUCKET}/{db.schema}/many/' {COPY_AUTH} CSV")
    assert db.run("SELECT COUNT(*), SUM(id) FROM t") == [(1005, 1005 * 1004 // 2)]


@pytest.mark.parametrize("key", ["with space+plus", "ünï/=&?%41'()*!.csv"])
def test_keys_with_odd_characters(db, key):
    db.run("CREATE TABLE t (id int)")
    url = db.world.put(f"{db.schema}/{key}", "1\n").replace("'", "''")
    db.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV")
    assert db.one("SELECT COUNT(*) FROM t") == 1


def test_keys_given_in_the_statement(db):
    world = db.world
    db.run("CREATE TABLE t (id int)")
    url = world.put(f"{db.schema}/x", "1\n")
    db.run(f"COPY t FROM '{url}' ACCESS_KEY_ID '{world.s3_key}' SECRET_ACCESS_KEY '{world.s3_secret}' CSV")
    db.run(f"COPY t FROM '{url}' CREDENTIALS 'aws_access_key_id={world.s3_key};aws_secret_access_key={world.s3_secret}' CSV")
    code, message = db.error(f"COPY t FROM '{url}' ACCESS_KEY_ID '{world.s3_key}' SECRET_ACCESS_KEY 'wrong-one' CSV")
    assert code == "XX000" and message.startswith("S3ServiceException:") and ",Status 403,Error SignatureDoesNotMatch" in message
    code, message = db.error(f"COPY t FROM '{url}' ACCESS_KEY_ID 'nobody' SECRET_ACCESS_KEY 'wrong-one' CSV")
    assert code == "XX000" and ",Status 403,Error InvalidAccessKeyId" in message
    text = str(world.journal())
    assert "wrong-one" not in text and world.s3_secret not in text


def test_a_failed_copy_tells_the_reason_in_its_detail(db):
    db.run("CREATE TABLE t (id int)")
    with pytest.raises(psycopg.errors.InternalError_) as caught:
        db.run(f"COPY t FROM 's3://{BUCKET}/none' {COPY_AUTH} CSV")
    detail = caught.value.diag.message_detail
    assert "code:      8001" in detail and "error:  The specified S3 prefix" in detail


@pytest.mark.parametrize("reading, view", [("stl", "stl_load_errors"), ("sys", "sys_load_error_detail")])
def test_load_errors_survive_rollback(db, reading, view):
    db.world.switch(copy_error_view=reading)
    db.run("CREATE TABLE t (id int, v varchar(3))")
    db.run("INSERT INTO t VALUES (0, 'x')")
    url = db.world.put(f"{db.schema}/part 1.csv", "1,ok\n2,too long\n")
    db.run("BEGIN")
    assert db.error(f"COPY t FROM '{url}' {COPY_AUTH} CSV") == (
        "XX000", f"Load into table 't' failed.  Check '{view}' system table for details.")
    assert db.error("SELECT 1")[0] == "25P02"
    db.run("ROLLBACK")
    assert db.run("SELECT TRIM(filename), line_number, TRIM(colname), TRIM(type), TRIM(col_length), TRIM(raw_line), "
                  "TRIM(raw_field_value), err_code, TRIM(err_reason) FROM stl_load_errors WHERE query = pg_last_copy_id()") == [
        (url, 2, "v", "varchar", "3", "2,too long", "too long", 1204, "String length exceeds DDL length")]
    assert db.run("SELECT TRIM(file_name), line_number, TRIM(column_name), error_code FROM sys_load_error_detail "
                  f"WHERE file_name LIKE '{url}%'") == [(url, 2, "v", 1204)]
    assert db.run("SELECT * FROM t") == [(0, "x")]


def test_load_history(db):
    db.run("CREATE TABLE t (id int)")
    db.load("t", "1\n2\n")
    where = "WHERE query_id = pg_last_copy_id()"
    assert db.run(f"SELECT status, loaded_rows, error_count FROM sys_load_history {where}") == [("completed", 2, 0)]
    assert db.run(f"SELECT lines_scanned FROM sys_load_detail {where}") == [(2,)]
    assert db.run("SELECT lines_scanned FROM stl_load_commits WHERE query = pg_last_copy_id()") == [(2,)]


def test_notice_and_tag(db):
    notices = []
    db.connection.add_notice_handler(lambda diag: notices.append(diag.message_primary))
    db.run("CREATE TABLE t (id int)")
    assert db.load("t", "1\n2\n") == "COPY"
    assert notices == ["Load into table 't' completed, 2 record(s) loaded successfully."]


def test_nonexistent_table(db):
    assert db.error(f"COPY nowhere FROM 's3://{BUCKET}/x' {COPY_AUTH} CSV") == (
        "XX000", "Cannot COPY into nonexistent table nowhere")


def test_csv_as_redshift_reads_it(db):
    db.run("CREATE TABLE t (id int, a varchar(40), b varchar(40))")
    body = ('1,plain,"quoted"\n2,"a ""b"", c","two\nlines"\n3,,""\n4,\\N,"x"\n5, lead,trail \n6, "blanks" ,\\back\n'
            '7,\u00e9\u20ac,\U0001f600\r\n8,a"b,\t\n')
    db.load("t", body)
    assert db.run("SELECT * FROM t ORDER BY id") == [
        (1, "plain", "quoted"), (2, 'a "b", c', "two\nlines"), (3, "", ""), (4, None, "x"), (5, " lead", "trail "),
        (6, "blanks", "\\back"), (7, "\u00e9\u20ac", "\U0001f600"), (8, 'a"b', "\t")]


def test_empty_field_is_null_except_for_text(db):
    db.run("CREATE TABLE t (a int, b decimal(9,2), c date, d timestamp, e boolean, f float8, v varchar(5), k char(2))")
    db.load("t", ",,,,,,,\n")
    assert db.run("SELECT a, b, c, d, e, f, v, k FROM t") == [(None,) * 6 + ("", "  ")]


@pytest.mark.parametrize("reading, value", [("match", None), ("literal", "\\N")])
def test_switch_quoted_null(db, reading, value):
    db.world.switch(quoted_null=reading)
    db.run("CREATE TABLE t (id int, v varchar(9))")
    db.load("t", '1,"\\N"\n2,\\N\n3,"say ""hi"""\n')
    assert db.run("SELECT v FROM t ORDER BY id") == [(value,), (None,), ('say "hi"',)]


def test_other_marker_delimiter_and_quote(db):
    db.run("CREATE TABLE t (id int, v varchar(9))")
    db.load("t", "1|@NULL@\n2|'a|b'\n3|\\N\n", "CSV DELIMITER '|' QUOTE '''' NULL AS '@NULL@'")
    assert db.run("SELECT v FROM t ORDER BY id") == [(None,), ("a|b",), ("\\N",)]


def test_options(db):
    db.run("CREATE TABLE t (id int, v varchar(5))")

    def rows(body, options):
        db.run("DELETE FROM t")
        db.load("t", body, options)
        return db.run("SELECT id, v FROM t ORDER BY id")
    assert rows("id,v\n1,a\n", "CSV IGNOREHEADER 1") == [(1, "a")]
    assert rows("1,a\n\n2,b\n", "CSV IGNOREBLANKLINES") == [(1, "a"), (2, "b")]
    assert rows("1\n2,b\n", "CSV FILLRECORD") == [(1, ""), (2, "b")]
    assert rows("1,abcdefgh\n", "CSV TRUNCATECOLUMNS") == [(1, "abcde")]
    assert rows("1,\n2,  \n", "CSV EMPTYASNULL BLANKSASNULL") == [(1, None), (2, None)]
    assert rows(b"1,a\xffb\n", "CSV ACCEPTINVCHARS '^'") == [(1, "a^b")]
    assert rows("1,a       \n", "CSV") == [(1, "a    ")]
    assert rows("1|a\n2|\\N\n", "") == [(1, "a"), (2, None)]
    assert rows("1|a\\|b\n", "ESCAPE") == [(1, "a|b")]
    assert rows("x,a\n2,b\n", "CSV MAXERROR 2") == [(2, "b")]
    assert rows("x,a\n2,b\ny,c\n", "CSV IGNOREALLERRORS") == [(2, "b")]
    assert rows("1,a\n", "CSV NOLOAD") == []
    with pytest.raises(psycopg.errors.InternalError_):
        rows("x,a\ny,b\n3,c\n", "CSV MAXERROR 2")


def test_decimals(db):
    db.run("CREATE TABLE t (id int, v decimal(6,2))")
    db.load("t", "1,1.239\n2,-1.239\n3,5\n4,.5\n5,9999.999\n")
    assert [row[0] for row in db.run("SELECT v FROM t ORDER BY id")] == [
        decimal.Decimal(v) for v in ("1.23", "-1.23", "5.00", "0.50", "9999.99")]
    db.run("DELETE FROM t")
    db.load("t", "1,1.235\n2,-1.239\n", "CSV ROUNDEC")
    assert [row[0] for row in db.run("SELECT v FROM t ORDER BY id")] == [decimal.Decimal("1.24"), decimal.Decimal("-1.24")]
    db.run("INSERT INTO t VALUES (3, 1.239)")
    assert db.one("SELECT v FROM t WHERE id = 3") == decimal.Decimal("1.24")


def test_times(db):
    db.run("CREATE TABLE t (id int, d date, ts timestamp, tz timestamptz)")
    db.load("t", "1,2020-02-29,2020-02-29 10:11:12.123456,2020-02-29 10:11:12.123456+02\n"
                 "2,2020-02-29,2020-02-29T10:11:12Z,2020-02-29T10:11:12+00:00\n"
                 "3,2020-12-31,2020-02-29 10:11:12+05,2020-02-29 10:11:12\n", AUTO)
    assert db.run("SELECT id, ts::varchar(30), tz::varchar(40) FROM t ORDER BY id") == [
        (1, "2020-02-29 10:11:12.123456", "2020-02-29 08:11:12.123456+00"),
        (2, "2020-02-29 10:11:12", "2020-02-29 10:11:12+00"), (3, "2020-02-29 10:11:12", "2020-02-29 10:11:12+00")]


def test_json(db):
    db.run("CREATE TABLE t (id int, v varchar(9), j super, b boolean)")
    db.load("t", '{"id": 1, "v": "a", "j": {"x": [1, 2]}, "b": true, "other": 5}\n{"id": 2}{"id": 3, "v": "", "j": null}',
            "JSON 'auto'")
    assert db.run("SELECT id, v, JSON_SERIALIZE(j), b FROM t ORDER BY id") == [
        (1, "a", '{"x":[1,2]}', True), (2, None, None, None), (3, "", None, None)]
    db.run("CREATE TABLE n (j super)")
    db.load("n", '{"a": 1}\n{"b": 2}\n', "JSON 'noshred'")
    assert db.one("SELECT COUNT(*) FROM n") == 2


def test_columns_and_defaults(db):
    db.run("CREATE TABLE t (id int NOT NULL, v varchar(9) DEFAULT 'dflt', n int)")
    db.load("t", "7,1\n", columns="(n, id)")
    assert db.run("SELECT id, v, n FROM t") == [(1, "dflt", 7)]
    with pytest.raises(psycopg.errors.InternalError_):
        db.load("t", "7\n", columns="(n)")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        db.load("t", "7\n", columns="(nope)")


def test_atomic_over_files(db):
    db.run("CREATE TABLE t (id int)")
    url = db.world.manifest(f"{db.schema}/m", [db.world.put(f"{db.schema}/a", "1\n" * 100_000),
                                               db.world.put(f"{db.schema}/b", "x\n")])
    assert db.error(f"COPY t FROM '{url}' {COPY_AUTH} CSV MANIFEST")[0] == "XX000"
    assert db.one("SELECT COUNT(*) FROM t") == 0
    assert db.run("SELECT TRIM(filename), line_number FROM stl_load_errors WHERE query = pg_last_copy_id()") == [
        (f"s3://{BUCKET}/{db.schema}/b", 1)]


def test_chunk_borders(db):
    """Records of odd lengths over several reads, with quotes, newlines and multi-byte characters at the borders."""
    db.run("CREATE TABLE t (id int, v varchar(2000))")
    rows = [(n, ("\u20ac\n\"," * 7 + "x") * (n % 23)) for n in range(20_000)]
    body = "".join(f'{n},"{v.replace(chr(34), chr(34) * 2)}"\n' for n, v in rows)
    db.load("t", body, compress="zstd")
    assert db.run("SELECT id, v FROM t ORDER BY id") == rows


def test_fast_and_slow_rows_mix(db):
    db.run("CREATE TABLE t (id bigint NOT NULL, v varchar(30), n decimal(18,2), d date, ts timestamptz)")
    body = "".join(f"{n}," + ("\\N" if n % 5 == 0 else f'"q ""{n}"""' if n % 3 == 0 else f"v{n}") + f",{n}.25,"
                   + ("" if n % 7 == 0 else "2020-02-28") + ",2020-01-01 00:00:00.5+00\n" for n in range(50_000))
    db.load("t", body, AUTO, compress="zstd")
    assert db.run("SELECT COUNT(*), COUNT(v), COUNT(d), SUM(n) FROM t") == [
        (50_000, 40_000, 42_857, decimal.Decimal(sum(range(50_000))) + decimal.Decimal("12500.00"))]
    assert db.one("SELECT v FROM t WHERE id = 3") == 'q "3"'


@pytest.mark.parametrize("value", ["[1,,2]", '{"a":1', "[1]]"])
def test_a_row_that_only_postgresql_refuses_is_named_all_the_same(db, value):
    """SUPER values of a fast run are judged upstream; the views name file, line, column and row as always."""
    db.run("CREATE TABLE t (id int, j super, v varchar(9))")
    quoted = value.replace('"', '""')
    one = db.world.put(f"{db.schema}/one", 'x,y,z\n1,[],"a\nb"\n2,"[1]",\\N\n')
    two = db.world.put(f"{db.schema}/two", f'x,y,z\n3,"[2]","c\nd"\n4,"{quoted}",bad\n5,"[3]",e\n')
    url = db.world.manifest(f"{db.schema}/m", [one, two])
    assert db.error(f"COPY t FROM '{url}' {COPY_AUTH} CSV MANIFEST IGNOREHEADER 1")[0] == "XX000"
    assert db.run("SELECT TRIM(filename), line_number, TRIM(colname), TRIM(raw_line), err_code FROM stl_load_errors "
                  "WHERE query = pg_last_copy_id()") == [(two, 4, "j", f'4,"{quoted}",bad', 1224)]


def test_backslash_dot_is_data(db):
    db.run("CREATE TABLE t (v varchar(9))")
    db.load("t", "\\.\na\n")
    assert db.run("SELECT v FROM t ORDER BY v") == [("\\.",), ("a",)]


def test_empty_file_and_empty_prefix_object(db):
    db.run("CREATE TABLE t (id int)")
    db.load("t", "")
    assert db.one("SELECT COUNT(*) FROM t") == 0
    assert db.one("SELECT pg_last_copy_count()") == 0


def test_other_clients_are_answered_during_a_copy(db):
    db.run("CREATE TABLE t (id bigint, v varchar(40), n decimal(18,2))")
    url = db.world.put(f"{db.schema}/big.zst", zstandard.compress(b"".join(
        b"%d,name of %d,%d.25\n" % (n, n, n) for n in range(400_000))))
    other = db.again()
    thread, result = in_thread(lambda: db.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV ZSTD"))
    slowest, rounds = 0, 0
    while thread.is_alive():
        started = time.monotonic()
        assert other.one("SELECT 1") == 1
        with urllib.request.urlopen(db.world.control + "/switches", timeout=5) as response:
            assert response.status == 200
        slowest, rounds = max(slowest, time.monotonic() - started), rounds + 1
    thread.join()
    assert result == {"value": "COPY"} and rounds > 5 and slowest < 2
    other.close()


def test_cancel_of_a_copy(db):
    db.run("CREATE TABLE t (id bigint)")
    url = db.world.put(f"{db.schema}/big.zst", zstandard.compress(b"".join(b"%d\n" % n for n in range(2_000_000))))
    watcher = db.again()
    thread, result = in_thread(lambda: db.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV ZSTD"))
    wait_for("the COPY", lambda: watcher.one("SELECT COUNT(*) FROM svv_transactions WHERE lock_mode = 'ShareRowExclusiveLock'") > 0)
    db.connection.cancel()
    thread.join(60)
    assert result["error"].sqlstate == "57014"
    assert db.one("SELECT COUNT(*) FROM t") == 0
    watcher.close()
