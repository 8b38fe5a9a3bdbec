#include "sink/change.h"
