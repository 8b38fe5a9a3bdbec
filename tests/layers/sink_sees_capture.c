#include "capture/capture_worker.h"
