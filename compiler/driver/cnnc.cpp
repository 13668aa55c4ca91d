// cnnc, the compiler's command: flags, then the stages in order.
// In: the command line.  Out: an executable, a stage's text, a table or messages; exit status 0 done, 1 the file is wrong, 2 the
// command line is wrong, 3 the environment is.
#include "compiler/driver/Compile.h"
#include "compiler/driver/Files.h"
#include "compiler/driver/Graph.h"
#include "compiler/driver/Module.h"
#include "compiler/driver/Show.h"
#include "compiler/frontend/Fix.h"
#include "compiler/frontend/Format.h"
#include "compiler/frontend/Frontend.h"
#include "compiler/frontend/Parse.h"
#include "compiler/lsp/Server.h"
#include "compiler/support/Spelling.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstring>
#include <iostream>
#include <map>
#include <unistd.h>

namespace {

using namespace cnnc;

constexpr const char *examples = R"(examples:
  cnnc lenet.cnn -o lenet            compile a network into a trainer for this machine
  ./lenet train                      train it
  cnnc check lenet.cnn               check names and shapes only
  cnnc show lenet.cnn                the table of its layers
  cnnc show lenet.cnn --graph a.svg  a picture of it
  cnnc check --fix lenet.cnn         carry out what its messages offer
  cnnc fmt lenet.cnn                 set its spaces anew
  cnnc lsp                           the language server, for editors
  cnnc lenet.cnn --emit=lib -o liblenet      a library with a C interface: liblenet.a, liblenet.so, lenet.h
  cnnc lenet.cnn -P width=64 --batch 256 -o lenet64
  cnnc --explain E0203               what a message means)";

struct CommandLine {
  std::string input, output, emit = "exe", target = "cpu", mcpu = "native", precision, network, explain, format = "text";
  std::vector<std::string> params, warnings;
  int64_t batch = 0;
  std::string graph;
  std::string fix; ///< of check: "", "write" or "diff"
  std::vector<std::string> files; ///< of fmt
  bool onlyCheck = false;         ///< of fmt
  bool json = false, memory = false, traffic = false, version = false, verbose = false, noWinograd = false, noCache = false, tune = false, inference = false;
  int level = 3;
  std::string maxMemory;
  std::string mode; ///< "", "check" or "show"
};

void addInput(CLI::App &app, CommandLine &c, bool required) {
  auto *file = app.add_option("FILE", c.input, "the .cnn file; - reads standard input");
  if (required)
    file->required();
  app.add_option("-P", c.params, "NAME=VALUE: set a param of the file")->allow_extra_args(false);
  app.add_option("--batch", c.batch, "training batch, in place of the file's")->check(CLI::Range(int64_t(1), int64_t(1) << 20));
  app.add_option("--precision", c.precision, "f32, f64, bf16 or bf16x3, in place of the file's")->check(CLI::IsMember({"f32", "f64", "bf16", "bf16x3"}));
  app.add_option("--network", c.network, "which network of the file");
  app.add_option("--message-format", c.format, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_option("-W", c.warnings, "-Wall, -Wnone: all warnings, none; -WNAME, -Wno-NAME: one of them; -Werror, -Werror=NAME, -Wno-error=NAME: as errors; NAME may be a code")->allow_extra_args(false);
}

/// Prints what there is to say and turns it into the exit status.
int finish(const CommandLine &c, const DiagnosticEngine &diagnostics, int status) {
  bool color = ::isatty(STDERR_FILENO) && !std::getenv("NO_COLOR");
  std::cerr << (c.format == "json" ? diagnostics.renderJson() : diagnostics.render({color}));
  return std::max(status, diagnostics.exitCode());
}

int emitText(const CommandLine &c, const std::string &text, DiagnosticEngine &diagnostics) {
  std::string path = c.output.empty() ? "-" : c.output;
  if (!writeFile(path, text))
    diagnostics.report(Diag::Environment, {}, {"cannot write `" + path + "`: " + std::strerror(errno)});
  return finish(c, diagnostics, 0);
}

/// "300MB", "1.5GiB": bytes; nothing where it is no amount.
std::optional<int64_t> parseAmount(const std::string &text) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  static const std::map<std::string, double> units = {{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KIB", 0x1p10}, {"MIB", 0x1p20}, {"GIB", 0x1p30}};
  std::string unit(static_cast<const char *>(end), text.data() + text.size());
  for (char &c : unit)
    c = char(std::toupper(static_cast<unsigned char>(c)));
  auto known = units.find(unit);
  constexpr double most = 0x1p50;
  if (error != std::errc() || known == units.end() || !(number > 0) || number * known->second > most)
    return {};
  return int64_t(number * known->second);
}

FrontendOptions frontendOptions(const CommandLine &c, DiagnosticEngine &diagnostics) {
  FrontendOptions options;
  for (const std::string &param : c.params) {
    size_t equals = param.find('=');
    if (equals == std::string::npos || equals == 0)
      diagnostics.report(Diag::CommandLine, {}, {"-P " + param + " is not of the form -P name=value"});
    else
      options.params.push_back({param.substr(0, equals), param.substr(equals + 1)});
  }
  if (c.batch)
    options.batch = c.batch;
  if (!c.precision.empty())
    options.precision = precisionOf(c.precision);
  if (!c.network.empty())
    options.network = c.network;
  options.allNetworks = c.mode == "check";
  return options;
}

/// `cnnc fmt`: 1 if a file cannot be parsed or, with --check, is not formatted.
int formatFiles(const CommandLine &c) {
  DiagnosticEngine diagnostics;
  int status = 0;
  for (const std::string &path : c.files) {
    std::string why;
    auto source = readSource(path, maxSourceBytes, path != "-", why);
    if (!source) {
      diagnostics.report(Diag::CannotRead, {}, {path}).note(why);
      continue;
    }
    DiagnosticEngine own;
    auto text = formatSource(source, own);
    if (!text) {
      status = std::max(status, finish(c, own, 1));
      continue;
    }
    if (c.onlyCheck && *text != source->text) {
      std::cout << path << "\n";
      status = std::max(status, 1);
    }
    if (!c.onlyCheck && (path == "-" ? !writeFile(path, *text) : *text != source->text && !replaceFile(path, *text)))
      diagnostics.report(Diag::Environment, {}, {"cannot write `" + path + "`: " + std::strerror(errno)});
  }
  return finish(c, diagnostics, status);
}

/// What -W says.
void setWarnings(const CommandLine &c, DiagnosticEngine &diagnostics) {
  for (const std::string &warning : c.warnings) {
    if (diagnostics.setWarning(warning))
      continue;
    std::vector<std::string> known = warningNames();
    std::string all;
    for (const std::string &name : known)
      all += (all.empty() ? "" : ", ") + name;
    auto &d = diagnostics.report(Diag::CommandLine, {}, {"-W" + warning + ": there is no such warning"});
    std::string name = warning.rfind("no-", 0) == 0 ? warning.substr(3) : warning;
    std::string help = didYouMean(name.rfind("error=", 0) == 0 ? name.substr(6) : name, known);
    if (!help.empty())
      d.help(help);
    d.note("there are " + all);
  }
}

/// `cnnc check --fix`: the fixes, then what is left to say.
int fixFile(const CommandLine &c, const std::shared_ptr<const SourceFile> &source, const FrontendOptions &frontend, DiagnosticEngine &diagnostics) {
  if (c.input == "-" && c.fix == "write") {
    diagnostics.report(Diag::CommandLine, {}, {"--fix writes to its file, and standard input is none"}).help("--fix=diff prints the changes");
    return finish(c, diagnostics, 2);
  }
  Fixed fixed = applyFixes(source, frontend, diagnostics);
  auto now = std::make_shared<SourceFile>(SourceFile{source->path, fixed.text});
  bool changed = fixed.text != source->text;
  if (c.fix == "diff")
    std::cout << lineDifference(c.input, source->text, fixed.text) << std::flush;
  else if (changed && !replaceFile(c.input, fixed.text))
    diagnostics.report(Diag::Environment, {}, {"cannot write `" + c.input + "`: " + std::strerror(errno)});
  if (c.format == "text")
    for (const std::string &done : fixed.done)
      std::cerr << "fixed " << done << "\n";
  check(now, frontend, diagnostics);
  return finish(c, diagnostics, 0);
}

int run(const CommandLine &c, const std::string &command) {
  DiagnosticEngine diagnostics;
  setWarnings(c, diagnostics);
  FrontendOptions frontend = frontendOptions(c, diagnostics);
  std::optional<int64_t> maxMemory = c.maxMemory.empty() ? 0 : parseAmount(c.maxMemory);
  if (!maxMemory)
    diagnostics.report(Diag::CommandLine, {}, {"--max-memory " + c.maxMemory + " is no amount of memory"}).help("a number and a unit, as in 300MB, 512MiB or 1.5GB");
  if (diagnostics.hasErrors())
    return finish(c, diagnostics, 2);

  std::string why;
  auto source = readSource(c.input, maxSourceBytes, false, why);
  if (!source) {
    diagnostics.report(Diag::CannotRead, {}, {c.input}).note(why);
    return finish(c, diagnostics, 1);
  }
  if (c.emit == "ast" && c.mode.empty()) {
    std::string text = printAst(source, diagnostics);
    return diagnostics.hasErrors() ? finish(c, diagnostics, 1) : emitText(c, text, diagnostics);
  }
  if (!c.fix.empty())
    return fixFile(c, source, frontend, diagnostics);
  std::vector<Network> networks = check(source, frontend, diagnostics);
  if (diagnostics.hasErrors() || c.mode == "check")
    return finish(c, diagnostics, 0);
  if (!c.graph.empty()) {
    bool dot = c.graph.size() > 4 && c.graph.substr(c.graph.size() - 4) == ".dot";
    if (!writeFile(c.graph, dot ? graphDot(networks[0]) : graphSvg(networks[0])))
      diagnostics.report(Diag::Environment, {}, {"cannot write `" + c.graph + "`: " + std::strerror(errno)});
    return finish(c, diagnostics, 0);
  }
  if (c.mode == "show" && !c.memory && !c.traffic)
    return emitText(c, c.json ? showJson(networks[0]) : showTable(networks[0]), diagnostics);

  CompileOptions options;
  options.inputPath = c.input;
  options.sourceText = source->text;
  options.emit = c.memory ? "memory" : c.traffic ? "traffic" : c.emit;
  options.json = c.json;
  options.outputPath = c.output.empty() && options.emit != "exe" ? "-" : c.output;
  options.target = c.target;
  options.mcpu = c.mcpu;
  options.command = command;
  options.verbose = c.verbose;
  options.winograd = !c.noWinograd;
  options.tune = c.tune;
  options.cache = !c.noCache;
  options.optimise = c.level > 0;
  options.inference = c.inference;
  options.maxMemory = *maxMemory;
  auto compile = loadAs<CompileEntry>("cnnc-compile", "cnncCompile", why);
  if (!compile) {
    diagnostics.report(Diag::Environment, {}, {"the compiler's module cannot be loaded: " + why});
    return finish(c, diagnostics, 0);
  }
  return finish(c, diagnostics, compile(networks[0], options, diagnostics));
}

int realMain(int argc, char **argv) {
  CommandLine c;
  CLI::App app("cnnc compiles convolutional networks into self-contained trainers.", "cnnc");
  app.footer(examples);
  addInput(app, c, false);
  app.add_option("-o", c.output, "the file to write; - writes to standard output");
  app.add_option("--emit", c.emit, "stop at a stage: ast cnn train linalg loops llvm asm obj ptx lib")
      ->check(CLI::IsMember({"exe", "ast", "cnn", "train", "linalg", "loops", "llvm", "asm", "obj", "ptx", "lib"}));
  app.add_flag("--inference", c.inference, "a small program that predicts and evaluates, without training; batchnorm is folded into the layers before it");
  app.add_option("--target", c.target, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option("--mcpu", c.mcpu, "the processor: native, v3 (AVX2), v4 (AVX-512), LLVM's names; v3+v4 makes a program for both, which chooses when it starts");
  app.add_option("-O", c.level, "0: compile in the shortest time, for a program that runs several times as long (and without Winograd's form); 1 to 3: make the fastest program (default)")->check(CLI::Range(0, 3));
  app.add_flag("--no-cache", c.noCache, "compile every kernel anew, and keep none");
  app.add_flag("--tune", c.tune, "measure every kernel with other tiles and keep the fastest, for this and later compilations; the results are the same bits");
  app.add_option("--max-memory", c.maxMemory, "such as 300MB: the trainer's peak stays under it, because a step computes again what it would have kept; the results are the same bits");
  app.add_flag("--no-winograd", c.noWinograd, "convolutions by their definition alone, without the faster form of 3x3 and 5x5 ones");
  app.add_option("--explain", c.explain, "CODE: the long form of a message");
  app.add_flag("--version", c.version, "print the version");
  app.add_flag("-v,--verbose", c.verbose, "say what is being done");
  auto *check = app.add_subcommand("check", "check names and shapes only");
  addInput(*check, c, true);
  check->add_flag("--fix{write}", c.fix, "carry out the fixes that the messages offer; --fix=diff prints them and leaves the file")->check(CLI::IsMember({"write", "diff"}));
  auto *show = app.add_subcommand("show", "the table of the layers");
  addInput(*show, c, true);
  show->add_flag("--json", c.json, "as JSON");
  show->add_flag("--memory", c.memory, "what the trainer will hold at its peak, in place of the table; this loads the compiler");
  show->add_flag("--traffic", c.traffic, "the bytes that a training step moves, kernel by kernel, and the least that it could; this loads the compiler")->excludes("--memory");
  show->add_option("--mcpu", c.mcpu, "the processor that --memory and --traffic are asked of");
  show->add_option("--max-memory", c.maxMemory, "for --memory and --traffic: of a trainer made with this bound");
  show->add_option("-o", c.output, "the file to write");
  show->add_option("--graph", c.graph, "FILE.svg or FILE.dot: a picture of the network instead");
  auto *fmt = app.add_subcommand("fmt", "set indentation and spaces anew");
  fmt->add_option("FILE", c.files, "the .cnn files; - reads standard input and writes standard output")->required();
  fmt->add_flag("--check", c.onlyCheck, "write nothing, list the files that would change, and fail if there are any");

  auto *lsp = app.add_subcommand("lsp", "the language server: the Language Server Protocol on standard input and output");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  c.mode = check->parsed() ? "check" : show->parsed() ? "show" : "";
  if (fmt->parsed())
    return formatFiles(c);
  if (lsp->parsed())
    return serveEditor();
  if (c.version) {
    std::cout << "cnnc " CNNC_VERSION "\n";
    return 0;
  }
  if (!c.explain.empty()) {
    std::string text = explain(c.explain);
    if (text.empty())
      std::cerr << "cnnc: there is no message " << c.explain << "\n";
    else
      std::cout << text;
    return text.empty() ? 2 : 0;
  }
  if (c.input.empty()) {
    std::cerr << "cnnc compiles convolutional networks into self-contained trainers. `cnnc --help` lists the options.\n" << examples << "\n";
    return 2;
  }
  if (c.mode.empty() && (c.emit == "exe" || c.emit == "lib") && (c.output.empty() || (c.emit == "lib" && c.output == "-"))) {
    std::cerr << (c.emit == "lib" ? "cnnc: say where the library goes, without .a or .so: cnnc " : "cnnc: say where the program goes: cnnc ") << c.input
              << (c.emit == "lib" ? " --emit=lib -o libNAME\n" : " -o NAME\n");
    return 2;
  }
  if (c.inference && c.emit != "exe") {
    std::cerr << "cnnc: --inference makes a program; it does not go with --emit\n";
    return 2;
  }
  bool isTraining = c.mode == "show" ? c.memory || c.traffic : !c.inference && c.emit != "ast" && c.emit != "cnn" && c.emit != "train" && c.emit != "linalg";
  if (!c.maxMemory.empty() && !isTraining) {
    std::cerr << "cnnc: --max-memory plans the memory of training; " << (c.mode == "show" ? "it goes with show --memory and show --traffic\n" : c.inference ? "it does not go with --inference\n" : "--emit=" + c.emit + " stops before there is a plan\n");
    return 2;
  }
  std::string command;
  for (int i = 0; i < argc; ++i)
    command += (i ? " " : "") + std::string(argv[i]);
  return run(c, command);
}

} // namespace

int main(int argc, char **argv) {
  try {
    return realMain(argc, argv);
  } catch (const std::bad_alloc &) {
    std::cerr << "cnnc: out of memory\n";
  } catch (const std::exception &error) {
    std::cerr << "cnnc: " << error.what() << "\n";
  }
  return 3;
}
