// A model behind a C interface: library.h, whose words cnn_lib the compiler replaces by the network's name.
// In: pictures (N,C,H,W) in 0..1.  Out: codes; every exception ends here.
#include "runtime/lib/library.h"
#include "runtime/data/BatchLoader.h"
#include "runtime/device/Element.h"
#include "runtime/device/Level.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Freeze.h"
#include "runtime/train/Loss.h"
#include "runtime/train/Program.h"
#include <cmath>
#include <mutex>

using namespace rt;

namespace {
struct Running {
  Running(int threads, uint64_t seed) : description(parseDescription(cnn_the_model)), program(chooseLevel(cnn_the_model), description, threads) {
    program.tensors.initialise(seed, program.device.pool);
    position.seed = seed;
    if (description.data && description.data->normalize == DataInfo::Normalize::given)
      position.mean = description.data->mean, position.std = description.data->std;
    nameClasses();
    freeze();
  }
  /// What the train block freezes keeps the values of now.
  void freeze() {
    if (!description.train.freeze.empty())
      frozen = std::make_unique<Freeze>(program.tensors, description.train.freeze);
  }
  void nameClasses() {
    description.foundClassNames = position.classNames;
    classNames.clear();
    for (int64_t k = 0; k < description.classes; ++k)
      classNames.push_back(description.className(k));
  }
  Description description;
  Program program;
  TrainingPosition position;
  std::vector<std::string> classNames;
  std::unique_ptr<Freeze> frozen;
};
} // namespace

struct cnn_lib_model {
  std::mutex mutex; ///< calls take turns
  std::string error;
  std::unique_ptr<Running> running;
};

/// Runs f with the model to itself; what it throws becomes a code and a sentence.
template <class F> static int answer(cnn_lib_model *model, const F &f) {
  if (!model)
    return CNN_LIB_USAGE;
  std::lock_guard<std::mutex> hold(model->mutex);
  try {
    f();
    return CNN_LIB_OK;
  } catch (const Failure &failure) {
    model->error = failure.what();
    return int(failure.status);
  } catch (const std::bad_alloc &) {
    model->error = "not enough memory";
  } catch (const std::exception &e) {
    model->error = e.what();
  }
  return CNN_LIB_RUN_FAILED;
}

template <class F> static int answerRunning(cnn_lib_model *model, const F &f) {
  return answer(model, [&] {
    if (!model->running)
      fail(Exit::usage, "the model was never made: {}", model->error);
    f(*model->running);
  });
}

/// (N,C,H,W) in 0..1 to (N,H,W,C), normalised, in the model's element type.
static void takePictures(const Running &r, const float *x, int64_t n, void *out) {
  const Description &d = r.description;
  const int64_t area = d.height * d.width;
  withElement(r.program.elementKind(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < d.channels; ++c) {
        const double mean = r.position.mean.empty() ? 0 : r.position.mean[size_t(c)], std = r.position.std.empty() ? 1 : r.position.std[size_t(c)];
        for (int64_t p = 0; p < area; ++p)
          static_cast<T *>(out)[(i * area + p) * d.channels + c] = T((double(x[(i * d.channels + c) * area + p]) - mean) / std);
      }
  });
}

extern "C" {

void cnn_lib_sizes(int64_t sizes[5]) {
  std::fill_n(sizes, 5, 0);
  try {
    const Description d = parseDescription(cnn_the_model);
    const int64_t stated[] = {d.channels, d.height, d.width, d.classes, d.batch};
    std::copy(std::begin(stated), std::end(stated), sizes);
  } catch (...) { // no memory: zeros
  }
}

int cnn_lib_create(cnn_lib_model **model, int threads, uint64_t seed) {
  constexpr int mostThreads = 1024;
  if (!model)
    return CNN_LIB_USAGE;
  *model = new (std::nothrow) cnn_lib_model;
  if (!*model)
    return CNN_LIB_RUN_FAILED;
  return answer(*model, [&] {
    if (threads < 0 || threads > mostThreads)
      fail(Exit::usage, "threads is {}; 0 to {} are possible", threads, mostThreads);
    (*model)->running = std::make_unique<Running>(threads ? threads : std::min(availableCores(), mostThreads), seed);
  });
}

void cnn_lib_destroy(cnn_lib_model *model) { delete model; }

size_t cnn_lib_last_error(cnn_lib_model *model, char *text, size_t size) {
  if (!model)
    return 0;
  std::lock_guard<std::mutex> hold(model->mutex);
  if (text && size) {
    const size_t length = std::min(size - 1, model->error.size());
    std::memcpy(text, model->error.data(), length);
    text[length] = 0;
  }
  return model->error.size();
}

int cnn_lib_set_normalization(cnn_lib_model *model, const double *mean, const double *std) {
  return answerRunning(model, [&](Running &r) {
    if (!mean || !std)
      fail(Exit::usage, "mean or std is null");
    const size_t C = size_t(r.description.channels);
    for (size_t c = 0; c < C; ++c)
      if (!std::isfinite(mean[c]) || !(std[c] > 0) || !std::isfinite(std[c]))
        fail(Exit::usage, "channel {}: mean {} and std {}; numbers are needed, and std above 0", c, mean[c], std[c]);
    r.position.mean.assign(mean, mean + C);
    r.position.std.assign(std, std + C);
  });
}

int cnn_lib_load(cnn_lib_model *model, const char *path) {
  return answerRunning(model, [&](Running &r) {
    if (!path)
      fail(Exit::usage, "path is null");
    TrainingPosition position = readCheckpoint(path, r.description, r.program.tensors, Need::weights);
    if (position.mean.empty()) // not one of ours
      position.mean = r.position.mean, position.std = r.position.std, position.seed = r.position.seed;
    r.position = position;
    r.nameClasses();
    r.freeze();
  });
}

int cnn_lib_save(cnn_lib_model *model, const char *path) {
  return answerRunning(model, [&](Running &r) {
    if (!path)
      fail(Exit::usage, "path is null");
    writeCheckpoint(path, r.description, r.program.tensors, r.position);
  });
}

int cnn_lib_train_step(cnn_lib_model *model, const float *x, const int32_t *labels, double learning_rate, double *loss) {
  return answerRunning(model, [&](Running &r) {
    if (!x || !labels)
      fail(Exit::usage, "x or labels is null");
    const int64_t n = r.program.batch();
    for (int64_t i = 0; i < n; ++i)
      if (labels[i] < 0 || labels[i] >= r.description.classes)
        fail(Exit::badData, "label {} of sample {} is not one of the classes 0..{}", labels[i], i, r.description.classes - 1);
    takePictures(r, x, n, r.program.x());
    std::copy_n(labels, n, r.program.labels());
    const StepResult result = r.program.trainStep(learning_rate, r.position.step + 1, r.position.seed);
    if (r.frozen)
      r.frozen->putBack();
    if (loss)
      *loss = result.loss;
    if (!result.finite)
      fail(Exit::runFailed, "the loss is {} at step {}; nothing was updated", result.loss, r.position.step + 1);
    ++r.position.step;
  });
}

double cnn_lib_learning_rate(const cnn_lib_model *model, double epoch, double epochs) {
  return model && model->running ? model->running->description.train.lr * model->running->program.schedule(epoch, epochs) : 0;
}

int cnn_lib_predict(cnn_lib_model *model, const float *x, int64_t n, float *probabilities) {
  return answerRunning(model, [&](Running &r) {
    if (n < 0 || (n > 0 && (!x || !probabilities)))
      fail(Exit::usage, "n is {}, or a pointer is null", n);
    const int64_t K = r.description.classes, most = r.program.capacity(), image = r.description.imageElements();
    const uint32_t kind = r.program.elementKind();
    AlignedBuffer logits(size_t(most * K) * elementBytes(kind));
    std::vector<double> row(static_cast<size_t>(K));
    for (int64_t first = 0; first < n; first += most) {
      const int64_t here = std::min(most, n - first);
      takePictures(r, x + first * image, here, r.program.x());
      r.program.infer(r.program.x(), here, logits.data());
      for (int64_t i = 0; i < here; ++i) {
        convertElements(logits.bytes() + size_t(i * K) * elementBytes(kind), kind, row.data(), CNN_F64, K);
        const double all = logSumExp(row.data(), K);
        for (int64_t k = 0; k < K; ++k)
          probabilities[(first + i) * K + k] = float(std::exp(row[size_t(k)] - all));
      }
    }
  });
}

const char *cnn_lib_class_name(const cnn_lib_model *model, int64_t index) {
  if (!model || !model->running || index < 0 || index >= model->running->description.classes)
    return nullptr;
  return model->running->classNames[size_t(index)].c_str();
}

} // extern "C"
