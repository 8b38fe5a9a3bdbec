INSERT INTO "dwh"."_leat_progress_warehouse" ("source", "ledger_next", "high_major", "high_minor", "writer", "updated_at") VALUES ($1, -1, 0, 0, $2, GETDATE())
