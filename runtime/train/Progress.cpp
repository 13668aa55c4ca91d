// How a training run tells of itself.
// In: steps and epochs.  Out: text on stdout, flushed line by line.
#include "runtime/train/Progress.h"
#include "runtime/Failure.h"
#include "runtime/train/Interrupt.h"
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace rt {

using Json = nlohmann::ordered_json;
static constexpr auto redraw = std::chrono::milliseconds(100);
static constexpr int barWidth = 24;

static size_t terminalWidth() {
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static std::string toText(const Json &object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace); }
static Json toJson(const PartMetrics &m) { return {{"loss", m.loss}, {"accuracy", m.accuracy}}; }

Progress::Progress(bool json) : json(json), terminal(isatty(STDOUT_FILENO)) {}

/// A full disk or a closed pipe must not end a training run: it is told once, and again by the exit status at the end.
void Progress::line(const std::string &text) {
  const std::string whole = text + "\n";
  const bool written = std::fwrite(whole.data(), 1, whole.size(), stdout) == whole.size() && std::fflush(stdout) == 0;
  if (written || error)
    return;
  error = errno;
  if (!pendingSignal()) {
    const std::string warning = fmt::format("warning: cannot write the output: {}; the training goes on without it\n", std::strerror(error));
    std::fwrite(warning.data(), 1, warning.size(), stderr);
  }
}

void Progress::close() const {
  if (error && !pendingSignal())
    fail(Exit::io, "a part of the output was lost: {}; the training itself is whole", std::strerror(error));
}

void Progress::start(const std::string &network, int64_t samples, int64_t held, int64_t dropped, int threads, uint64_t seed,
                     const std::string &directory) {
  if (json)
    return line(toText(Json{{"event", "start"}, {"network", network}, {"samples", samples}, {"val_samples", held}, {"dropped", dropped},
                     {"threads", threads}, {"seed", seed}, {"checkpoint", directory}}));
  std::string text = fmt::format("{}: {} samples", network, samples);
  if (held)
    text += fmt::format(", {} held out", held);
  line(text + fmt::format(", {} thread{}, seed {}, checkpoints in {}", threads, threads == 1 ? "" : "s", seed, printable(directory)));
}

void Progress::clearBar() {
  if (barShown)
    std::fputs("\r\x1b[K", stdout);
  barShown = false;
}

void Progress::step(uint64_t epoch, uint64_t epochs, int64_t done, int64_t of, double loss, double accuracy, int64_t batch) {
  if (json || !terminal)
    return;
  const auto now = Clock::now();
  if (barEpoch != epoch) {
    barEpoch = epoch;
    barStart = now;
    barFirst = done;
  }
  if (now - lastDraw < redraw)
    return;
  lastDraw = now;
  const double seconds = std::chrono::duration<double>(now - barStart).count();
  const double rate = seconds > 0 ? double(done - barFirst) / seconds : 0;
  const int filled = int(barWidth * done / of);
  std::string bar(size_t(filled), '=');
  bar.resize(barWidth, ' ');
  std::string text = fmt::format("epoch {}/{} [{}] {}/{}  loss {:.4f}  accuracy {:.4f}", epoch, epochs, bar, done, of, loss, accuracy);
  if (rate > 0)
    text += fmt::format("  {:.0f} img/s  {:.0f} s left", rate * double(batch), std::ceil(double(of - done) / rate));
  const std::string shown = "\r" + text.substr(0, terminalWidth() - 1) + "\x1b[K"; // a bar that wraps cannot be redrawn
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  std::fflush(stdout);
  barShown = true;
}

std::string Progress::jsonLine(const EpochReport &r) {
  Json object{{"event", "epoch"}, {"epoch", r.epoch}, {"epochs", r.epochs}, {"step", r.step}, {"lr", r.lr}, {"train", toJson(r.train)}};
  if (r.val)
    object["val"] = toJson(*r.val);
  if (r.test)
    object["test"] = toJson(*r.test);
  object["best"] = r.best;
  object["seconds"] = r.seconds;
  object["img_s"] = r.imagesPerSecond;
  object["data_wait"] = r.dataWait;
  return toText(object);
}

void Progress::epoch(const EpochReport &r) {
  if (json)
    return line(jsonLine(r));
  clearBar();
  std::string text = fmt::format("epoch {}/{}  loss {:.4f}  accuracy {:.4f}", r.epoch, r.epochs, r.train.loss, r.train.accuracy);
  if (r.val)
    text += fmt::format("  val loss {:.4f}  val accuracy {:.4f}", r.val->loss, r.val->accuracy);
  if (r.test)
    text += fmt::format("  test loss {:.4f}  test accuracy {:.4f}", r.test->loss, r.test->accuracy);
  line(text + fmt::format("  {:.1f} s  {:.0f} img/s{}", r.seconds, r.imagesPerSecond, r.best ? "  best" : ""));
}

void Progress::data(double wait) {
  clearBar();
  if (json)
    line(toText(Json{{"event", "data"}, {"data_wait", wait}}));
  else
    line(fmt::format("data: the steps waited for {:.2f} % of the training time", 100 * wait));
}

void Progress::note(const std::string &event, const std::string &text) {
  clearBar();
  if (json)
    line(toText(Json{{"event", event}, {"message", text}}));
  else
    line(text);
}

void Progress::final(const std::string &part, const PartMetrics &m) {
  clearBar();
  if (json)
    line(toText(Json{{"event", "final"}, {"part", part}, {"loss", m.loss}, {"accuracy", m.accuracy}}));
  else
    line(fmt::format("{} loss {:.4f}  {} accuracy {:.4f}", part, m.loss, part, m.accuracy));
}

} // namespace rt
