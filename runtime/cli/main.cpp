// A trainer's main: the model that the compiler linked in, and the command line.
// In: argc, argv.  Out: an exit status (Failure.h).
#include "runtime/cli/Commands.h"

int main(int argc, char **argv) { return rt::runTrainer(cnn_the_model, argc, argv); }
