SELECT "source", "ledger_next", "high_major", "high_minor", "writer", "updated_at" FROM "dwh"."_leat_progress_warehouse"
