/* Names of the public enumerators, for texts. Static, never NULL. */
#ifndef CX_PLAN_NAMES_H
#define CX_PLAN_NAMES_H

#include "include/convx.h"

const char *cx_algorithm_string(convx_algorithm algorithm);

#endif
