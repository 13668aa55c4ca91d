// What is said while pictures are read for long.
// In: steps.  Out: lines.
#include "runtime/data/Reading.h"
#include <fmt/core.h>

namespace rt {

static void put(std::FILE *to, const std::string &text) {
  std::fwrite(text.data(), 1, text.size(), to); // not fmt::print: that throws where the stream is full
  std::fflush(to);
}

void Reading::step() {
  constexpr int64_t between = 32; // looks at the clock
  constexpr double redraw = 0.2;
  const int64_t n = ++done;
  if (n % between)
    return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (seconds < patience)
    return;
  std::lock_guard<std::mutex> hold(mutex);
  if (drawn >= 0 && (!terminal || seconds < drawn + redraw))
    return;
  drawn = seconds;
  if (terminal)
    put(to, fmt::format("\rreading pictures: {} of {}\x1b[K", n, total));
  else
    put(to, fmt::format("note: reading {} pictures takes about {:.0f} s\n", total, seconds * double(total) / double(n)));
}

Reading::~Reading() {
  if (terminal && drawn >= 0)
    put(to, "\r\x1b[K");
}

} // namespace rt
