"""leat's configuration for a local stack."""

import json

from . import mapping
from .load import COLLECTION, DOCUMENT_DATABASE


def postgresql_source(servers, name, tables, **settings):
    """settings: batch_max_age, ... of the source; `postgresql` may override keys of that section."""
    env = servers.env
    section = {
        "host": env["PG_HOST"],
        "port": int(env["PG_PORT"]),
        "database": env["PG_DATABASE"],
        "user": env["PG_USER"],
        "password": env["PG_PASSWORD"],
        "tables": tables,
    } | settings.pop("postgresql", {})
    return {"name": name, "type": "postgresql", **settings, "postgresql": section}


def document_source(servers, name, database, collections, **settings):
    """collections: {name: columns}."""
    section = {
        "uri": servers.env["MONGO_URI"],
        "database": database,
        "collections": [{"name": name, "columns": columns} for name, columns in collections.items()],
    } | settings.pop("documentdb", {})
    return {"name": name, "type": "documentdb", **settings, "documentdb": section}


def sink(servers, name, sources, schema, s3_prefix, **settings):
    env = servers.env
    redshift = {
        "host": env["REDSHIFT_HOST"],
        "port": int(env["REDSHIFT_PORT"]),
        "database": env["REDSHIFT_DATABASE"],
        "user": env["REDSHIFT_USER"],
        "password": env["REDSHIFT_PASSWORD"],
        "sslrootcert": env["REDSHIFT_CA_FILE"],
        "schema": schema,
    } | settings.pop("redshift", {})
    s3 = {
        "bucket": env["S3_BUCKET"],
        "prefix": s3_prefix,
        "region": env["S3_REGION"],
        "endpoint": env["S3_ENDPOINT"],
        "access_key_id": env["S3_ACCESS_KEY_ID"],
        "secret_access_key": env["S3_SECRET_ACCESS_KEY"],
    } | settings.pop("s3", {})
    return {"name": name, "sources": sources, **settings, "redshift": redshift, "s3": s3}


def config(servers, prefix, sources, sinks):
    return {
        "prefix": prefix,
        "kafka": {"brokers": servers.env["KAFKA_BROKERS"], "replication_factor": 1},
        "registry": {"url": servers.env["REGISTRY_URL"]},
        "http": {"listen": ""},
        "sources": sources,
        "sinks": sinks,
    }


def bank(servers, prefix="bank", schema="bank", sink_age="2s"):
    """The demo's: `core` and `docs`, into one warehouse."""
    core = postgresql_source(servers, "core", ["public.transactions"], batch_max_age="200ms")
    docs = document_source(
        servers, "docs", DOCUMENT_DATABASE, {COLLECTION: mapping.TRADE_COLUMNS}, batch_max_age="200ms"
    )
    warehouse = sink(servers, "warehouse", ["core", "docs"], schema, prefix, batch_max_age=sink_age)
    return config(servers, prefix, [core, docs], [warehouse])


def write(path, config):
    """As YAML, block style: JSON is YAML, so a scalar is written as JSON has it. Passwords are in it: 0600."""
    path.touch(mode=0o600)
    path.write_text("\n".join(_lines(config, 0)) + "\n")
    return path


def _lines(node, indent):
    pad = "  " * indent
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield f"{pad}{key}:"
            yield from _lines(value, indent + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{pad}{key}:"
            for item in value:
                first, *rest = _lines(item, indent + 2)
                yield f"{pad}  - {first.strip()}"
                yield from rest
        else:
            yield f"{pad}{key}: {json.dumps(value, ensure_ascii=False)}"
