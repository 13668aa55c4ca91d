// The one way in which a run ends early: a message for the user and the exit status that goes with it.
// In: thrown anywhere in the runtime (never through generated code).  Out: caught in main, printed, turned into the status.
#pragma once
#include <fmt/core.h>
#include <stdexcept>
#include <string>

namespace rt {

/// Exit statuses of a trainer; 128 + signal number after a signal.
enum class Exit { ok = 0, runFailed = 1, usage = 2, badData = 3, badModel = 4, io = 5 };

struct Failure : std::runtime_error {
  Failure(Exit status, const std::string &message) : std::runtime_error(message), status(status) {}
  Exit status;
};

template <class... Args>
[[noreturn, gnu::cold]] void fail(Exit status, fmt::format_string<Args...> format, Args &&...args) {
  throw Failure(status, fmt::format(format, std::forward<Args>(args)...));
}

/// Text from a file or a name from outside, made safe for a terminal: control characters become \xNN, and it is cut at 200 bytes.
std::string printable(const std::string &text);

} // namespace rt
