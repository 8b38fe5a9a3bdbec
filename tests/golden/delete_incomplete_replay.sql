UPDATE "_leat_stage_edc1f4f8ce878c48" SET "_leat_op" = 'd', "_leat_keep" = '' WHERE "_leat_keep" <> '' AND "_leat_pos" > '00000000016b3748.000000000000000c'
