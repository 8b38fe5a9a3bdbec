SELECT "account no", "order", "weird ""name""", "doc", "at", "_leat_pos", "_leat_keep" FROM "_leat_stage_edc1f4f8ce878c48" WHERE "_leat_keep" <> '' ORDER BY "_leat_pos"
