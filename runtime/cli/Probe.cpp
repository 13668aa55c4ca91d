// probe: one step on given tensors, for comparison with another framework.
// In: a safetensors file with x (N,C,H,W), y (N), parameters, for mixed samples y2 (N) and mix (N).  Out: a safetensors file with logits, loss, grad.NAME, new.NAME.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/Augment.h"
#include "runtime/device/Element.h"
#include "runtime/params/Safetensors.h"
#include "runtime/params/StorageLayout.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/Program.h"
#include <deque>

namespace rt {

namespace {
/// What goes into OUT; holds the memory until it is written.
struct Results {
  std::vector<SafetensorsTensor> tensors;
  std::deque<AlignedBuffer> memory;
  void *add(const std::string &name, const std::vector<int64_t> &shape, uint32_t kind) {
    size_t size = elementBytes(kind);
    for (int64_t extent : shape)
      size *= size_t(extent);
    memory.emplace_back(size);
    tensors.push_back({name, dtypeOf(kind), shape, memory.back().data()});
    return memory.back().data();
  }
};
} // namespace

static uint32_t floatKind(const SafetensorsFile &file, const SafetensorsEntry &entry) {
  if (entry.dtype == Dtype::f32)
    return CNN_F32;
  if (entry.dtype == Dtype::f64)
    return CNN_F64;
  fail(Exit::badData, "{}: {} has dtype {}, F32 or F64 is needed", printable(file.path()), printable(entry.name), name(entry.dtype));
}

static const SafetensorsEntry &required(const SafetensorsFile &file, const char *name) {
  if (const SafetensorsEntry *entry = file.find(name))
    return *entry;
  fail(Exit::badData, "{} has no tensor {}", printable(file.path()), name);
}

/// (N,C,H,W) to (N,H,W,C), in the model's element type.
static AlignedBuffer channelsLast(const SafetensorsFile &file, const SafetensorsEntry &x, const Description &d, uint32_t kind) {
  if (x.shape.size() != 4 || x.shape[0] < 1 || x.shape[1] != d.channels || x.shape[2] != d.height || x.shape[3] != d.width)
    fail(Exit::badData, "{}: x has shape {}, the network needs (N,{},{},{})", printable(file.path()), shapeText(x.shape), d.channels, d.height,
         d.width);
  const int64_t N = x.shape[0], C = d.channels, area = d.height * d.width;
  AlignedBuffer converted(size_t(N * C * area) * elementBytes(kind)), out(converted.size);
  convertElements(file.data(x), floatKind(file, x), converted.data(), kind, N * C * area);
  withElement(kind, [&](auto zero) {
    const auto *from = converted.as<decltype(zero)>();
    auto *to = out.as<decltype(zero)>();
    for (int64_t n = 0; n < N; ++n)
      for (int64_t c = 0; c < C; ++c)
        for (int64_t p = 0; p < area; ++p)
          to[(n * area + p) * C + c] = from[(n * C + c) * area + p];
  });
  return out;
}

static std::vector<int32_t> labelsOf(const SafetensorsFile &file, const char *which, int64_t N, const Description &d) {
  const SafetensorsEntry &y = required(file, which);
  if (y.shape != std::vector<int64_t>{N} || (y.dtype != Dtype::i64 && y.dtype != Dtype::i32))
    fail(Exit::badData, "{}: {} has shape {} and dtype {}, ({}) and I64 are needed", printable(file.path()), which, shapeText(y.shape), name(y.dtype), N);
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < N; ++i) {
    int64_t label = 0;
    int32_t narrow = 0;
    if (y.dtype == Dtype::i64)
      std::memcpy(&label, file.data(y) + 8 * i, 8);
    else
      std::memcpy(&narrow, file.data(y) + 4 * i, 4), label = narrow;
    if (label < 0 || label >= d.classes)
      fail(Exit::badData, "{}: {}[{}] is {}, the network has classes 0..{}", printable(file.path()), which, i, label, d.classes - 1);
    labels.push_back(int32_t(label));
  }
  return labels;
}

static void loadParameters(const SafetensorsFile &file, const Description &d, TensorStore &store) {
  for (const SafetensorsEntry &entry : file.entries()) {
    if (entry.name == "x" || entry.name == "y" || entry.name == "y2" || entry.name == "mix")
      continue;
    const TensorInfo *info = d.findTensor(entry.name);
    if (!info)
      fail(Exit::badData, "{}: the network {} has no tensor {}", printable(file.path()), d.name, printable(entry.name));
    if (entry.shape != info->shape)
      fail(Exit::badData, "{}: {} has shape {}, the network needs {}", printable(file.path()), info->name, shapeText(entry.shape),
           shapeText(info->shape));
    store.writeLogical(size_t(info - d.tensors.data()), file.data(entry), floatKind(file, entry));
  }
}

/// y2 (N) and mix (N), where the file has them: what training does with mixed samples.
static void takeMixed(const SafetensorsFile &file, Program &program) {
  if (!file.find("y2") && !file.find("mix"))
    return;
  if (Augment(program.description, 0).mixing().none())
    fail(Exit::badData, "{} has y2 or mix; the network {} does not mix samples (mixup or cutmix in its data block)", printable(file.path()), program.description.name);
  const SafetensorsEntry &mix = required(file, "mix");
  const std::vector<int32_t> second = labelsOf(file, "y2", program.batch(), program.description);
  if (mix.shape != std::vector<int64_t>{program.batch()})
    fail(Exit::badData, "{}: mix has shape {}, ({}) is needed", printable(file.path()), shapeText(mix.shape), program.batch());
  std::copy(second.begin(), second.end(), program.secondLabels());
  convertElements(file.data(mix), floatKind(file, mix), program.mix(), program.elementKind(), program.batch());
}

static void probeTraining(Program &program, const AlignedBuffer &x, const std::vector<int32_t> &labels, uint64_t seed, Results &results) {
  const Description &d = program.description;
  const uint32_t kind = program.elementKind();
  const int64_t N = int64_t(labels.size());
  if (N != program.batch())
    fail(Exit::badData, "x has {} samples; the batch of training is compiled in: {} (cnnc --batch {})", N, program.batch(), N);
  std::memcpy(program.x(), x.data(), x.size);
  std::copy(labels.begin(), labels.end(), program.labels());
  program.keepGradients();
  const StepResult step = program.trainStep(d.train.lr * program.schedule(0, double(d.train.epochs)), 1, seed);
  if (!step.finite)
    fail(Exit::runFailed, "the loss is {}", step.loss);
  std::memcpy(results.add("logits", {N, d.classes}, kind), program.trainLogits(), size_t(N * d.classes) * elementBytes(kind));
  convertElements(&step.loss, CNN_F64, results.add("loss", {}, kind), kind, 1);
  for (size_t i = 0; i < d.tensors.size(); ++i)
    if (const void *gradient = d.tensors[i].trainable() ? program.gradient(i) : nullptr)
      toLogical(d.tensors[i], elementBytes(kind), gradient, results.add("grad." + d.tensors[i].name, d.tensors[i].shape, kind));
  for (size_t i = 0; i < d.tensors.size(); ++i)
    if (d.tensors[i].kind != TensorKind::state)
      program.tensors.readLogical(i, results.add("new." + d.tensors[i].name, d.tensors[i].shape, kind));
}

static void probeInference(Program &program, const AlignedBuffer &x, const std::vector<int32_t> &labels, Results &results) {
  const Description &d = program.description;
  const uint32_t kind = program.elementKind();
  const int64_t N = int64_t(labels.size());
  void *logits = results.add("logits", {N, d.classes}, kind);
  program.infer(x.data(), N, logits);
  Tally tally(d.classes, d.train.loss);
  tally.add(logits, kind, labels.data(), N);
  const double loss = tally.loss();
  convertElements(&loss, CNN_F64, results.add("loss", {}, kind), kind, 1);
}

int runProbe(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  Program program(model, d, o.threads);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  program.tensors.initialise(seed, program.device.pool);
  const SafetensorsFile file(o.in);
  loadParameters(file, d, program.tensors);
  const AlignedBuffer x = channelsLast(file, required(file, "x"), d, program.elementKind());
  const std::vector<int32_t> labels = labelsOf(file, "y", file.find("x")->shape[0], d);
  Results results;
  if (o.mode == "train") {
    takeMixed(file, program);
    probeTraining(program, x, labels, seed, results);
  } else {
    probeInference(program, x, labels, results);
  }
  writeSafetensors(o.out, results.tensors, {});
  return 0;
}

} // namespace rt
