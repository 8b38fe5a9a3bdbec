ALTER TABLE "dwh"."accounts" ADD COLUMN "weird ""name""" DECIMAL(18,2)
