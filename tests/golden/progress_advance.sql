UPDATE "dwh"."_leat_progress_warehouse" SET "ledger_next" = $2, "high_major" = $3, "high_minor" = $4, "updated_at" = GETDATE() WHERE "source" = $1
