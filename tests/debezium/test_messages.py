"""Logical messages, transactional and not, beside rows."""

import pytest

MODES = ["bytes", "base64", "base64-url-safe", "hex"]


@pytest.mark.parametrize("mode", MODES)
def test_messages(twin, mode):
    twin.sql("create table public.rows (id int primary key, v text)")
    twin.start(connector={"binary.handling.mode": mode}, postgresql={"binary_handling_mode": mode})
    twin.sql("select pg_logical_emit_message(false, 'plain', 'text and bytes'::bytea || '\\x00ff'::bytea)")
    with twin.pg.transaction():
        twin.sql("insert into public.rows values (1, 'before')")
        twin.sql("select pg_logical_emit_message(true, 'inside', '{\"order\": 1}')")
        twin.sql("insert into public.rows values (2, 'after')")
    with twin.pg.transaction():
        twin.sql("select pg_logical_emit_message(true, 'alone', '')")
    twin.sql("select pg_logical_emit_message(false, '', 'no prefix')")
    twin.check(minimum=6)
