ALTER TABLE "dwh"."accounts" ALTER COLUMN "account no" TYPE VARCHAR(56)
