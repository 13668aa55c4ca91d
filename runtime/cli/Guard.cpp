// What every command begins and ends with: checkpoints and data opened as the options say, failures turned into exit statuses.
// In: a command.  Out: its exit status.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/params/Fold.h"
#include "runtime/train/Interrupt.h"
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

// The library's own handler prints what was thrown and brings the demangler along, 45 KB; everything thrown is caught below.
namespace __gnu_cxx {
void __verbose_terminate_handler() { std::abort(); }
} // namespace __gnu_cxx

namespace rt {

ReadOptions readOptions(const Options &o) {
  ReadOptions read;
  read.threads = o.threads;
  if (o.cacheGiven)
    read.cacheBytes = o.cacheMib << 20;
  read.maxBad = o.maxBad;
  return read;
}

TrainingPosition readWeights(const std::string &path, Description &d, TensorStore &store) {
  const TrainingPosition position = readCheckpoint(path, d, store, Need::weights);
  if (!position.otherHash.empty())
    fmt::print(stderr, "note: {} was made by another definition of {} (hash {}); its tensors fit\n", printable(path), d.name, printable(position.otherHash));
  if (const int64_t bad = store.firstNonFiniteTensor(); bad >= 0)
    fmt::print(stderr, "warning: {} of {} holds a NaN or an infinity: what follows means little\n", store.infos()[size_t(bad)].name, printable(path));
  d.foundClassNames = position.classNames;
  foldNormalization(d.folded, store);
  return position;
}

static int report(Exit status, const std::string &message) {
  // Not fmt::print: that throws where stderr itself is full.
  const std::string line = "error: " + message + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  return int(status);
}

int guarded(const std::function<int()> &command) {
  try {
    const int status = command();
    if (std::fflush(stdout) != 0 && status == 0 && !pendingSignal())
      return report(Exit::io, fmt::format("cannot write the output: {}", std::strerror(errno)));
    return status;
  } catch (const Failure &failure) {
    return report(failure.status, failure.what());
  } catch (const std::bad_alloc &) {
    return report(Exit::runFailed, "not enough memory");
  } catch (const std::system_error &e) {
    return report(Exit::io, e.what());
  } catch (const std::exception &e) {
    return report(Exit::runFailed, e.what());
  }
}

} // namespace rt
