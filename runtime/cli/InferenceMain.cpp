// The main of a program of cnnc --inference: predict, eval, info, bench; small, hence getopt.
// In: argc, argv.  Out: an exit status (Failure.h).
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/Image.h"
#include "runtime/device/Level.h"
#include "runtime/device/ThreadPool.h"
#include <algorithm>
#include <charconv>
#include <cstring>
#include <getopt.h>

namespace rt {

/// In the place of the runtime's own, so that libwebp, 200 KB, is not linked.
Image decodeWebp(const std::string &, const std::string &path) {
  fail(Exit::badData, "{} is a WebP file; this program, compiled with --inference, reads PNG and JPEG", printable(path));
}

static constexpr int maxThreads = 1024;
static const std::pair<const char *, int (*)(const cnn_model &, const Options &)> commands[] = {
    {"predict", runPredict}, {"eval", runEval}, {"info", runInfo}, {"bench", runBench}};

static void printHelp(const char *program, const Description &d, FILE *to) {
  fmt::print(to,
             "{0}: the network {1} ({2}x{3}x{4} -> {5} classes), for inference alone\n\n"
             "usage: {0} COMMAND [options]\n"
             "  predict CHECKPOINT IMAGE...   the likeliest classes of PNG or JPEG files, folders, or a list on stdin (-)\n"
             "          --top N  --format text|csv|json\n"
             "  eval CHECKPOINT               accuracy, top-5, loss, per-class table, confusions\n"
             "          --data DIR  --split test|val|train  --json\n"
             "  info                          layers, parameters, memory, how it was compiled\n"
             "          --json\n"
             "  bench                         time inference on data in memory\n"
             "          --batch N  --seconds S  --json\n"
             "  --threads N                   (default: the cores that this process may use)\n\n"
             "exit status: 0 done, 1 run failed, 2 usage, 3 bad data, 4 bad model or checkpoint, 5 cannot write\n",
             program, d.name, d.channels, d.height, d.width, d.classes);
}

template <class T> static T number(const char *option, const char *text, T least, T most) {
  T value{};
  const char *end = text + std::strlen(text);
  bool good = false;
  if constexpr (std::is_floating_point_v<T>) { // from_chars for floats is 25 KB of a program; no locale is ever set
    char *stop = nullptr;
    value = T(std::strtod(text, &stop));
    good = text != end && stop == end;
  } else {
    const auto [stop, error] = std::from_chars(text, end, value);
    good = error == std::errc() && stop == end;
  }
  if (!good || !(value >= least && value <= most))
    fail(Exit::usage, "--{} takes a number from {} to {}, not '{}'", option, least, most, printable(text));
  return value;
}

static std::string oneOf(const char *option, const std::string &text, std::initializer_list<const char *> known) {
  std::string names;
  for (const char *name : known) {
    if (text == name)
      return text;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  fail(Exit::usage, "--{} is one of {}, not '{}'", option, names, printable(text));
}

static void take(Options &o, const std::string &option, const char *value) {
  if (option == "threads")
    o.threads = number("threads", value, 1, maxThreads);
  else if (option == "top")
    o.top = number("top", value, 1, 100000);
  else if (option == "batch")
    o.batch = number<int64_t>("batch", value, 1, 1 << 20);
  else if (option == "seconds")
    o.seconds = number("seconds", value, 0.0, 86400.0);
  else if (option == "format")
    o.format = oneOf("format", value, {"text", "csv", "json"});
  else if (option == "split")
    o.part = oneOf("split", value, {"test", "val", "train"});
  else if (option == "what")
    o.what = oneOf("what", value, {"infer"});
  else if (option == "data")
    o.data = value;
  else
    o.json = true;
}

static int parseAndRun(const cnn_model &model, int argc, char **argv) {
  const Description d = parseDescription(model);
  const std::string path = argc > 0 ? argv[0] : d.name, program = path.substr(path.rfind('/') + 1), word = argc > 1 ? argv[1] : "";
  const auto command = std::find_if(std::begin(commands), std::end(commands), [&](auto &c) { return word == c.first; });
  if (command == std::end(commands)) {
    const bool asked = word == "--help" || word == "-h" || word == "help";
    if (!asked && !word.empty())
      fmt::print(stderr, "error: there is no command '{}'; this program was compiled with --inference and has predict, eval, info and bench\n", printable(word));
    else
      printHelp(program.c_str(), d, asked ? stdout : stderr);
    return asked ? 0 : int(Exit::usage);
  }
  static const option options[] = {{"threads", 1, nullptr, 0}, {"top", 1, nullptr, 0},   {"batch", 1, nullptr, 0}, {"seconds", 1, nullptr, 0}, {"format", 1, nullptr, 0},
                                   {"split", 1, nullptr, 0},   {"what", 1, nullptr, 0},  {"data", 1, nullptr, 0},  {"json", 0, nullptr, 0},    {"help", 0, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
  Options o;
  o.threads = std::min(availableCores(), maxThreads);
  o.part = "test", o.what = "infer";
  int index = 0;
  for (int found; (found = getopt_long(argc - 1, argv + 1, "h", options, &index)) != -1;) {
    if (found == '?')
      return int(Exit::usage); // getopt has said why
    if (found == 'h')
      return printHelp(program.c_str(), d, stdout), 0;
    take(o, options[index].name, optarg);
  }
  std::vector<std::string> words(argv + 1 + optind, argv + argc);
  const size_t needed = word == "predict" ? 2 : word == "eval" ? 1 : 0;
  if (words.size() < needed || (word != "predict" && words.size() > needed))
    fail(Exit::usage, "{} takes {}", word, needed == 2 ? "a checkpoint and pictures" : needed ? "a checkpoint" : "no other words");
  if (needed) {
    o.checkpoint = words[0];
    o.images.assign(words.begin() + 1, words.end());
  }
  return command->second(model, o);
}

} // namespace rt

int main(int argc, char **argv) {
  return rt::guarded([&] { return rt::parseAndRun(rt::chooseLevel(cnn_the_model), argc, argv); });
}
