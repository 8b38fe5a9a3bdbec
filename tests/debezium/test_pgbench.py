"""pgbench's TPC-B with two clients, over few accounts."""

import subprocess

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
ACCOUNTS = 2000
# pgbench's own script, with fewer accounts.
SCRIPT = f"""\
\\set aid random(1, {ACCOUNTS})
\\set bid 1
\\set tid random(1, 10)
\\set delta random(-5000, 5000)
begin;
update pgbench_accounts set abalance = abalance + :delta where aid = :aid;
select abalance from pgbench_accounts where aid = :aid;
update pgbench_tellers set tbalance = tbalance + :delta where tid = :tid;
update pgbench_branches set bbalance = bbalance + :delta where bid = :bid;
insert into pgbench_history (tid, bid, aid, delta, mtime) values (:tid, :bid, :aid, :delta, current_timestamp);
end;
"""
CHANGES = 4  # of one transaction


def test_pgbench(twin, servers, request):
    transactions = request.config.option.pgbench_transactions
    script = twin.folder / "tpcb.sql"
    script.write_text(SCRIPT)

    def pgbench(*words):
        env = servers.env
        command = [PGBENCH, "-h", env["PG_HOST"], "-p", env["PG_PORT"], "-U", env["PG_USER"], *words, twin.database]
        subprocess.run(command, check=True, capture_output=True, env={"PGPASSWORD": env["PG_PASSWORD"]})

    pgbench("-i", "-q", "-s", "1")
    twin.sql("delete from pgbench_accounts where aid > %s", (ACCOUNTS,))
    twin.start()
    pgbench("-n", "-c", "2", "-j", "1", "-t", str(transactions), "-f", str(script))
    assert twin.check(minimum=ACCOUNTS + 2 * transactions * CHANGES)
