// The search: one knob after the other, all its values compiled side by side and timed in turn.
// In: KernelTrial.  Out: a TileChoice. The file: a line a kernel, its symbol and what is not by rule.
#include "compiler/codegen/Tuner.h"
#include "compiler/codegen/ObjectStore.h"
#include "compiler/codegen/Tools.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cstring>
#include <dlfcn.h>

using namespace llvm;

namespace cnnc {
namespace {

struct Dimension {
  Knob knob;
  std::vector<int64_t> values;
};

/// What is worth trying for a family of kernels; nothing for those that memory bounds.
std::vector<Dimension> dimensionsOf(StringRef family) {
  if (family == "winograd_conv_filter_grad")
    return {{Knob::WinogradTiles, {16, 24, 32, 48, 96}}};
  if (family.starts_with("winograd_conv"))
    return {{Knob::WinogradGroups, {2, 4, 6, 12, 16}}, {Knob::Pixels, {8, 10, 12}}};
  if (family == "conv_filter_grad" || family == "dense_filter_grad")
    return {{Knob::GradCells, {4, 6, 10, 12, 14}}, {Knob::GradPixels, {32, 64, 256, 512}}};
  if (family == "conv" || family == "conv_input_grad" || family == "dense" || family == "dense_input_grad")
    return {{Knob::Pixels, {6, 8, 10, 12}}, {Knob::Unroll, {1, 2, 4, 8}}};
  return {};
}

constexpr const char *tableName = "cnnc_trials";

using Kernel = void (*)(void *const *buffers, int64_t piece);

/// Memory for a kernel's arguments, of small numbers that are normal in every type.
class Arguments {
public:
  explicit Arguments(ArrayRef<KernelArgument> formal) {
    constexpr size_t line = 64;
    for (const KernelArgument &a : formal) {
      bool real = isa<mlir::FloatType>(a.element);
      size_t bytes = a.elements * a.element.getIntOrFloatBitWidth() / 8;
      memory.emplace_back(bytes + line);
      char *start = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(memory.back().data()) + line - 1) / line * line);
      for (size_t i = 0; real && i + 1 < bytes; i += 2) // 0x3c3c3c3c...: about 0.01 in bf16 and f32
        std::memset(start + i, 0x3c, 2);
      pointers.push_back(start);
    }
  }
  std::vector<void *> pointers;

private:
  std::vector<std::vector<char>> memory;
};

/// Seconds of the fastest of several runs of all pieces, each kernel in turn.
std::vector<double> timed(ArrayRef<std::pair<Kernel, int64_t>> kernels, Arguments &arguments) {
  using Clock = std::chrono::steady_clock;
  constexpr double enough = 0.03; // seconds a kernel
  constexpr int fewest = 3, most = 200;
  std::vector<double> best(kernels.size(), 1e30);
  double spent = 0;
  for (int round = 0; round < fewest || (round < most && spent < enough * double(kernels.size())); ++round)
    for (auto [i, kernel] : enumerate(kernels)) {
      auto start = Clock::now();
      for (int64_t piece = 0; piece < kernel.second; ++piece)
        kernel.first(arguments.pointers.data(), piece);
      double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      spent += seconds, best[i] = std::min(best[i], seconds);
    }
  return best;
}

} // namespace

Tuner::Tuner(const Processor &processor, const PipelineOptions &pipeline, std::string folder) : processor(processor), pipeline(pipeline) {
  if (folder.empty())
    return;
  SmallString<128> file(folder);
  sys::path::append(file, "tuned-" + processor.cpu + ".txt");
  path = std::string(file);
  load();
}

void Tuner::load() {
  auto file = MemoryBuffer::getFile(path);
  if (!file)
    return;
  SmallVector<StringRef> lines;
  (*file)->getBuffer().split(lines, '\n');
  for (StringRef line : lines) {
    SmallVector<StringRef> words;
    line.split(words, ' ', -1, /*KeepEmpty=*/false);
    if (words.empty())
      continue;
    TileChoice choice;
    bool valid = true;
    for (StringRef word : ArrayRef(words).drop_front()) {
      auto [name, value] = word.split('=');
      auto *knob = find(knobNames, name);
      valid &= knob != std::end(knobNames);
      if (valid)
        valid &= !value.getAsInteger(10, choice.values[knob - std::begin(knobNames)]) && choice.values[knob - std::begin(knobNames)] > 0 &&
                 choice.values[knob - std::begin(knobNames)] <= 4096;
    }
    if (valid) // a line that is not ours is passed over
      known[words.front()] = choice;
  }
}

void Tuner::save() const {
  std::vector<std::string> lines;
  for (const auto &entry : known)
    lines.push_back(entry.first().str() + entry.second.text() + "\n");
  sort(lines);
  consumeError(writeWhole(path, join(lines, "")));
}

TileChoice Tuner::choose(const KernelTrial &trial, bool measures) {
  if (dimensionsOf(trial.family).empty())
    return {};
  std::string symbol = ObjectStore::symbolOf(trial.key, processor);
  if (auto it = known.find(symbol); it != known.end())
    return it->second;
  if (!measures || path.empty())
    return {};
  auto found = search(trial);
  if (!found) {
    errs() << "note: a " << trial.family << " kernel keeps its tiles: " << toString(found.takeError()) << "\n";
    return {};
  }
  ++measured, changed += !found->text().empty();
  load(); // others may have been at work
  known[symbol] = *found;
  save();
  return *found;
}

Expected<std::string> Tuner::tableOf(size_t trials) const {
  LLVMContext context;
  Module module("trials", context);
  module.setTargetTriple(processor.machine->getTargetTriple());
  module.setDataLayout(processor.machine->createDataLayout());
  auto *pointer = PointerType::get(context, 0);
  std::vector<Constant *> functions;
  for (size_t i = 0; i < trials; ++i) {
    auto *f = Function::Create(FunctionType::get(Type::getVoidTy(context), false), GlobalValue::ExternalLinkage, "trial" + std::to_string(i), module);
    f->setVisibility(GlobalValue::HiddenVisibility);
    functions.push_back(f);
  }
  auto *type = ArrayType::get(pointer, trials);
  new GlobalVariable(module, type, /*isConstant=*/false, GlobalValue::ExternalLinkage, ConstantArray::get(type, functions), tableName);
  return emitCode(module, processor, /*assembly=*/false);
}

Expected<std::vector<double>> Tuner::measure(const KernelTrial &trial, ArrayRef<TileChoice> candidates) const {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(trial.buffers.front().element.getContext()));
  std::vector<int64_t> pieces;
  for (auto [i, candidate] : enumerate(candidates))
    pieces.push_back(trial.build(*module, "trial" + std::to_string(i), candidate));
  separate(*module);
  if (failed(runToLlvm(*module, pipeline)))
    return createStringError("no LLVM form");
  auto objects = emitObjects(*module, "native", OptimisationLevel::Full);
  if (!objects)
    return objects.takeError();
  std::vector<std::string> contents;
  for (auto &[symbol, object] : *objects)
    contents.push_back(std::move(object));
  auto table = tableOf(contents.size());
  if (!table)
    return table.takeError();
  contents.push_back(*table);
  auto files = objectFiles(contents);
  if (!files)
    return files.takeError();
  auto library = TemporaryFile::make("so");
  if (!library)
    return library.takeError();
  std::vector<StringRef> words = {"-shared", "-o", library->path};
  for (const TemporaryFile &file : *files)
    words.push_back(file.path);
  if (auto error = runTool("ld.lld", words))
    return error;
  void *handle = dlopen(library->path.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto *trials = handle ? static_cast<Kernel *>(dlsym(handle, tableName)) : nullptr;
  if (!trials)
    return createStringError(dlerror());
  std::vector<std::pair<Kernel, int64_t>> kernels;
  for (size_t i = 0; i < candidates.size(); ++i)
    kernels.emplace_back(trials[i], pieces[i]);
  Arguments arguments(trial.buffers);
  auto seconds = timed(kernels, arguments);
  dlclose(handle);
  return seconds;
}

Expected<TileChoice> Tuner::search(const KernelTrial &trial) const {
  constexpr double worth = 0.985; // less is noise
  TileChoice best;
  for (const Dimension &dimension : dimensionsOf(trial.family)) {
    std::vector<TileChoice> candidates = {best};
    for (int64_t value : dimension.values) {
      candidates.push_back(best);
      candidates.back().values[int(dimension.knob)] = value;
    }
    auto seconds = measure(trial, candidates);
    if (!seconds)
      return seconds.takeError();
    size_t winner = std::min_element(seconds->begin(), seconds->end()) - seconds->begin();
    if ((*seconds)[winner] < worth * seconds->front())
      best = candidates[winner];
  }
  // Once more against the rule: the least of many timings is lucky.
  auto seconds = measure(trial, {TileChoice(), best});
  if (!seconds)
    return seconds.takeError();
  bool wins = !best.text().empty() && seconds->back() < worth * seconds->front();
  errs() << formatv("{0,-26} {1,9:F3} ms by rule", trial.family, seconds->front() * 1e3);
  if (wins)
    errs() << formatv(", {0:F3} with{1}", seconds->back() * 1e3, best.text());
  errs() << "\n";
  return wins ? best : TileChoice();
}

} // namespace cnnc
