#include "capture/source.h"
