UPDATE "dwh"."_leat_progress_warehouse" SET "ledger_next" = $2, "writer" = '', "updated_at" = GETDATE() WHERE "source" = $1
