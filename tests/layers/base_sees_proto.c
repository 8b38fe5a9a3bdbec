#include "proto/ledger.h"
