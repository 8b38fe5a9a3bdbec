"""The words the gate lets pass: types, functions, settings, system views. What is not here is refused by name."""
import hashlib

from .errors import Refusal, unsupported
from .lexer import split_commas

SCHEMA = "standin"
PG_NAME_BYTES = 63
MAX_VARCHAR, MAX_CHAR, MAX_VARBYTE = 65535, 4096, 1024000
MAX_PRECISION, MAX_SCALE = 38, 37

# name -> name upstream; None when PostgreSQL's own function of that name does
FUNCTIONS = dict.fromkeys("""
    count sum min max avg coalesce nullif greatest least abs round ceil ceiling floor mod power sqrt sign exp ln log
    pi sin cos tan asin acos atan atan2 degrees radians cbrt random
    substring substr length char_length character_length octet_length upper lower trim btrim ltrim rtrim md5 left right
    split_part replace strpos position lpad rpad repeat reverse initcap chr ascii translate concat quote_ident
    quote_literal regexp_replace regexp_count regexp_substr regexp_instr overlay
    extract date_part date_trunc to_char to_date to_timestamp to_number cast
    row_number rank dense_rank ntile lag lead first_value last_value nth_value percent_rank cume_dist
    stddev stddev_samp stddev_pop variance var_samp var_pop bool_and bool_or percentile_cont percentile_disc
    exists age current_schema current_schemas current_database current_setting version has_table_privilege
    has_schema_privilege has_database_privilege pg_backend_pid pg_cancel_backend pg_terminate_backend
    format_type pg_get_userbyid pg_table_is_visible obj_description col_description now timezone to_hex
    grouping sets rollup cube
""".split())
FUNCTIONS.update(dict.fromkeys("""
    getdate len nvl2 strtol datediff dateadd json_parse json_serialize json_typeof can_json_parse is_valid_json
    json_extract_path_text json_extract_array_element_text json_array_length is_valid_json_array json_size
    to_varbyte from_varbyte from_hex sha2 sha1 func_sha1 charindex trunc last_day add_months months_between
    convert_timezone pg_last_copy_count pg_last_copy_id pg_last_query_id any_value median isnull nvl
    listagg bit_and bit_or current_user_id octet_length textlen dexp dlog10 date_diff date_add
    get_array_length date_part_year is_array is_object is_integer is_varchar is_scalar sysdate crc32
""".split(), SCHEMA))
FUNCTIONS.update({"nvl": "coalesce", "isnull": "coalesce", "textlen": "length", "len": "length", "date_diff": "datediff",
                  "date_add": "dateadd", "octet_length": None, "bit_and": None, "bit_or": None, "listagg": "string_agg",
                  "charindex": SCHEMA, "dlog10": "log", "dexp": "exp"})

UNIT_FUNCTIONS = {"datediff", "dateadd", "date_diff", "date_add", "date_part", "extract", "date_trunc"}
COPY_FUNCTIONS = {"pg_last_copy_count", "pg_last_copy_id", "pg_last_query_id"}
LEADER_ONLY = set("""
    now age current_schema current_schemas has_table_privilege has_schema_privilege has_database_privilege
    pg_backend_pid pg_cancel_backend pg_terminate_backend format_type pg_get_userbyid pg_table_is_visible
    obj_description col_description version current_setting
    current_time current_timestamp localtime localtimestamp
""".split())

# key words that a parenthesis may follow without being a function call
BEFORE_PARENTHESIS = set("""
    in and or not on using values select where having case when then else between like ilike similar from join as
    over order by group union all except intersect minus any some exists distinct set with inner left right full outer
    cross natural limit offset is null partition within top interval rows range preceding following end escape to
    unbounded current row insert into first last only
""".split())

TYPE_WORDS = {
    "bool": "boolean", "boolean": "boolean", "smallint": "smallint", "int2": "smallint", "integer": "integer",
    "int": "integer", "int4": "integer", "bigint": "bigint", "int8": "bigint", "real": "real", "float4": "real",
    "float8": "double precision", "float": "double precision", "date": "date", "timestamptz": "timestamptz",
    "timetz": "timetz", "super": "super", "numeric": "numeric", "decimal": "numeric", "dec": "numeric",
    "varchar": "varchar", "nvarchar": "varchar", "text": "text", "char": "char", "nchar": "char", "character": "char",
    "bpchar": "bpchar", "varbyte": "varbyte", "varbinary": "varbyte", "time": "time", "timestamp": "timestamp",
    "double": "double precision", "interval": "interval", "oid": "oid", "regclass": "regclass", "name": "name",
}
NOT_FOR_COLUMNS = {"interval", "regclass"}
TYPES_UNSUPPORTED = set("""
    bytea json money inet cidr macaddr macaddr8 xml bit varbit box circle line lseg path point polygon tsvector tsquery
    tid xid int4range int8range numrange daterange tsrange tstzrange
""".split())

SYSTEM_VIEWS = set("""
    stl_load_errors stl_loaderror_detail sys_load_error_detail stl_load_commits sys_load_history sys_load_detail
    svv_table_info svv_columns svv_redshift_columns svv_all_columns svv_tables svv_redshift_tables svv_all_tables
    pg_table_def stv_db_isolation_level
    svv_transactions stl_query sys_query_history pg_database_info pg_class stv_sessions
""".split())
INFORMATION_SCHEMA = {"columns": "info_columns", "tables": "info_tables", "schemata": "info_schemata",
                      "table_constraints": "info_table_constraints", "key_column_usage": "info_key_column_usage"}
CATALOGS = set("""
    pg_namespace pg_attribute pg_type pg_database pg_user pg_tables pg_views pg_description pg_attrdef pg_roles
    pg_group pg_settings pg_stat_activity pg_locks pg_constraint pg_shadow
""".split())
PROVISIONED_ONLY = ("stl_", "stv_")

# setting -> default that SHOW answers; None when PostgreSQL has the setting itself
SETTINGS = {
    "statement_timeout": None, "application_name": None, "timezone": None, "search_path": None, "datestyle": None,
    "extra_float_digits": None, "client_encoding": None, "intervalstyle": None, "client_min_messages": None,
    "query_group": "unset", "error_on_nondeterministic_update": "off", "enable_case_sensitive_identifier": "off",
    "enable_case_sensitive_super_attribute": "off", "json_parse_truncate_strings": "off",
    "json_parse_dedup_attributes": "off", "enable_result_cache_for_session": "on", "wlm_query_slot_count": "1",
    "analyze_threshold_percent": "10", "json_serialization_enable": "off", "json_serialization_parse_nested_strings":
    "off", "describe_field_name_in_uppercase": "off", "navigate_super_null_on_error": "on",
    "cast_super_null_on_error": "on", "parse_super_null_on_error": "on", "max_cursor_result_set_size": "default",
    "downcase_delimited_identifier": "on", "enable_numeric_rounding": "on", "enable_vacuum_boost": "off",
    "spectrum_enable_pseudo_columns": "on", "use_fips_ssl": "off", "auto_mv": "on", "mv_enable_aqmv_for_session": "on",
    "default_geometry_encoding": "1", "enable_query_results_metadata": "off",
}
SHOW_ONLY = {"server_version": "8.0.2", "transaction_isolation": "Serializable", "transaction isolation level":
             "Serializable", "server_encoding": "UNICODE", "standard_conforming_strings": "off", "is_superuser": None}
BOOLEAN_WORDS = {"true": "on", "on": "on", "t": "on", "1": "on", "yes": "on", "false": "off", "off": "off", "f": "off",
                 "0": "off", "no": "off"}


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Names:
    """PostgreSQL's names end at 63 bytes: longer ones travel under a hashed short form, both ways."""

    def __init__(self):
        self.long_of = {}
        self.unsaved = {}

    def upstream(self, name):
        raw = name.encode("utf-8")
        if len(raw) <= PG_NAME_BYTES:
            return name
        digest = hashlib.sha256(raw).hexdigest()[:16]
        short = raw[:40].decode("utf-8", "ignore") + "~" + digest
        if short not in self.long_of:
            self.long_of[short] = name
            self.unsaved[short] = name
        return short

    def quoted(self, name):
        return quote(self.upstream(name))

    def original(self, name):
        return self.long_of.get(name, name) if "~" in name else name

    def restore(self, text):
        """A message with the long names put back."""
        if "~" in text:
            for short, name in self.long_of.items():
                text = text.replace(short, name)
        return text


class Type:
    """A Redshift type as it is written and as PostgreSQL is told."""

    def __init__(self, name, upstream, size=None, scale=None):
        self.name = name
        self.upstream = upstream
        self.size = size
        self.scale = scale


def _size(reader, default, limit, what):
    if not reader.at("("):
        return default
    inside = reader.parenthesised()
    if len(inside) == 1 and inside[0].value == "max" and what in ("varchar", "varbyte"):
        return limit
    if len(inside) != 1 or not inside[0].text.isdigit():
        raise reader.error(inside[0] if inside else None)
    size = int(inside[0].text)
    if size < 1:
        raise Refusal("22023", f"length for type {what} must be at least 1")
    if size > limit:
        raise Refusal("22023", f"length for type {what} cannot exceed {limit}")
    return size


def _numeric(reader):
    precision, scale = 18, 0
    if reader.at("("):
        parts = split_commas(reader.parenthesised())
        if len(parts) > 2 or any(len(part) != 1 or not part[0].text.isdigit() for part in parts):
            raise reader.error()
        precision = int(parts[0][0].text)
        scale = int(parts[1][0].text) if len(parts) == 2 else 0
    if not 1 <= precision <= MAX_PRECISION:
        raise Refusal("22023", f"DECIMAL precision {precision} must be between 1 and {MAX_PRECISION}")
    if scale > MAX_SCALE or scale > precision:
        raise Refusal("22023", f"DECIMAL scale {scale} must be between 0 and {min(precision, MAX_SCALE)}")
    return Type("numeric", f"numeric({precision},{scale})", precision, scale)


def read_type(reader, column=None):
    """Parses a type; column is the column's name in DDL, None in a cast."""
    token = reader.next()
    word = token.value if token.kind == "id" else None
    if token.kind == "qid":
        word = token.value
    if word is None:
        raise reader.error(token)
    if word == "pg_catalog" and reader.accept("."):
        word = reader.next().value
    if word in TYPES_UNSUPPORTED:
        if column is not None:
            raise unsupported(f'Column "{column}" has unsupported type "{word}".')
        raise unsupported(f'type "{word}" is not supported on Redshift')
    name = TYPE_WORDS.get(word)
    if name is None or (column is not None and name in NOT_FOR_COLUMNS):
        if name is not None:
            raise unsupported(f'Column "{column}" has unsupported type "{word}".')
        raise Refusal("42704", f'type "{word}" does not exist')
    if word == "double":
        reader.expect("precision")
    if word == "float" and reader.at("("):
        inside = reader.parenthesised()
        name = "real" if inside and inside[0].text.isdigit() and int(inside[0].text) <= 24 else "double precision"
    varying = word in ("character", "char", "nchar", "binary") and reader.accept("varying")
    if reader.at("["):
        raise unsupported(f'Column "{column}" has unsupported type "{word}[]".' if column else "arrays are not supported")
    if name == "varchar" or varying:
        size = _size(reader, 256, MAX_VARCHAR, "varchar")
        kind = Type("character varying", f"{SCHEMA}.varchar({size})", size)
    elif name == "text":
        kind = Type("character varying", f"{SCHEMA}.varchar(256)", 256)
    elif name == "bpchar":
        size = _size(reader, 256, MAX_CHAR, "char")
        kind = Type("character", f"char({size})", size)
    elif name == "char":
        size = _size(reader, 1, MAX_CHAR, "char")
        kind = Type("character", f"char({size})", size)
    elif name == "varbyte":
        size = _size(reader, 64000, MAX_VARBYTE, "varbyte")
        kind = Type("binary varying", f"{SCHEMA}.varbyte({size})", size)
    elif name == "numeric":
        kind = _numeric(reader)
    elif name == "super":
        kind = Type("super", f"{SCHEMA}.super")
    elif name in ("time", "timestamp"):
        if reader.at("("):
            reader.parenthesised()
        zone = reader.accept("with", "time", "zone")
        if not zone:
            reader.accept("without", "time", "zone")
        base = name + (" with time zone" if zone else " without time zone")
        kind = Type(base, base)
    elif name in ("timestamptz", "timetz"):
        base = {"timestamptz": "timestamp with time zone", "timetz": "time with time zone"}[name]
        kind = Type(base, base)
    else:
        kind = Type(name, name)
    if reader.at("["):
        raise unsupported(f'Column "{column}" has unsupported type "{word}[]".' if column else "arrays are not supported")
    return kind
