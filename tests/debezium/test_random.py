"""Random changes of rows and tables."""

from workload import Workload

COPIED = 40  # changes before the two start
PHASES = 8
TRANSACTIONS = 40  # between two changes of tables


def test_random(twin, seed):
    workload = Workload(twin.sql, seed)
    for _ in range(COPIED):
        workload.change()
    twin.sql("truncate parts")  # Debezium copies the parent and the partitions, whatever the publication says
    next(table for table in workload.tables if table.partitioned).rows = []
    via_root = "true" if seed % 2 else "false"
    twin.start(publish=f"for all tables with (publish_via_partition_root = {via_root})")
    for phase in range(PHASES):
        for _ in range(TRANSACTIONS):
            workload.transaction()
        if phase + 1 < PHASES:
            twin.settle()
            workload.alter()
    assert twin.check(minimum=PHASES * TRANSACTIONS)
