UPDATE "_leat_stage_edc1f4f8ce878c48" SET "_leat_op" = 'd', "_leat_keep" = '' WHERE "_leat_keep" <> ''
