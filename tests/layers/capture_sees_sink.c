#include "sink/sink_worker.h"
