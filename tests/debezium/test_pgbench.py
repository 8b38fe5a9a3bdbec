"""pgbench's TPC-B with two clients."""

import subprocess

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"


def test_pgbench(twin, servers, request):
    transactions = request.config.option.pgbench_transactions

    def pgbench(*words):
        env = servers.env
        command = [PGBENCH, "-h", env["PG_HOST"], "-p", env["PG_PORT"], "-U", env["PG_USER"], *words, twin.database]
        subprocess.run(command, check=True, capture_output=True, env={"PGPASSWORD": env["PG_PASSWORD"]})

    pgbench("-i", "-q", "-s", "1")
    twin.sql("delete from pgbench_accounts where aid > 2000")  # enough for the copy
    twin.start()
    pgbench("-n", "-c", "2", "-j", "1", "-t", str(transactions))
    assert twin.check(minimum=2000 + 2 * transactions * 4)
