UPDATE "dwh"."_leat_progress_warehouse" SET "writer" = $1, "updated_at" = GETDATE()
