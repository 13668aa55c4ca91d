// The command line: options of every command, help, "did you mean", and failures turned into exit statuses.
// In: argc, argv.  Out: Options for one command.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/cli/Explain.h"
#include "runtime/device/Level.h"
#include "runtime/device/ThreadPool.h"
#include "runtime/params/Description.h"
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <numeric>

namespace rt {

static constexpr int maxThreads = 1024;

static const std::pair<const char *, int (*)(const cnn_model &, const Options &)> commands[] = {
    {"train", runTrain}, {"eval", runEval},   {"predict", runPredict}, {"info", runInfo},
    {"data", runData},   {"lr-find", runLrFind}, {"bench", runBench}, {"probe", runProbe}, {"export", runExport},
    {"profile", runProfile}, {"check-gradients", runCheckGradients}, {"report", runReport}};

static void printShortHelp(const std::string &program, const Description &d, FILE *to) {
  fmt::print(to,
             "{0}: the trainer of the network {1} ({2}x{3}x{4} -> {5} classes)\n\n"
             "usage: {0} COMMAND [options]\n"
             "  train                       train, from the start or with --resume\n"
             "  eval CHECKPOINT             accuracy, top-5, loss, per-class table, confusions\n"
             "  predict CHECKPOINT IMAGE... the likeliest classes of PNG or JPEG files\n"
             "  info                        layers, parameters, memory, how it was compiled\n"
             "  data                        what the network sees: counts, a picture of samples\n"
             "  lr-find                     learning-rate range test, with a plot\n"
             "  bench                       time a step on data in memory\n"
             "  profile                     where a step's time goes, layer by layer\n"
             "  probe                       one step on given tensors, for comparison\n"
             "  check-gradients             compare gradients with finite differences (models in f64)\n"
             "  report CHECKPOINT           a page: curves, confusions, calibration, worst mistakes, filters\n"
             "  export CHECKPOINT           as ONNX\n\n"
             "examples:\n"
             "  {0} train --epochs 10\n"
             "  {0} eval checkpoints/{1}/last.safetensors\n"
             "  {0} predict checkpoints/{1}/last.safetensors picture.png\n\n"
             "{0} COMMAND --help lists a command's options.\n"
             "exit status: 0 done, 1 run failed, 2 usage, 3 bad data, 4 bad model or checkpoint, 5 cannot write\n",
             program, d.name, d.channels, d.height, d.width, d.classes);
}

/// Levenshtein 1966.
static size_t editDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

static std::string nearest(const std::string &word, const std::vector<std::string> &known) {
  std::string best;
  size_t bestDistance = 3; // two slips of the finger
  for (const std::string &candidate : known)
    if (const size_t distance = editDistance(word, candidate); distance < bestDistance && distance < candidate.size()) {
      best = candidate;
      bestDistance = distance;
    }
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

static CLI::App *addCommands(CLI::App &app, Options &o, uint64_t &seed, const Description &d) {
  auto threads = [&o](CLI::App *c) {
    c->add_option("--threads", o.threads, "threads (default: the cores that this process may use)")->check(CLI::Range(1, maxThreads));
  };
  auto seedOption = [&seed](CLI::App *c) { return c->add_option("--seed", seed, "seed of every random number"); };
  auto data = [&o](CLI::App *c) {
    c->add_option("--data", o.data, "directory of the data, instead of the data block's root");
    c->add_option("--max-bad", o.maxBad, "damaged pictures that are left out before the run stops (default: 0)")->check(CLI::Range(0, 1000000000));
    c->add_option_function<uint64_t>(
         "--cache", [&o](uint64_t mib) { o.cacheMib = mib, o.cacheGiven = true; },
         "MiB of decoded pictures to hold, a part (default: a quarter of the memory); others are decoded again when they are needed")
        ->check(CLI::Range(0, 1 << 30));
  };
  auto json = [&o](CLI::App *c) { c->add_flag("--json", o.json, "JSON instead of text"); };
  const std::string batchNote = fmt::format("Train the network.  Batches have the compiled size of {}; samples left over at the end of an epoch's "
                                            "shuffled order wait for the next epoch.  A run without --resume overwrites the directory's checkpoints.",
                                            d.batch);
  CLI::App *train = app.add_subcommand("train", batchNote);
  data(train), threads(train), json(train), seedOption(train);
  train->add_option("--epochs", o.epochs, fmt::format("epochs in all, resumed ones too (default: {})", d.train.epochs))
      ->check(CLI::Range(1, 1000000));
  train->add_option("--stop-after", o.stopAfter, "end this run after so many epochs; the schedule still counts --epochs")
      ->check(CLI::Range(1, 1000000));
  train->add_flag("--resume", o.resume, "go on from DIR/last.safetensors");
  train->add_option("--checkpoint", o.checkpoint,
                    fmt::format("directory of last.safetensors and best.safetensors (default: checkpoints/{})", d.name));
  train->add_option("--lr", o.lr, fmt::format("learning rate (default: {})", d.train.lr))->check(CLI::Range(1e-12, 1e6));
  train->add_option("--lr-factor", o.lrFactor, "times the learning rate")->check(CLI::Range(1e-9, 1e9));
  train->add_option("--ema", o.ema, "average the weights with this decay, e.g. 0.999; measured with, and saved beside them as NAME.ema")->check(CLI::Range(0.0, 0.9999999));
  train->add_option("--keep", o.keep, "keep best.safetensors by PART.METRIC, e.g. val.loss; none");
  train->add_option("--stop", o.stop, "PART.METRIC:N ends the run when it has not been better for N epochs; none");
  train->add_option("--on-nan", o.onNan, "a loss that is not finite: stop (default), skip the step, rollback to the last checkpoint at half the rate")
      ->check(CLI::IsMember({"stop", "skip", "rollback"}));
  CLI::Option *load = train->add_option("--load", o.load, "begin with the weights of a safetensors file, those that fit, instead of what the train block loads; none");
  train->add_option("--only", o.only, "load only this layer or block, or tensors whose names begin so")->needs(load);
  load->excludes("--resume");
  train->add_option("--freeze", o.freeze, "leave these layers or blocks, or parameters whose names begin so, separated by commas, as they are, instead of those of the train block; none (say it again with --resume)");
  train->add_option("--limit-batches", o.limitBatches, "batches of an epoch at most, and of each evaluation, spread over its set")->check(CLI::Range(1, 1000000000));
  train->add_option("--overfit", o.overfit, "train on the same first N batches, not augmented: the loss must vanish")->check(CLI::Range(1, 1000000000));
  train->add_option("--max-time", o.maxSeconds, "seconds, then save and end")->check(CLI::Range(0.001, 1e9));
  train->add_flag("--fast-dev-run", o.fastDevRun, "one epoch of two batches, nothing is written");
  CLI::App *dataCommand = app.add_subcommand("data", "What the network sees: counts by class and a picture of samples.");
  dataCommand->add_option("--split", o.part, "train (default), val or test")->check(CLI::IsMember({"test", "val", "train"}));
  dataCommand->add_option("--show", o.show, "samples in the picture (default: 16)")->check(CLI::Range(1, 1024));
  dataCommand->add_option("-o,--out", o.out, "PNG file to write");
  data(dataCommand), threads(dataCommand), seedOption(dataCommand);
  CLI::App *find = app.add_subcommand("lr-find", "Raise the learning rate step by step until the loss runs away; no checkpoint is touched.");
  find->add_option("--from", o.from, "first rate (default: 1e-6)")->check(CLI::Range(1e-15, 1e6));
  find->add_option("--to", o.to, "last rate (default: 1)")->check(CLI::Range(1e-15, 1e6));
  find->add_option("--steps", o.steps, "steps (default: 100)")->check(CLI::Range(10, 100000));
  find->add_option("-o,--out", o.out, "SVG file (default: lr-find.svg)");
  data(find), threads(find), json(find), seedOption(find);
  train->add_option("--log-dir", o.logDirectory, "write TensorBoard event files there (history.jsonl stands beside the checkpoints)");
  CLI::App *eval = app.add_subcommand("eval", "Measure a checkpoint on every sample of a part of the data.");
  eval->add_option("CHECKPOINT", o.checkpoint, "a safetensors file")->required();
  eval->add_option("--split", o.part, "test (default), val or train")->check(CLI::IsMember({"test", "val", "train"}));
  data(eval), threads(eval), json(eval), seedOption(eval);
  CLI::App *predict = app.add_subcommand("predict", "Classify pictures; they are resized to the network's input.");
  predict->add_option("CHECKPOINT", o.checkpoint, "a safetensors file")->required();
  predict->add_option("IMAGE", o.images, "PNG or JPEG files, folders of them, or - for a list of them on stdin")->required();
  predict->add_option("--format", o.format, "text (default), csv or json")->check(CLI::IsMember({"text", "csv", "json"}));
  predict->add_option("--explain-image", o.explain, "PNG to write: which part of the one picture speaks for its likeliest class (Score-CAM)");
  o.explainWith = writeExplanation;
  predict->add_option("--top", o.top, "classes to show (default: 3)")->check(CLI::Range(1, 100000));
  data(predict), threads(predict), json(predict);
  CLI::App *info = app.add_subcommand("info", "Layers, parameters, memory, and how the program was compiled.");
  json(info);
  CLI::App *bench = app.add_subcommand("bench", "Time steps on random data in memory.");
  bench->add_option("--what", o.what, "train (default) or infer")->check(CLI::IsMember({"train", "infer"}));
  bench->add_option("--batch", o.batch, fmt::format("images a step (default: {}); training has no other", d.batch))->check(CLI::Range(1, 1 << 20));
  bench->add_option("--seconds", o.seconds, "time to measure for (default: 8)")->check(CLI::Range(0.0, 86400.0));
  bench->add_flag("--once", o.once, "one step and the end, for timing the whole program");
  threads(bench), json(bench), seedOption(bench);
  CLI::App *probe = app.add_subcommand("probe", "One step on given tensors, for comparison with another framework.");
  probe->add_option("--in", o.in, "safetensors file: x (N,C,H,W), y (N), parameters by name")->required();
  probe->add_option("--out", o.out, "safetensors file: logits, loss, grad.NAME, new.NAME")->required();
  probe->add_option("--mode", o.mode, "train (default) or eval")->check(CLI::IsMember({"train", "eval"}));
  threads(probe), seedOption(probe);
  addResultCommands(app, o, d);
  return train;
}

/// A message for words that no option or command takes, with the nearest that one does.
static int reportStray(const CLI::App &app, const std::string &word) {
  const CLI::App *command = nullptr;
  std::vector<std::string> known;
  for (const CLI::App *sub : app.get_subcommands())
    command = sub;
  if (command)
    for (const CLI::Option *option : command->get_options())
      known.push_back(option->get_name(false, true));
  else
    for (auto &[name, run] : commands)
      known.push_back(name);
  for (std::string &name : known)
    name = name.substr(0, name.find(','));
  const std::string bare = word.substr(0, word.find('='));
  fmt::print(stderr, "error: {} '{}'{}\n", command ? command->get_name() + " takes no" : "there is no command", printable(word), nearest(bare, known));
  return int(Exit::usage);
}

static int parseAndRun(const cnn_model &model, int argc, char **argv) {
  const Description d = parseDescription(model);
  const std::string path = argc > 0 ? argv[0] : d.name, program = path.substr(path.rfind('/') + 1);
  const std::string first = argc > 1 ? argv[1] : "";
  if (argc < 2 || first == "--help" || first == "-h" || first == "help") {
    printShortHelp(program, d, argc < 2 ? stderr : stdout);
    return argc < 2 ? int(Exit::usage) : 0;
  }
  Options options;
  options.threads = std::min(availableCores(), maxThreads);
  uint64_t seed = 0;
  CLI::App app(d.name, program);
  app.require_subcommand(1);
  addCommands(app, options, seed, d);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &e) {
    return app.exit(e), 0;
  } catch (const CLI::ExtrasError &) {
    const auto stray = app.remaining(true);
    return reportStray(app, stray.empty() ? first : stray.front());
  } catch (const CLI::RequiredError &e) {
    if (app.get_subcommands().empty())
      return reportStray(app, first);
    fmt::print(stderr, "error: {}\n", e.what());
    return int(Exit::usage);
  } catch (const CLI::ParseError &e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return int(Exit::usage);
  }
  const CLI::App *chosen = app.get_subcommands().front();
  if (options.part.empty())
    options.part = chosen->get_name() == "data" ? "train" : "test";
  options.command = chosen->get_name();
  if (const CLI::Option *option = chosen->get_option_no_throw("--seed"); option && option->count())
    options.seed = seed;
  for (auto &[name, run] : commands)
    if (options.command == name)
      return run(model, options);
  return int(Exit::usage);
}

int runTrainer(const cnn_model &model, int argc, char **argv) {
  return guarded([&] { return parseAndRun(chooseLevel(model), argc, argv); });
}

} // namespace rt
