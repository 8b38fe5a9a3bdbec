CREATE TEMP TABLE "_leat_stage_edc1f4f8ce878c48" (LIKE "dwh"."accounts", "_leat_op" CHAR(1))
