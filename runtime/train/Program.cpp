// The generated code together with the memory that it works on.
// In: x, labels.  Out: what the arena holds after a call.
#include "runtime/train/Program.h"
#include "runtime/device/Cpu.h"
#include "runtime/device/Denormals.h"
#include "runtime/device/Element.h"
#include <cmath>

namespace rt {

// A rest of at most batch/restShare samples is cheaper one by one than as a padded batch.
static constexpr int64_t restShare = 4;
// Of weights beyond so many times the caches, too small a part is left there to be worth going through them backwards.
static constexpr size_t nearCaches = 4;

static const cnn_model &checked(const cnn_model &model, const std::string &cpus) {
  const auto missing = missingCpuFeatures(model.cpu_features ? model.cpu_features : "");
  if (missing.empty())
    return model;
  std::string list;
  for (const std::string &feature : missing)
    list += (list.empty() ? "" : ", ") + feature;
  const std::string cpu = model.cpu ? model.cpu : "another processor";
  fail(Exit::badModel, "this program was compiled for {}; this processor ({}) lacks {}{}; compile it with --mcpu native here, or --mcpu x86-64-v3",
       cpus.find('+') == std::string::npos ? cpu : cpus, cpuName(), list, cpus.find('+') == std::string::npos ? "" : ", which " + cpu + " has");
}

Program::Program(const cnn_model &model, const Description &description, int threads)
    : model(checked(model, description.cpu)), description(description), device(threads), tensors(description.tensors, model.element_kind) {
  weightsNearCaches = tensors.modelBytes() <= nearCaches * secondLevelCacheBytes() * size_t(device.pool.threads());
  batchMemory = Batch(capacity(), size_t(description.imageElements()) * elementBytes(elementKind()), elementKind());
}

void Program::needArena(const cnn_function &function) {
  const uint64_t bytes = function.arena_bytes + function.local_bytes * uint64_t(device.pool.threads());
  if (arena.size < bytes) {
    prepared = nullptr;
    arena = AlignedBuffer();
    arena = AlignedBuffer(bytes);
  }
}

cnn_call Program::callFor(const void *x) {
  cnn_call call{};
  call.arena = arena.data();
  call.x = x;
  call.tensors = tensors.pointers();
  call.gradients = gradients.data();
  call.runtime = &device;
  return call;
}

static double element(const void *p, uint32_t kind) {
  return withElement(kind, [&](auto zero) { return double(*static_cast<const decltype(zero) *>(p)); });
}

StepResult Program::trainStep(double lr, uint64_t step, uint64_t seed) {
  needArena(model.train_step);
  cnn_call call = callFor(x());
  call.labels = labels();
  call.second_labels = secondLabels();
  call.mix = mix();
  call.rng[0] = uint32_t(seed), call.rng[1] = uint32_t(seed >> 32);
  call.rng[2] = uint32_t(step), call.rng[3] = uint32_t(step >> 32);
  call.lr = lr;
  call.step = double(step);
  prepared = nullptr;
  device.backwards = false;
  const DenormalsAreZero inStep; // once for all launches: those of few pieces run here, without the pool
  const int32_t status = model.train_step.run(&call);
  tensors.changed();
  const double loss = element(arena.bytes() + model.train_step.loss_offset, elementKind());
  return {status == 0 && std::isfinite(loss), loss};
}

void Program::observeTrainStep(LaunchObserver &observer, double lr, uint64_t step, uint64_t seed) {
  std::memset(arena.data(), 0, arena.size);
  const bool areKept = gradients.data() != nullptr;
  keepGradients(); // every output of a launch is to be seen
  device.observer = &observer;
  trainStep(lr, step, seed);
  device.observer = nullptr;
  if (!areKept)
    gradients = AlignedBuffer();
}

void Program::observeInference(LaunchObserver &observer, const void *sample) {
  std::vector<char> logits(size_t(description.classes) * elementBytes(elementKind()));
  device.observer = &observer;
  prepared = nullptr; // every launch is to be seen
  infer(sample, 1, logits.data());
  device.observer = nullptr;
}

void Program::keepGradients() {
  if (!gradients.data())
    gradients = AlignedBuffer(model.gradient_bytes);
}

const void *Program::gradient(size_t tensor) const {
  if (!model.gradient_offsets || model.gradient_offsets[tensor] == UINT64_MAX)
    return nullptr;
  const uint64_t offset = model.gradient_offsets[tensor];
  return offset & CNN_APART ? gradients.bytes() + (offset & ~CNN_APART) : arena.bytes() + offset;
}

void Program::inferOnce(const cnn_function &function, const void *x, int64_t useful, void *logits) {
  needArena(function);
  cnn_call call = callFor(x);
  call.prepared = prepared == &function && preparedVersion == tensors.version();
  prepared = &function, preparedVersion = tensors.version();
  // Every second run goes through the weights from the end on: what the last run read last is still in the caches.
  device.backwards = weightsNearCaches && !device.backwards;
  const DenormalsAreZero inRun; // as in a step
  if (function.run(&call) != 0)
    fail(Exit::runFailed, "inference failed");
  std::memcpy(logits, arena.bytes() + function.logits_offset, size_t(useful * description.classes) * elementBytes(elementKind()));
}

void Program::infer(const void *samples, int64_t n, void *logits) {
  const size_t image = size_t(description.imageElements()) * elementBytes(elementKind());
  const size_t row = size_t(description.classes) * elementBytes(elementKind());
  const int64_t batch = model.infer.batch;
  if (!padded.size)
    padded = AlignedBuffer(image * size_t(batch));
  const char *from = static_cast<const char *>(samples);
  char *to = static_cast<char *>(logits);
  auto aligned = [&](const char *p, int64_t count, int64_t room) -> const void * {
    if (count == room && reinterpret_cast<uintptr_t>(p) % 64 == 0)
      return p;
    std::memcpy(padded.data(), p, image * size_t(count));
    std::memset(padded.bytes() + image * size_t(count), 0, image * size_t(room - count));
    return padded.data();
  };
  while (n > 0) {
    const bool whole = n > batch / restShare || batch == 1;
    const int64_t useful = whole ? std::min(n, batch) : 1;
    inferOnce(whole ? model.infer : model.infer_one, aligned(from, useful, whole ? batch : 1), useful, to);
    from += image * size_t(useful);
    to += row * size_t(useful);
    n -= useful;
  }
}

} // namespace rt
