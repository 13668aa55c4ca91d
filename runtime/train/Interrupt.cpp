// SIGINT and SIGTERM.
// In: signals.  Out: a flag; the handlers do nothing that is not async-signal-safe.
#include "runtime/train/Interrupt.h"
#include <csignal>
#include <unistd.h>

namespace rt {

static volatile std::sig_atomic_t pending = 0, wanted = 0;

static void onSignal(int number) {
  if (pending && number == SIGINT)
    _exit(128 + SIGINT);
  pending = number;
}

static void onUser(int) { wanted = 1; }

void catchSignals() {
  struct sigaction action = {};
  action.sa_handler = onSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = onUser;
  sigaction(SIGUSR1, &action, nullptr);
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
}

int pendingSignal() { return pending; }

bool takeCheckpointRequest() {
  const bool was = wanted;
  wanted = 0;
  return was;
}

} // namespace rt
