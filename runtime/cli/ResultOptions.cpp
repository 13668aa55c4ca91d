// The command line of what looks at results and takes them elsewhere: profile, check-gradients, report, export.
// In: CLI11's application.  Out: commands added to it, their options bound to Options.
#include "runtime/cli/Commands.h"
#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace rt {

static constexpr int maxThreads = 1024;

static void addThreads(CLI::App *c, Options &o) {
  c->add_option("--threads", o.threads, "threads (default: the cores that this process may use)")->check(CLI::Range(1, maxThreads));
}

static void addProfile(CLI::App &app, Options &o, const Description &d) {
  CLI::App *c = app.add_subcommand("profile", "Time every kernel of a step and compare it with this machine's measured limits.");
  auto what = [&o](const char *word) { return [&o, word](int64_t) { o.what = word; }; };
  CLI::Option *train = c->add_flag_function("--train", what("train"), "a step of training (default)");
  c->add_flag_function("--infer", what("infer"), "inference")->excludes(train);
  c->add_option("--batch", o.batch, fmt::format("images a step (default: {}); training has no other", d.batch))->check(CLI::Range(1, 1 << 20));
  c->add_option("--seconds", o.seconds, "time to measure for (default: 3)")->check(CLI::Range(0.0, 86400.0))->default_val(3.0)->run_callback_for_default(false);
  c->add_option("--kernels", o.kernels, "kernels to list, the longest first (default: 12; --json has all)");
  c->add_option("--trace", o.trace, "write the last step as a Chrome trace, for Perfetto or chrome://tracing");
  c->add_flag("--json", o.json, "JSON instead of text");
  addThreads(c, o);
}

static void addCheckGradients(CLI::App &app, Options &o) {
  CLI::App *c = app.add_subcommand("check-gradients", "Compare gradients with central differences of the loss; the model's precision must be f64.");
  c->add_option("--samples", o.samples, "elements of each parameter to check (default: 6)")->check(CLI::Range(1, 1 << 20));
  c->add_option("--tolerance", o.tolerance, "largest relative difference that passes (default: 1e-5)")->check(CLI::Range(0.0, 1.0));
  c->add_option("--seed", o.checkSeed, "of parameters, data and the choice of elements (default: 1)");
  c->add_flag("--json", o.json, "JSON instead of text");
  addThreads(c, o);
}

static void addReport(CLI::App &app, Options &o) {
  CLI::App *c = app.add_subcommand("report", "Write a page about a checkpoint and its training; it needs no other file.");
  c->add_option("CHECKPOINT", o.checkpoint, "a safetensors file; history.jsonl is looked for beside it")->required();
  c->add_option("-o,--output", o.out, "HTML file to write (default: report.html)");
  c->add_option("--split", o.part, "test (default), val or train")->check(CLI::IsMember({"test", "val", "train"}));
  c->add_option("--data", o.data, "directory of the data, instead of the data block's root");
  addThreads(c, o);
}

void addResultCommands(CLI::App &app, Options &o, const Description &d) {
  addProfile(app, o, d);
  addCheckGradients(app, o);
  addReport(app, o);
  CLI::App *c = app.add_subcommand("export", "Write a checkpoint in another format.");
  c->add_option("CHECKPOINT", o.checkpoint, "a safetensors file")->required();
  c->add_option("--onnx", o.out, "ONNX file to write (opset 17, any batch)")->required();
  c->add_flag("--no-fold", o.noFold, "keep batch-norms as nodes of their own");
  c->add_flag("--normalize", o.normalize, "take pixels in [0,1] and normalise them in the graph");
}

} // namespace rt
