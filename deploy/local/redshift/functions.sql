-- Functions that Redshift has and PostgreSQL has not, and the checks behind the gate. Replaced whenever this file changes.
CREATE OR REPLACE FUNCTION standin.name_of(short name) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(short::text, '~') = 0 THEN short::text
        ELSE coalesce((SELECT l.name FROM standin.long_name l WHERE l.short = $1::text), $1::text) END $$;
CREATE OR REPLACE FUNCTION standin.fail_when(bad boolean, state text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF bad THEN RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message; END IF;
END $$;
CREATE OR REPLACE FUNCTION standin.lock_writer(target text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'LOCK TABLE ' || target || ' IN SHARE ROW EXCLUSIVE MODE';
END $$;

-- notes: what Redshift keeps about a table and PostgreSQL cannot
CREATE OR REPLACE FUNCTION standin.note_table(target text, notes text, merge boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO standin.table_note AS t VALUES (target::regclass, jsonb_strip_nulls(notes::jsonb))
    ON CONFLICT (relid) DO UPDATE SET note = CASE WHEN merge
        THEN jsonb_strip_nulls(t.note || excluded.note || notes::jsonb
            || jsonb_build_object('encode', coalesce(t.note->'encode', '{}') || coalesce(notes::jsonb->'encode', '{}')))
        ELSE t.note END;
END $$;
CREATE OR REPLACE FUNCTION standin.note_like(target text, source text, notes text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    inherited jsonb := '{}';
BEGIN
    SELECT note - 'primary_key' - 'unique' - 'foreign_key' INTO inherited FROM standin.table_note
        WHERE relid = source::regclass;
    INSERT INTO standin.table_note VALUES (target::regclass, notes::jsonb || coalesce(inherited, '{}'))
    ON CONFLICT (relid) DO NOTHING;
END $$;
CREATE OR REPLACE FUNCTION standin.note_drop_keys(target text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE standin.table_note SET note = note - 'primary_key' - 'unique' - 'foreign_key'
        WHERE relid = target::regclass $$;
CREATE OR REPLACE FUNCTION standin.note_of(relid oid) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT coalesce((SELECT note FROM standin.table_note t WHERE t.relid = $1), '{}') $$;

-- checks
CREATE OR REPLACE FUNCTION standin.check_drop_column(target text, colname text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    note jsonb := standin.note_of(target::regclass);
BEGIN
    IF note->>'distkey' = colname THEN
        RAISE EXCEPTION 'cannot drop distkey column "%"', colname USING ERRCODE = '0A000';
    ELSIF note->'sortkey' ? colname THEN
        RAISE EXCEPTION 'cannot drop sortkey column "%"', colname USING ERRCODE = '0A000';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION standin.check_alter_type(target text, short text, colname text, size integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    note jsonb := standin.note_of(target::regclass);
    col pg_attribute;
    longest integer;
    encoding text := note->'encode'->>colname;
BEGIN
    SELECT * INTO col FROM pg_attribute WHERE attrelid = target::regclass AND attname = short AND attnum > 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of relation "%" does not exist', colname, target USING ERRCODE = '42703';
    END IF;
    IF col.atttypid <> 'standin.varchar'::regtype OR size = 0 THEN
        RAISE EXCEPTION 'ALTER COLUMN TYPE is not supported for column "%": only VARCHAR can change its size', colname
            USING ERRCODE = '0A000';
    END IF;
    IF col.atthasdef OR note->'primary_key' ? colname
        OR EXISTS (SELECT 1 FROM jsonb_array_elements(coalesce(note->'unique', '[]')) u WHERE u ? colname)
        OR EXISTS (SELECT 1 FROM jsonb_array_elements(coalesce(note->'foreign_key', '[]')) f WHERE f->'columns' ? colname)
    THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%", it has a default or a key', colname, trim('"' FROM target)
            USING ERRCODE = '0A000';
    END IF;
    IF encoding IN ('bytedict', 'runlength', 'text255', 'text32k') THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%" with encode type %', colname, trim('"' FROM target), encoding
            USING ERRCODE = '0A000';
    END IF;
    IF col.atttypmod - 4 = size THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%", target column size should be different', colname,
            trim('"' FROM target) USING ERRCODE = '0A000';
    END IF;
    IF size < col.atttypmod - 4 THEN
        EXECUTE format('SELECT max(octet_length(%I::text)) FROM %s', short, target) INTO longest;
        IF longest > size THEN
            RAISE EXCEPTION 'cannot alter column "%" of relation "%", target column size should not be less than the '
                'maximum length of the column''s existing values', colname, trim('"' FROM target) USING ERRCODE = '0A000';
        END IF;
    END IF;
END $$;
CREATE OR REPLACE FUNCTION standin.check_super_size(target text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    col name;
    found_one boolean;
BEGIN
    FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped
            AND atttypid = 'standin.super'::regtype LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE octet_length((%I::json)::text) > 65535)', target, col)
            INTO found_one;
        IF found_one THEN
            RAISE EXCEPTION 'String value exceeds the max size of 65535 bytes' USING ERRCODE = 'XX000';
        END IF;
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION standin.check_same_columns(target text, source text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one text;
    other text;
BEGIN
    SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) INTO one FROM pg_attribute
        WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped;
    SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) INTO other FROM pg_attribute
        WHERE attrelid = source::regclass AND attnum > 0 AND NOT attisdropped;
    IF one <> other THEN
        RAISE EXCEPTION 'REMOVE DUPLICATES needs a source with the same columns as the target' USING ERRCODE = '0A000';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION standin.append_table(target text, source text, mode text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    extra integer;
    missing integer;
    columns text;
BEGIN
    IF (SELECT relpersistence FROM pg_class WHERE oid = target::regclass) = 't'
        OR (SELECT relpersistence FROM pg_class WHERE oid = source::regclass) = 't' THEN
        RAISE EXCEPTION 'ALTER TABLE APPEND needs permanent tables' USING ERRCODE = '0A000';
    END IF;
    EXECUTE format('LOCK TABLE %s, %s IN SHARE ROW EXCLUSIVE MODE', target, source);
    SELECT count(*) FILTER (WHERE t.attname IS NULL), count(*) FILTER (WHERE s.attname IS NULL),
        string_agg(quote_ident(s.attname), ', ' ORDER BY s.attnum)
            FILTER (WHERE t.attname IS NOT NULL AND s.attname IS NOT NULL)
        INTO extra, missing, columns
        FROM (SELECT * FROM pg_attribute WHERE attrelid = source::regclass AND attnum > 0 AND NOT attisdropped) s
        FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped) t
            ON s.attname = t.attname AND s.atttypid = t.atttypid AND s.atttypmod = t.atttypmod
                AND s.attnotnull = t.attnotnull;
    IF (extra > 0 AND mode <> 'ignoreextra') OR (missing > 0 AND mode <> 'filltarget') OR columns IS NULL
        OR standin.note_of(target::regclass)->'distkey' IS DISTINCT FROM standin.note_of(source::regclass)->'distkey'
        OR standin.note_of(target::regclass)->'sortkey' IS DISTINCT FROM standin.note_of(source::regclass)->'sortkey' THEN
        RAISE EXCEPTION 'ALTER TABLE APPEND needs like columns and keys in both tables' USING ERRCODE = '0A000';
    END IF;
    EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s', target, columns, columns, source);
    EXECUTE format('DELETE FROM %s', source);
END $$;

-- Redshift's functions
CREATE OR REPLACE FUNCTION standin.pg_last_copy_count(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE OR REPLACE FUNCTION standin.pg_last_copy_id(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE OR REPLACE FUNCTION standin.pg_last_query_id(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE OR REPLACE FUNCTION standin.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION standin.sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
    $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION standin.current_user_id() RETURNS integer LANGUAGE sql STABLE AS
    $$ SELECT oid::integer FROM pg_roles WHERE rolname = current_user $$;
CREATE OR REPLACE FUNCTION standin.nvl2(a anyelement, b anycompatible, c anycompatible) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN a IS NOT NULL THEN b ELSE c END';
CREATE OR REPLACE FUNCTION standin.nvl2(a text, b anycompatible, c anycompatible) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN a IS NOT NULL THEN b ELSE c END';
CREATE OR REPLACE FUNCTION standin.charindex(part text, whole text) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT strpos(whole, part)';
CREATE OR REPLACE FUNCTION standin.strtol(digits text, base integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    rest text := lower(trim(digits));
    negative boolean := rest LIKE '-%';
    sum numeric := 0;
    digit integer;
BEGIN
    rest := ltrim(rest, '+-');
    IF base = 16 AND rest LIKE '0x%' THEN rest := substr(rest, 3); END IF;
    IF base = 16 AND NOT negative AND rest ~ '^[0-9a-f]{1,15}$' THEN
        RETURN ('x' || lpad(rest, 16, '0'))::bit(64)::bigint;
    END IF;
    FOR i IN 1..length(rest) LOOP
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(rest, i, 1)) - 1;
        IF digit < 0 OR digit >= base THEN
            RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base USING ERRCODE = '22023';
        END IF;
        sum := sum * base + digit;
    END LOOP;
    IF negative THEN sum := -sum; END IF;
    IF base = 16 AND sum > 9223372036854775807 AND sum < 18446744073709551616 THEN
        RAISE EXCEPTION 'The input % is not within the range of BIGINT', digits USING ERRCODE = '22003';
    END IF;
    RETURN sum;
END $$;
CREATE OR REPLACE FUNCTION standin.trunc(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT value::date';
CREATE OR REPLACE FUNCTION standin.trunc(value numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.trunc(value)';
CREATE OR REPLACE FUNCTION standin.trunc(value numeric, places integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.trunc(value, places)';
CREATE OR REPLACE FUNCTION standin.last_day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE AS
    $$ SELECT (date_trunc('month', value) + interval '1 month' - interval '1 day')::date $$;
CREATE OR REPLACE FUNCTION standin.add_months(value timestamp, n integer) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
    $$ SELECT value + n * interval '1 month' $$;
CREATE OR REPLACE FUNCTION standin.months_between(a timestamp, b timestamp) RETURNS double precision LANGUAGE sql IMMUTABLE AS
    $$ SELECT (extract(year FROM a) - extract(year FROM b)) * 12 + extract(month FROM a) - extract(month FROM b)
        + (extract(day FROM a) - extract(day FROM b)) / 31 $$;
CREATE OR REPLACE FUNCTION standin.convert_timezone(source text, target text, value timestamp) RETURNS timestamp
    LANGUAGE sql STABLE AS 'SELECT value AT TIME ZONE source AT TIME ZONE target';
CREATE OR REPLACE FUNCTION standin.convert_timezone(target text, value timestamp) RETURNS timestamp
    LANGUAGE sql STABLE AS $$ SELECT value AT TIME ZONE 'UTC' AT TIME ZONE target $$;
CREATE OR REPLACE FUNCTION standin.unit_of(unit text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN unit IN ('y', 'yr', 'yrs', 'year', 'years') THEN 'year' WHEN unit IN ('qtr', 'quarter', 'quarters', 'qtrs') THEN 'quarter'
        WHEN unit IN ('mon', 'mons', 'month', 'months') THEN 'month' WHEN unit IN ('w', 'week', 'weeks') THEN 'week'
        WHEN unit IN ('d', 'day', 'days') THEN 'day' WHEN unit IN ('h', 'hr', 'hrs', 'hour', 'hours') THEN 'hour'
        WHEN unit IN ('m', 'min', 'mins', 'minute', 'minutes') THEN 'minute'
        WHEN unit IN ('s', 'sec', 'secs', 'second', 'seconds') THEN 'second'
        WHEN unit IN ('ms', 'msec', 'millisecond', 'milliseconds') THEN 'millisecond'
        WHEN unit IN ('us', 'microsecond', 'microseconds') THEN 'microsecond' END $$;
CREATE OR REPLACE FUNCTION standin.datediff(unit text, a timestamp, b timestamp) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    word text := standin.unit_of(lower(unit));
    ax timestamp;
    bx timestamp;
BEGIN
    IF word IS NULL THEN RAISE EXCEPTION 'invalid datepart "%"', unit USING ERRCODE = '22023'; END IF;
    ax := date_trunc(word, a);
    bx := date_trunc(word, b);
    RETURN CASE word WHEN 'year' THEN extract(year FROM bx) - extract(year FROM ax)
        WHEN 'quarter' THEN (extract(year FROM bx) - extract(year FROM ax)) * 4 + extract(quarter FROM bx) - extract(quarter FROM ax)
        WHEN 'month' THEN (extract(year FROM bx) - extract(year FROM ax)) * 12 + extract(month FROM bx) - extract(month FROM ax)
        ELSE round(extract(epoch FROM bx - ax) * 1000000 / (CASE word WHEN 'week' THEN 604800000000 WHEN 'day' THEN 86400000000
            WHEN 'hour' THEN 3600000000 WHEN 'minute' THEN 60000000 WHEN 'second' THEN 1000000
            WHEN 'millisecond' THEN 1000 ELSE 1 END)) END;
END $$;
CREATE OR REPLACE FUNCTION standin.dateadd(unit text, n bigint, value timestamp) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    word text := standin.unit_of(lower(unit));
BEGIN
    IF word IS NULL THEN RAISE EXCEPTION 'invalid datepart "%"', unit USING ERRCODE = '22023'; END IF;
    IF word = 'quarter' THEN RETURN value + n * interval '3 months'; END IF;
    RETURN value + n * ('1 ' || word)::interval;
END $$;
CREATE OR REPLACE FUNCTION standin.date_part_year(value date) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT extract(year FROM value)::integer';
CREATE OR REPLACE FUNCTION standin.sha2(value text, bits integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT encode(CASE bits WHEN 224 THEN sha224(convert_to(value, 'UTF8')) WHEN 384 THEN sha384(convert_to(value, 'UTF8'))
        WHEN 512 THEN sha512(convert_to(value, 'UTF8')) ELSE sha256(convert_to(value, 'UTF8')) END, 'hex') $$;
CREATE OR REPLACE FUNCTION standin.to_varbyte(value text, format text) RETURNS standin.varbyte LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (CASE lower(format) WHEN 'hex' THEN decode(value, 'hex') WHEN 'base64' THEN decode(value, 'base64')
        ELSE convert_to(value, 'UTF8') END)::standin.varbyte $$;
CREATE OR REPLACE FUNCTION standin.from_varbyte(value standin.varbyte, format text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE lower(format) WHEN 'hex' THEN encode(value::bytea, 'hex') WHEN 'base64' THEN encode(value::bytea, 'base64')
        ELSE convert_from(value::bytea, 'UTF8') END $$;
CREATE OR REPLACE FUNCTION standin.from_hex(value text) RETURNS standin.varbyte LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT decode(value, 'hex')::standin.varbyte $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_hex(value standin.varbyte) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT encode(value::bytea, 'hex') $$;
CREATE OR REPLACE FUNCTION pg_catalog.octet_length(value standin.varbyte) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT octet_length(value::bytea)';
CREATE OR REPLACE FUNCTION pg_catalog.length(value standin.varbyte) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT octet_length(value::bytea)';
CREATE OR REPLACE FUNCTION pg_catalog.md5(value standin.varbyte) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT md5(value::bytea)';

-- SUPER
CREATE OR REPLACE FUNCTION standin.compact(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT regexp_replace(value, E'("(?:[^"\\\\]|\\\\.)*")|\\s+', E'\\1', 'g') $$;
CREATE OR REPLACE FUNCTION standin.can_json_parse(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM value::json;
    RETURN true;
EXCEPTION WHEN others THEN
    RETURN false;
END $$;
CREATE OR REPLACE FUNCTION standin.is_valid_json(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT standin.can_json_parse(value) AND ltrim(value) LIKE '{%' $$;
CREATE OR REPLACE FUNCTION standin.is_valid_json_array(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT standin.can_json_parse(value) AND ltrim(value) LIKE '[%' $$;
CREATE OR REPLACE FUNCTION standin.longest_string(value jsonb) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$
    WITH RECURSIVE part(v) AS (SELECT value UNION ALL SELECT child.v FROM part, LATERAL (
        SELECT x AS v FROM jsonb_array_elements(CASE jsonb_typeof(part.v) WHEN 'array' THEN part.v ELSE '[]' END) x
        UNION ALL SELECT y.value FROM jsonb_each(CASE jsonb_typeof(part.v) WHEN 'object' THEN part.v ELSE '{}' END) y) child)
    SELECT max(octet_length(v #>> '{}')) FROM part WHERE jsonb_typeof(v) = 'string' $$;
CREATE OR REPLACE FUNCTION standin.json_parse(value text) RETURNS standin.super LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF octet_length(value) > 65535 AND standin.longest_string(value::jsonb) > 65535 THEN
        RAISE EXCEPTION 'String value exceeds the max size of 65535 bytes' USING ERRCODE = 'XX000';
    END IF;
    RETURN standin.compact(value)::json::standin.super;
EXCEPTION WHEN invalid_text_representation THEN
    RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000';
END $$;
CREATE OR REPLACE FUNCTION standin.json_serialize(value standin.super) RETURNS standin.varchar LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT (value::json)::text::standin.varchar';
CREATE OR REPLACE FUNCTION standin.json_typeof(value standin.super) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT json_typeof(value::json)';
CREATE OR REPLACE FUNCTION standin.json_size(value standin.super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT octet_length((value::json)::text)';
CREATE OR REPLACE FUNCTION standin.get_array_length(value standin.super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT CASE json_typeof(value::json) WHEN 'array' THEN json_array_length(value::json) END $$;
CREATE OR REPLACE FUNCTION standin.is_array(value standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT json_typeof(value::json) = 'array' $$;
CREATE OR REPLACE FUNCTION standin.is_object(value standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT json_typeof(value::json) = 'object' $$;
CREATE OR REPLACE FUNCTION standin.is_integer(value standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT (value::json)::text ~ '^-?[0-9]+$' $$;
CREATE OR REPLACE FUNCTION standin.is_varchar(value standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT json_typeof(value::json) = 'string' $$;
CREATE OR REPLACE FUNCTION standin.is_scalar(value standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT json_typeof(value::json) NOT IN ('array', 'object') $$;
CREATE OR REPLACE FUNCTION standin.json_array_length(value text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT json_array_length(value::json)';
CREATE OR REPLACE FUNCTION standin.json_extract_path_text(value text, VARIADIC path text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT value::json #>> path';
CREATE OR REPLACE FUNCTION standin.json_extract_array_element_text(value text, n integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT value::json ->> n';

CREATE OR REPLACE AGGREGATE standin.listagg(text, text) (SFUNC = string_agg_transfn, STYPE = internal, FINALFUNC = string_agg_finalfn);
CREATE OR REPLACE FUNCTION standin.first_of(a anyelement, b anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a';
CREATE OR REPLACE AGGREGATE standin.any_value(anyelement) (SFUNC = standin.first_of, STYPE = anyelement);
CREATE OR REPLACE FUNCTION standin.median_of(list double precision[]) RETURNS double precision LANGUAGE sql IMMUTABLE AS
    'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(list) x';
CREATE OR REPLACE AGGREGATE standin.median(double precision) (SFUNC = array_append, STYPE = double precision[],
    FINALFUNC = standin.median_of);

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA standin TO PUBLIC;
