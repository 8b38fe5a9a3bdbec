DELETE FROM "dwh"."accounts" WHERE "_leat_pos" IS NULL OR "_leat_pos" <= '00000000016b3748.000000000000000c'
