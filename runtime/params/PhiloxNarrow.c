/* Philox.c without vectors, a tenth of its size: for programs of --inference, which draw nothing but the pictures of `bench`.
 * In, out: as there, bit for bit. */
#define CNN_PHILOX_NARROW
#include "runtime/params/Philox.c"
