/* The draws without vectors, under names of their own.
 * In, out: as cnn_philox_normals. */
#define cnn_philox4x32 narrow_philox4x32
#define cnn_philox_uniforms narrow_philox_uniforms
#define cnn_philox_normals narrow_philox_normals
#include "runtime/params/PhiloxNarrow.c"
