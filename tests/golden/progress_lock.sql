LOCK "dwh"."_leat_progress_warehouse"
