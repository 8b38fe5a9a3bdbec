DELETE FROM "_leat_stage_edc1f4f8ce878c48" WHERE "_leat_op" = 'd'
