DELETE FROM "dwh"."accounts"
