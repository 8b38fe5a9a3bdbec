ALTER TABLE "dwh"."accounts" ADD COLUMN "_leat_pos" VARCHAR(33)
