-- The system views that a loader or a reader asks. Dropped and made again whenever this file changes.
CREATE VIEW standin.table_list AS
SELECT c.oid, n.nspname::text AS schema, standin.name_of(c.relname) AS name, c.relkind, c.relpersistence, c.relnamespace,
    c.reltuples, pg_get_userbyid(c.relowner)::text AS owner, standin.note_of(c.oid) AS note
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('standin', 'pg_catalog', 'information_schema', 'pg_toast')
    AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema());

CREATE VIEW standin.column_list AS
SELECT t.*, a.attnum, standin.name_of(a.attname) AS colname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity,
    CASE WHEN a.atthasdef THEN pg_get_expr(d.adbin, d.adrelid) END AS default_value,
    CASE a.atttypid WHEN 'standin.varchar'::regtype THEN 'character varying' WHEN 'text'::regtype THEN 'character varying'
        WHEN 'standin.super'::regtype THEN 'super' WHEN 'standin.varbyte'::regtype THEN 'binary varying'
        WHEN 'bpchar'::regtype THEN 'character' ELSE format_type(a.atttypid, NULL) END AS base_type,
    CASE WHEN a.atttypid IN ('standin.varchar'::regtype, 'bpchar'::regtype, 'varchar'::regtype, 'standin.varbyte'::regtype)
            AND a.atttypmod > 0 THEN a.atttypmod - 4
        WHEN a.atttypid = 'text'::regtype THEN 65535 END AS length,
    CASE a.atttypid WHEN 'numeric'::regtype THEN ((a.atttypmod - 4) >> 16) & 65535 WHEN 'int2'::regtype THEN 16
        WHEN 'int4'::regtype THEN 32 WHEN 'int8'::regtype THEN 64 WHEN 'float4'::regtype THEN 24
        WHEN 'float8'::regtype THEN 53 END AS precision,
    CASE a.atttypid WHEN 'numeric'::regtype THEN (a.atttypmod - 4) & 2047 WHEN 'int2'::regtype THEN 0
        WHEN 'int4'::regtype THEN 0 WHEN 'int8'::regtype THEN 0 END AS scale
FROM standin.table_list t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum;

CREATE VIEW standin.info_columns AS
SELECT current_database()::text AS table_catalog, schema AS table_schema, name AS table_name, colname AS column_name,
    row_number() OVER (PARTITION BY oid ORDER BY attnum)::integer AS ordinal_position, default_value AS column_default,
    CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, base_type AS data_type,
    length AS character_maximum_length, precision AS numeric_precision, scale AS numeric_scale,
    CASE WHEN base_type LIKE 'time%' THEN 6 END AS datetime_precision, NULL::text AS remarks
FROM standin.column_list;
CREATE VIEW standin.info_tables AS
SELECT current_database()::text AS table_catalog, schema AS table_schema, name AS table_name,
    CASE WHEN relkind = 'v' THEN 'VIEW' WHEN relpersistence = 't' THEN 'LOCAL TEMPORARY' ELSE 'BASE TABLE' END AS table_type
FROM standin.table_list;
CREATE VIEW standin.info_schemata AS
SELECT current_database()::text AS catalog_name, nspname::text AS schema_name, pg_get_userbyid(nspowner)::text AS schema_owner
FROM pg_namespace WHERE nspname <> 'standin';
CREATE VIEW standin.info_table_constraints AS
SELECT schema AS table_schema, name AS table_name, name || '_pkey' AS constraint_name, 'PRIMARY KEY'::text AS constraint_type
FROM standin.table_list WHERE note ? 'primary_key';
CREATE VIEW standin.info_key_column_usage AS
SELECT schema AS table_schema, name AS table_name, name || '_pkey' AS constraint_name, k.value AS column_name,
    k.ordinality::integer AS ordinal_position
FROM standin.table_list, LATERAL jsonb_array_elements_text(note->'primary_key') WITH ORDINALITY k;

CREATE VIEW standin.svv_columns AS SELECT * FROM standin.info_columns;
CREATE VIEW standin.svv_tables AS SELECT *, NULL::text AS remarks FROM standin.info_tables;
CREATE VIEW standin.svv_redshift_columns AS
SELECT current_database()::text AS database_name, schema AS schema_name, name AS table_name, colname AS column_name,
    row_number() OVER (PARTITION BY oid ORDER BY attnum)::integer AS ordinal_position,
    base_type || CASE WHEN base_type = 'numeric' THEN format('(%s,%s)', precision, scale)
        WHEN length IS NOT NULL THEN format('(%s)', length) ELSE '' END AS data_type,
    default_value AS column_default, CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
    coalesce(note->'encode'->>colname, 'none') AS encoding, coalesce(note->>'distkey' = colname, false) AS distkey,
    coalesce((SELECT k.ordinality FROM jsonb_array_elements_text(note->'sortkey') WITH ORDINALITY k
        WHERE k.value = colname), 0)::integer AS sortkey, NULL::text AS column_acl, NULL::text AS remarks
FROM standin.column_list;
CREATE VIEW standin.svv_all_columns AS
SELECT current_database()::text AS database_name, table_schema AS schema_name, table_name, column_name, ordinal_position,
    column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, remarks
FROM standin.info_columns;
CREATE VIEW standin.svv_redshift_tables AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name,
    CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS table_type, NULL::text AS table_acl, NULL::text AS remarks
FROM standin.info_tables;
CREATE VIEW standin.svv_all_tables AS SELECT * FROM standin.svv_redshift_tables;
CREATE VIEW standin.pg_table_def AS
SELECT schema AS schemaname, name AS tablename, colname AS "column",
    base_type || CASE WHEN base_type = 'numeric' THEN format('(%s,%s)', precision, scale)
        WHEN length IS NOT NULL THEN format('(%s)', length) ELSE '' END AS type,
    coalesce(note->'encode'->>colname, 'none') AS encoding, coalesce(note->>'distkey' = colname, false) AS distkey,
    coalesce((SELECT k.ordinality FROM jsonb_array_elements_text(note->'sortkey') WITH ORDINALITY k
        WHERE k.value = colname), 0)::integer AS sortkey, attnotnull AS "notnull"
FROM standin.column_list WHERE relkind = 'r' AND schema = ANY (current_schemas(true)::text[])
ORDER BY schema, name, attnum;
CREATE VIEW standin.svv_table_info AS
SELECT current_database()::text AS database, schema, oid::integer AS table_id, name AS "table",
    CASE WHEN note->'encode' <> '{}' THEN 'Y' ELSE 'N' END AS encoded,
    CASE WHEN note ? 'distkey' THEN format('KEY(%s)', note->>'distkey')
        WHEN note->>'diststyle' IN ('ALL', 'EVEN') THEN note->>'diststyle' ELSE 'AUTO(ALL)' END AS diststyle,
    coalesce(note->'sortkey'->>0, 'AUTO(SORTKEY)') AS sortkey1,
    (SELECT max(length) FROM standin.column_list cl WHERE cl.oid = t.oid AND cl.base_type = 'character varying') AS max_varchar,
    jsonb_array_length(coalesce(note->'sortkey', '[]')) AS sortkey_num,
    greatest(1, pg_total_relation_size(oid) / 1048576) AS size, 0::numeric AS unsorted, 0::numeric AS stats_off,
    (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', oid::regclass), false, true, '')))[1]::text::numeric
        AS tbl_rows,
    (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', oid::regclass), false, true, '')))[1]::text::numeric
        AS estimated_visible_rows
FROM standin.table_list t
WHERE relkind = 'r' AND relpersistence = 'p' AND has_table_privilege(oid, 'SELECT') AND pg_relation_size(oid) > 0;
CREATE VIEW standin.pg_class AS
SELECT c.oid, standin.name_of(c.relname) AS relname, c.relnamespace, c.reltype, c.relowner, c.relam, c.relfilenode,
    c.relpages, c.reltuples, c.relhasindex, c.relisshared, c.relkind, c.relnatts,
    CASE WHEN standin.note_of(c.oid) ? 'distkey' THEN 1 WHEN standin.note_of(c.oid)->>'diststyle' = 'EVEN' THEN 0
        WHEN standin.note_of(c.oid)->>'diststyle' = 'ALL' THEN 8 ELSE 9 END AS reldiststyle
FROM pg_class c WHERE c.relnamespace <> 'standin'::regnamespace;
CREATE VIEW standin.pg_database_info AS
SELECT oid AS datid, datname, datallowconn, '{concurrency_model=1}'::text AS datconfig FROM pg_database
WHERE datname = current_database();
CREATE VIEW standin.stv_db_isolation_level AS
SELECT datname::text AS db_name, 'Snapshot Isolation'::text AS isolation_level FROM pg_database
WHERE datname = current_database();
CREATE VIEW standin.svv_transactions AS
SELECT a.usename::text AS txn_owner, a.datname::text AS txn_db, coalesce(l.transactionid::text::bigint, l.pid::bigint) AS xid,
    l.pid, a.xact_start AS txn_start, l.mode AS lock_mode, CASE l.locktype WHEN 'relation' THEN 'relation' ELSE 'transactionid' END
        AS lockable_object_type, l.relation, l.granted
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype IN ('relation', 'transactionid')
    AND l.pid <> pg_backend_pid() AND a.datname = current_database();
CREATE VIEW standin.stv_sessions AS
SELECT backend_start AS starttime, pid AS process, usename::text AS user_name, datname::text AS db_name
FROM pg_stat_activity WHERE datname = current_database();

CREATE VIEW standin.stl_load_errors AS
SELECT userid, 0 AS slice, table_id AS tbl, starttime, session, query, filename::char(256) AS filename, line_number,
    colname::char(127) AS colname, type::char(10) AS type, col_length::char(10) AS col_length, position,
    raw_line::char(1024) AS raw_line, raw_field_value::char(1024) AS raw_field_value, err_code,
    err_reason::char(100) AS err_reason, 0 AS is_partial, 0::bigint AS start_offset, 0 AS copy_job_id
FROM standin.load_error;
CREATE VIEW standin.stl_loaderror_detail AS
SELECT userid, 0 AS slice, session, query, filename::char(256) AS filename, line_number, 0 AS field,
    colname::char(1024) AS colname, raw_field_value::char(1024) AS value, 0 AS is_null, type::char(10) AS type,
    col_length::char(10) AS col_length
FROM standin.load_error;
CREATE VIEW standin.sys_load_error_detail AS
SELECT userid AS user_id, query AS query_id, xid AS transaction_id, session AS session_id,
    database_name::char(64) AS database_name, table_id, starttime AS start_time, filename::char(256) AS file_name,
    line_number, colname::char(127) AS column_name, type::char(10) AS column_type, col_length::char(10) AS column_length,
    position, err_code AS error_code, err_reason::char(512) AS error_message
FROM standin.load_error;
CREATE VIEW standin.stl_load_commits AS
SELECT userid, query, 0 AS slice, 0 AS name, filename::char(256) AS filename, 0 AS byte_offset, rows::integer AS lines_scanned,
    errors::integer AS errors, endtime AS curtime, 1 AS status, bytes AS file_size
FROM standin.load_file WHERE status = 'completed';
CREATE VIEW standin.sys_load_detail AS
SELECT userid AS user_id, query AS query_id, filename AS file_name, bytes AS bytes_scanned, rows AS lines_scanned,
    errors AS error_count, endtime AS record_time FROM standin.load_file WHERE status = 'completed';
CREATE VIEW standin.sys_load_history AS
SELECT userid AS user_id, query AS query_id, xid AS transaction_id, session AS session_id, current_database()::text AS database_name,
    status, table_name, min(starttime) AS start_time, max(endtime) AS end_time, data_source, sum(rows) AS loaded_rows,
    sum(bytes) AS loaded_bytes, count(filename) AS source_file_count, sum(errors) AS error_count
FROM standin.load_file GROUP BY userid, query, xid, session, status, table_name, data_source;
CREATE VIEW standin.stl_query AS
SELECT userid, query, pid, starttime, endtime, aborted, querytxt::char(4000) AS querytxt, current_database()::text AS database
FROM standin.query_log;
CREATE VIEW standin.sys_query_history AS
SELECT userid AS user_id, query AS query_id, pid AS session_id, starttime AS start_time, endtime AS end_time, status,
    upper(split_part(ltrim(querytxt), ' ', 1)) AS query_type, querytxt AS query_text, error AS error_message,
    extract(epoch FROM endtime - starttime)::numeric * 1000000 AS elapsed_time
FROM standin.query_log;
GRANT SELECT ON ALL TABLES IN SCHEMA standin TO PUBLIC;
