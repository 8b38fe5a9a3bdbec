-- Types and tables of the stand-in, made once. VARCHAR, SUPER and VARBYTE are base types over PostgreSQL's own
-- functions: VARCHAR compares without trailing blanks, SUPER keeps JSON text as it came, VARBYTE is bytea.
CREATE SCHEMA standin;
GRANT USAGE ON SCHEMA standin TO PUBLIC;

CREATE TYPE standin.varchar;
CREATE FUNCTION standin.varchar_in(cstring, oid, integer) RETURNS standin.varchar LANGUAGE internal IMMUTABLE STRICT AS 'varcharin';
CREATE FUNCTION standin.varchar_out(standin.varchar) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout';
CREATE FUNCTION standin.varchar_recv(internal, oid, integer) RETURNS standin.varchar LANGUAGE internal STABLE STRICT AS 'varcharrecv';
CREATE FUNCTION standin.varchar_send(standin.varchar) RETURNS bytea LANGUAGE internal STABLE STRICT AS 'varcharsend';
CREATE TYPE standin.varchar (INPUT = standin.varchar_in, OUTPUT = standin.varchar_out, RECEIVE = standin.varchar_recv,
    SEND = standin.varchar_send, TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, LIKE = text,
    CATEGORY = 'S', COLLATABLE = true);
CREATE CAST (standin.varchar AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS standin.varchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (standin.varchar AS varchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varchar AS standin.varchar) WITHOUT FUNCTION AS ASSIGNMENT;

-- the length in bytes: an assignment refuses what is too long (blanks beyond it are cut), a cast cuts
CREATE FUNCTION standin.fit(value standin.varchar, typmod integer, explicit boolean) RETURNS standin.varchar
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    size integer := typmod - 4;
    whole text := value::text;
BEGIN
    IF typmod < 0 OR octet_length(whole) <= size THEN
        RETURN value;
    END IF;
    IF NOT explicit AND octet_length(rtrim(whole, ' ')) > size THEN
        RAISE EXCEPTION 'value too long for type character varying(%)', size USING ERRCODE = '22001';
    END IF;
    whole := left(whole, size);
    WHILE octet_length(whole) > size LOOP
        whole := left(whole, -1);
    END LOOP;
    RETURN whole::standin.varchar;
END $$;
CREATE CAST (standin.varchar AS standin.varchar) WITH FUNCTION standin.fit(standin.varchar, integer, boolean) AS IMPLICIT;

CREATE TYPE standin.super;
CREATE FUNCTION standin.super_in(cstring) RETURNS standin.super LANGUAGE internal IMMUTABLE STRICT AS 'json_in';
CREATE FUNCTION standin.super_out(standin.super) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'json_out';
CREATE FUNCTION standin.super_recv(internal) RETURNS standin.super LANGUAGE internal STABLE STRICT AS 'json_recv';
CREATE FUNCTION standin.super_send(standin.super) RETURNS bytea LANGUAGE internal STABLE STRICT AS 'json_send';
CREATE TYPE standin.super (INPUT = standin.super_in, OUTPUT = standin.super_out, RECEIVE = standin.super_recv,
    SEND = standin.super_send, LIKE = json, CATEGORY = 'U');
CREATE CAST (standin.super AS json) WITHOUT FUNCTION;
CREATE CAST (json AS standin.super) WITHOUT FUNCTION;

CREATE TYPE standin.varbyte;
CREATE FUNCTION standin.varbyte_in(cstring) RETURNS standin.varbyte LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION standin.varbyte_out(standin.varbyte) RETURNS cstring LANGUAGE internal STABLE STRICT AS 'byteaout';
CREATE FUNCTION standin.varbyte_recv(internal) RETURNS standin.varbyte LANGUAGE internal STABLE STRICT AS 'bytearecv';
CREATE FUNCTION standin.varbyte_send(standin.varbyte) RETURNS bytea LANGUAGE internal STABLE STRICT AS 'byteasend';
CREATE TYPE standin.varbyte (INPUT = standin.varbyte_in, OUTPUT = standin.varbyte_out, RECEIVE = standin.varbyte_recv,
    SEND = standin.varbyte_send, TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, LIKE = bytea,
    CATEGORY = 'U');
CREATE CAST (standin.varbyte AS bytea) WITHOUT FUNCTION;
CREATE CAST (bytea AS standin.varbyte) WITHOUT FUNCTION;
CREATE FUNCTION standin.fit(value standin.varbyte, typmod integer, explicit boolean) RETURNS standin.varbyte
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF typmod >= 0 AND octet_length(value::bytea) > typmod - 4 THEN
        RAISE EXCEPTION 'value too long for type binary varying(%)', typmod - 4 USING ERRCODE = '22001';
    END IF;
    RETURN value;
END $$;
CREATE CAST (standin.varbyte AS standin.varbyte) WITH FUNCTION standin.fit(standin.varbyte, integer, boolean) AS IMPLICIT;

DO $$
DECLARE
    op record;
    pair text[];
BEGIN
    FOR op IN SELECT * FROM (VALUES ('=', 'bpchareq', 'eqsel', 'eqjoinsel', '=', '<>'),
            ('<>', 'bpcharne', 'neqsel', 'neqjoinsel', '<>', '='),
            ('<', 'bpcharlt', 'scalarltsel', 'scalarltjoinsel', '>', '>='),
            ('<=', 'bpcharle', 'scalarlesel', 'scalarlejoinsel', '>=', '>'),
            ('>', 'bpchargt', 'scalargtsel', 'scalargtjoinsel', '<', '<='),
            ('>=', 'bpcharge', 'scalargesel', 'scalargejoinsel', '<=', '<'))
            AS list(name, source, restrict, joined, commutator, negator) LOOP
        FOREACH pair SLICE 1 IN ARRAY ARRAY[['standin.varchar', 'standin.varchar'], ['standin.varchar', 'text'],
                ['text', 'standin.varchar']] LOOP
            EXECUTE format('CREATE FUNCTION standin.%s(%s, %s) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS %L',
                op.source, pair[1], pair[2], op.source);
            EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = standin.%s, LEFTARG = %s, RIGHTARG = %s, '
                'COMMUTATOR = OPERATOR(pg_catalog.%s), NEGATOR = OPERATOR(pg_catalog.%s), RESTRICT = %s, JOIN = %s%s)',
                op.name, op.source, pair[1], pair[2], op.commutator, op.negator, op.restrict, op.joined,
                CASE WHEN op.name = '=' AND pair[1] = pair[2] THEN ', HASHES, MERGES' ELSE '' END);
        END LOOP;
    END LOOP;
END $$;
CREATE FUNCTION standin.bpcharcmp(standin.varchar, standin.varchar) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'bpcharcmp';
CREATE FUNCTION standin.hashbpchar(standin.varchar) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'hashbpchar';
CREATE OPERATOR CLASS standin.varchar_btree DEFAULT FOR TYPE standin.varchar USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 standin.bpcharcmp(standin.varchar, standin.varchar);
CREATE OPERATOR CLASS standin.varchar_hash DEFAULT FOR TYPE standin.varchar USING hash AS
    OPERATOR 1 =, FUNCTION 1 standin.hashbpchar(standin.varchar);
CREATE FUNCTION standin.larger(standin.varchar, standin.varchar) RETURNS standin.varchar LANGUAGE internal IMMUTABLE STRICT AS 'bpchar_larger';
CREATE FUNCTION standin.smaller(standin.varchar, standin.varchar) RETURNS standin.varchar LANGUAGE internal IMMUTABLE STRICT AS 'bpchar_smaller';
CREATE AGGREGATE pg_catalog.max(standin.varchar) (SFUNC = standin.larger, STYPE = standin.varchar, SORTOP = OPERATOR(pg_catalog.>));
CREATE AGGREGATE pg_catalog.min(standin.varchar) (SFUNC = standin.smaller, STYPE = standin.varchar, SORTOP = OPERATOR(pg_catalog.<));

CREATE FUNCTION standin.byteaeq(standin.varbyte, standin.varbyte) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteaeq';
CREATE FUNCTION standin.byteane(standin.varbyte, standin.varbyte) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteane';
CREATE OPERATOR pg_catalog.= (FUNCTION = standin.byteaeq, LEFTARG = standin.varbyte, RIGHTARG = standin.varbyte);
CREATE OPERATOR pg_catalog.<> (FUNCTION = standin.byteane, LEFTARG = standin.varbyte, RIGHTARG = standin.varbyte);
CREATE FUNCTION standin.super_eq(standin.super, standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT ($1::json)::jsonb OPERATOR(pg_catalog.=) ($2::json)::jsonb';
CREATE FUNCTION standin.super_ne(standin.super, standin.super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT ($1::json)::jsonb OPERATOR(pg_catalog.<>) ($2::json)::jsonb';
CREATE OPERATOR pg_catalog.= (FUNCTION = standin.super_eq, LEFTARG = standin.super, RIGHTARG = standin.super);
CREATE OPERATOR pg_catalog.<> (FUNCTION = standin.super_ne, LEFTARG = standin.super, RIGHTARG = standin.super);

CREATE TABLE standin.installed (part text PRIMARY KEY, digest text NOT NULL);
CREATE TABLE standin.long_name (short text PRIMARY KEY, name text NOT NULL);
CREATE TABLE standin.table_note (relid oid PRIMARY KEY, note jsonb NOT NULL);
CREATE SEQUENCE standin.query_id START WITH 1000 INCREMENT BY 1000;
CREATE TABLE standin.load_error (
    userid integer, query bigint, xid bigint, session integer, database_name text, table_id integer,
    starttime timestamp, filename text, line_number bigint, colname text, type text, col_length text,
    position integer, raw_line text, raw_field_value text, err_code integer, err_reason text);
CREATE TABLE standin.load_file (
    userid integer, query bigint, xid bigint, session integer, table_name text, data_source text, filename text,
    starttime timestamp, endtime timestamp, rows bigint, bytes bigint, errors bigint, status text);
CREATE TABLE standin.query_log (
    userid integer, query bigint, pid integer, starttime timestamp, endtime timestamp, aborted integer, querytxt text,
    status text, tag text, error text);
GRANT SELECT ON ALL TABLES IN SCHEMA standin TO PUBLIC;
