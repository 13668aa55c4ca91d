// What every command begins and ends with: checkpoints and data opened as the options say, failures turned into exit statuses.
// In: a command.  Out: its exit status.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/params/Fold.h"
#include "runtime/train/Interrupt.h"
#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <new>
#include <system_error>
#include <unistd.h>

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

/// A stream that the caller has closed would lend its number to the next file that is opened, and what is printed would go there. As coreutils do:
/// something stands in its place that can only be used the wrong way round.
static void holdClosedStreams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); // the lowest free number: fd
}

static std::string lostOutput(int error) { return fmt::format("cannot write the output: {}", std::strerror(error)); }

int guarded(const std::function<int()> &command) {
  holdClosedStreams();
  try {
    const int status = command();
    if (std::fflush(stdout) != 0 && !pendingSignal())
      return report(Exit::io, lostOutput(errno));
    return status;
  } catch (const Failure &failure) {
    return report(failure.status, failure.what());
  } catch (const std::bad_alloc &) {
    return report(Exit::runFailed, "not enough memory");
  } catch (const std::system_error &e) {
    if (std::ferror(stdout)) // fmt::print
      return report(Exit::io, lostOutput(e.code().value()));
    return report(Exit::io, e.what());
  } catch (const std::exception &e) {
    return report(Exit::runFailed, e.what());
  }
}

} // namespace rt
