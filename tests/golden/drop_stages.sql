DROP TABLE IF EXISTS "_leat_stage_edc1f4f8ce878c48", "_leat_stage_85954cd3e467bd87"
