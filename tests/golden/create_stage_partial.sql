CREATE TEMP TABLE "_leat_stage_edc1f4f8ce878c48" (LIKE "dwh"."accounts", "_leat_op" CHAR(1), "_leat_keep" VARCHAR(5), "_leat_from_1" BIGINT, "_leat_from_2" VARCHAR(56))
