// The training loop.
// In: batches drawn by (seed, epoch).  Out: the same checkpoints for any number of threads and any number of resumptions.
#include "runtime/train/Trainer.h"
#include "runtime/Failure.h"
#include "runtime/data/Order.h"
#include "runtime/device/FiniteCheck.h"
#include "runtime/train/Interrupt.h"
#include "runtime/train/Plateau.h"
#include "runtime/train/Pretrained.h"
#include <cmath>
#include <sys/stat.h>

namespace rt {

static constexpr const char *lastFile = "last.safetensors";
static constexpr const char *bestFile = "best.safetensors";

Trainer::Trainer(Program &program, const TrainOptions &options)
    : program(program), d(program.description), options(options), progress(options.json) {}

/// The number that a metric's name stands for; fails where the data block declares no such part.
static double metric(const std::string &name, const EpochReport &report, const Description &d) {
  const size_t dot = name.find('.');
  const std::string part = name.substr(0, dot), what = dot == std::string::npos ? "" : name.substr(dot + 1);
  const PartMetrics *metrics = part == "train" ? &report.train : part == "val" && report.val ? &*report.val
                               : part == "test" && report.test                        ? &*report.test : nullptr;
  if (metrics && what == "loss")
    return metrics->loss;
  if (metrics && what == "accuracy")
    return metrics->accuracy;
  fail(Exit::badModel, "{} asks for the metric '{}', which its data block does not give; there are PART.loss and PART.accuracy, PART being a declared train, val or test",
       d.name, printable(name));
}

static bool namesPart(const Description &d, const char *prefix) {
  return (d.train.keep && d.train.keep->metric.rfind(prefix, 0) == 0) || (d.train.stop && d.train.stop->metric.rfind(prefix, 0) == 0) ||
         (d.train.plateau && d.train.plateau->metric.rfind(prefix, 0) == 0);
}

/// A metric that no epoch will give is refused before the first one.
static void checkMetrics(const Description &d) {
  EpochReport all{};
  all.val = all.test = PartMetrics{};
  if (d.train.keep)
    metric(d.train.keep->metric, all, d);
  if (d.train.stop)
    metric(d.train.stop->metric, all, d);
  if (d.train.plateau)
    metric(d.train.plateau->metric, all, d);
}

void Trainer::prepare() {
  checkMetrics(d);
  if (!options.dry) {
    makeDirectories(options.checkpoint);
    lock = std::make_unique<DirectoryLock>(options.checkpoint);
  }
  position.seed = options.seed.value_or(d.train.seed);
  if (options.resume) {
    struct stat status;
    if (::stat(path(lastFile).c_str(), &status) != 0)
      fail(Exit::badModel, "there is nothing to resume: {} does not exist", printable(path(lastFile)));
    position = readCheckpoint(path(lastFile), d, program.tensors, Need::everything);
    if (options.seed && *options.seed != position.seed)
      fail(Exit::usage, "the checkpoint was trained with seed {}, --seed says {}", position.seed, *options.seed);
  } else {
    program.tensors.initialise(position.seed, program.device.pool);
    for (const std::string &sentence : loadPretrained(d.train.load, program.tensors))
      progress.note("loaded", sentence);
  }
  if (!d.train.freeze.empty()) {
    frozen = std::make_unique<Freeze>(program.tensors, d.train.freeze);
    progress.note("frozen", frozen->report());
  }
  startAverage(options.resume);
  parts = std::make_unique<DataParts>(d, options.data, position.seed, options.read);
  augment = std::make_unique<Augment>(d, position.seed);
  for (const char *part : {"val", "test"})
    if (namesPart(d, part) && !parts->has(part))
      fail(Exit::badModel, "{} keeps, stops or slows down by a metric of {}, which its data block does not declare", d.name, part);
  train = parts->get("train");
  if (parts->has("val"))
    val = parts->get("val");
  if (namesPart(d, "test."))
    testEachEpoch = parts->get("test");
  noteEmptyClasses();
  batches = train->size() / program.batch();
  for (int64_t limit : {options.limitBatches, options.overfit})
    batches = limit ? std::min(batches, limit) : batches;
  if (batches == 0)
    fail(Exit::badData, "there are {} training samples, fewer than one batch of {}; compile with a smaller batch (cnnc --batch N)",
         train->size(), program.batch());
  Normalization normalization{position.mean, position.std};
  if (!options.resume)
    normalization = chooseNormalization(d, [&] { return train; });
  position.mean = normalization.mean, position.std = normalization.std;
  position.classNames = train->classNames();
  loader = std::make_unique<BatchLoader>(d, program.elementKind(), normalization);
  if (position.stepInEpoch > uint64_t(batches))
    fail(Exit::badModel, "{} stands at step {} of an epoch of {}: it was trained on other data", printable(path(lastFile)), position.stepInEpoch,
         batches);
  if (!options.dry)
    history = std::make_unique<History>(path("history.jsonl"), position.epoch, options.logDirectory);
}

void Trainer::noteEmptyClasses() {
  std::vector<bool> seen(static_cast<size_t>(d.classes));
  for (int64_t i = 0; i < train->size(); ++i)
    seen[size_t(train->label(i))] = true;
  const std::vector<std::string> names = train->classNames();
  std::vector<std::string> empty;
  for (int64_t k = 0; k < d.classes; ++k)
    if (!seen[size_t(k)])
      empty.push_back(size_t(k) < names.size() ? names[size_t(k)] : d.className(k));
  if (!empty.empty())
    progress.note("empty", fmt::format("no training sample is of {}: {}", empty.size() == 1 ? "this class" : "these classes", listed(empty)));
}

static std::vector<void *> pointersOf(const Average &average, size_t n) {
  std::vector<void *> pointers;
  for (size_t i = 0; i < n; ++i)
    pointers.push_back(average.values(i));
  return pointers;
}

void Trainer::startAverage(bool resumed) {
  if (options.ema <= 0)
    return;
  average = std::make_unique<Average>(program.tensors, options.ema, program.device.pool);
  if (resumed && !readAverages(path(lastFile), program.tensors, pointersOf(*average, program.tensors.infos().size())))
    progress.note("ema", fmt::format("{} has no averaged weights: the average begins with its weights", printable(path(lastFile))));
}

bool Trainer::outOfTime() const {
  return options.maxSeconds > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() >= options.maxSeconds;
}

void Trainer::resetEpoch() {
  position.stepInEpoch = 0;
  position.lossSum = 0;
  position.correct = 0;
  position.skipped = 0;
}

void Trainer::rollBack() {
  constexpr double slower = 0.5;
  const double factor = position.lrFactor * slower;
  struct stat status;
  const TrainingPosition before = position;
  if (!options.dry && (options.resume || position.epoch > 0) && ::stat(path(lastFile).c_str(), &status) == 0) {
    position = readCheckpoint(path(lastFile), d, program.tensors, Need::everything);
  } else {
    position = {};
    position.seed = before.seed, position.mean = before.mean, position.std = before.std, position.classNames = before.classNames;
    program.tensors.initialise(position.seed, program.device.pool);
    loadPretrained(d.train.load, program.tensors);
  }
  position.lrFactor = factor;
  startAverage(position.step > 0);
}

double Trainer::learningRate(int64_t batchInEpoch) const {
  const double epoch = double(position.epoch) + double(batchInEpoch) / double(batches);
  return d.train.lr * options.lrFactor * position.lrFactor * position.plateau.factor * program.schedule(epoch, double(options.epochs));
}

bool Trainer::notFinite(double lr, double loss) {
  const uint64_t step = position.step + 1;
  FiniteCheck check;
  program.observeTrainStep(check, lr, step, position.seed);
  std::string where = "no kernel's output shows where it began";
  if (check.found)
    where = fmt::format("the first bad value is {} in layer {} ({})", check.value, printable(check.layer), printable(check.what));
  const int64_t tensor = program.tensors.firstNonFiniteTensor();
  if (tensor >= 0)
    where += fmt::format("; {} holds such a value already, from an earlier step", d.tensors[size_t(tensor)].name);
  const std::string text = fmt::format("the loss became {} at step {} (epoch {}): {}", std::isnan(loss) ? std::abs(loss) : loss, step, position.epoch + 1, where);
  constexpr int64_t mostInRow = 20;
  constexpr int mostRollbacks = 10;
  if (options.onNan == TrainOptions::OnNan::skip && tensor < 0 && ++skippedInRow <= mostInRow) {
    progress.note("skipped", text + "; the step is passed over");
    return true;
  }
  if (options.onNan == TrainOptions::OnNan::rollback && ++rollbacks <= mostRollbacks) {
    rollBack();
    progress.note("rollback", fmt::format("{}; back to step {}, the learning rate is now {} of the schedule's", text, position.step, position.lrFactor));
    return false;
  }
  const bool saved = options.resume || position.epoch > 0;
  fail(Exit::runFailed, "{}; {}; a smaller learning rate or clip = norm(1.0) may help", text,
       saved ? fmt::format("the last good checkpoint, of epoch {}, is {}", position.epoch, printable(path(lastFile)))
             : std::string("no checkpoint had been written yet"));
}

Trainer::Ended Trainer::runEpoch() {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<int64_t> order = epochOrder(train->size(), position.seed, options.overfit ? 0 : position.epoch);
  const int64_t N = program.batch();
  stepsHere = 0;
  PrefetchPlan plan{{order.begin() + int64_t(position.stepInEpoch) * N, order.begin() + batches * N}, N, program.capacity(), options.overfit ? nullptr : augment.get(), position.epoch,
                    prefetchWorkers(*train, program.device.pool.threads())};
  Prefetch prefetch(*loader, *train, std::move(plan));
  for (int64_t b = int64_t(position.stepInEpoch); b < batches; ++b) {
    if (pendingSignal())
      return Ended::interrupted;
    if (outOfTime())
      return Ended::outOfTime;
    if (takeCheckpointRequest() && !options.dry) {
      save(lastFile);
      progress.note("saved", fmt::format("saved {} (epoch {}, step {})", printable(path(lastFile)), position.epoch + 1, position.stepInEpoch));
    }
    program.take(prefetch);
    const double lr = learningRate(b);
    const StepResult result = program.trainStep(lr, position.step + 1, position.seed);
    if (frozen)
      frozen->putBack();
    if (!result.finite && !notFinite(lr, result.loss))
      return Ended::rolledBack;
    ++position.step;
    ++stepsHere;
    position.stepInEpoch = uint64_t(b + 1);
    if (result.finite) {
      skippedInRow = 0;
      position.lossSum += result.loss * double(N);
      position.correct += countCorrect(program.trainLogits(), program.elementKind(), program.given(), N, d.classes);
      if (average)
        average->update(position.step);
    } else {
      ++position.skipped;
    }
    const double seen = std::max(1.0, seenSamples(b + 1));
    progress.step(position.epoch + 1, options.epochs, b + 1, batches, position.lossSum / seen, position.correct / seen, N);
  }
  waitSeconds = prefetch.waited();
  epochSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Ended::epoch;
}

EpochReport Trainer::measure() {
  const double seen = std::max(1.0, seenSamples(batches));
  EpochReport report{position.epoch + 1, options.epochs, position.step, learningRate(batches - 1), epochSeconds,
                     double(stepsHere * program.batch()) / std::max(epochSeconds, 1e-9),
                     {position.lossSum / seen, position.correct / seen}, {}, {}, false, waitSeconds / std::max(epochSeconds, 1e-9)};
  waitTotal += waitSeconds, secondsTotal += epochSeconds;
  auto of = [&](const Dataset &set) {
    const Tally tally = evaluate(program, *loader, set, options.limitBatches);
    return PartMetrics{tally.loss(), tally.accuracy()};
  };
  if (average)
    average->exchange();
  if (val)
    report.val = of(*val);
  if (testEachEpoch)
    report.test = of(*testEachEpoch);
  if (average)
    average->exchange();
  return report;
}

/// Takes the epoch's metric into the position; true where it is the best so far.
bool Trainer::noteBest(EpochReport &report) {
  if (!d.train.keep)
    return false;
  const double value = metric(d.train.keep->metric, report, d);
  report.best = position.bestEpoch == 0 || (d.train.keep->max ? value > position.best : value < position.best);
  if (report.best) {
    position.best = value;
    position.bestEpoch = report.epoch;
  }
  return report.best;
}

/// With a report: takes the metric into the position first.
bool Trainer::stopsEarly(const EpochReport *report) {
  if (!d.train.stop)
    return false;
  const std::string &name = d.train.stop->metric;
  const bool smaller = name.size() >= 4 && name.compare(name.size() - 4, 4, "loss") == 0;
  if (report) {
    const double value = metric(name, *report, d);
    if (position.stopEpoch == 0 || (smaller ? value < position.stopBest : value > position.stopBest)) {
      position.stopBest = value;
      position.stopEpoch = report->epoch;
    }
  }
  return position.stopEpoch != 0 && position.epoch >= position.stopEpoch + uint64_t(d.train.stop->epochs);
}

void Trainer::save(const char *file) {
  const int64_t bad = program.tensors.firstNonFiniteTensor();
  if (bad >= 0)
    fail(Exit::runFailed, "{} holds a NaN or an infinity after step {} (epoch {}); {} is left as it was", d.tensors[size_t(bad)].name,
         position.step, position.epoch, printable(path(file)));
  if (options.dry)
    return;
  const auto averages = average ? pointersOf(*average, program.tensors.infos().size()) : std::vector<void *>();
  writeCheckpoint(path(file), d, program.tensors, position, average ? &averages : nullptr);
}

int Trainer::interrupted() {
  const int number = pendingSignal();
  save(lastFile);
  progress.note("interrupted", fmt::format("saved {} (epoch {}, step {}); resume with: train --resume", printable(path(lastFile)),
                                           position.epoch + 1, position.stepInEpoch));
  return 128 + number;
}

/// Without a val part to judge by, the test part is measured once, at the very end.
void Trainer::finish() {
  if (!val && !testEachEpoch && parts->has("test")) {
    if (average)
      average->exchange(); // for good: nothing is trained or saved after this
    const Tally tally = evaluate(program, *loader, *parts->get("test"), options.limitBatches);
    if (!pendingSignal())
      progress.final("test", {tally.loss(), tally.accuracy()});
  }
}

int Trainer::run() {
  const int status = runAll();
  progress.close();
  return status;
}

int Trainer::runAll() {
  prepare();
  progress.start(d.name, train->size(), val ? val->size() : 0, train->size() % program.batch(), program.device.pool.threads(), position.seed,
                 options.checkpoint);
  if (position.epoch >= options.epochs) {
    progress.note("done", fmt::format("already trained for {} epochs; --epochs says {}", position.epoch, options.epochs));
    return 0;
  }
  bool stop = stopsEarly(nullptr);
  while (!stop && position.epoch < options.epochs) {
    const Ended ended = runEpoch();
    if (ended == Ended::interrupted)
      return interrupted();
    if (ended == Ended::rolledBack)
      continue;
    if (ended == Ended::outOfTime) {
      progress.note("time", fmt::format("the time is up in epoch {} after {} of {} steps; go on with: train --resume", position.epoch + 1, position.stepInEpoch, batches));
      save(lastFile);
      break;
    }
    EpochReport report = measure();
    if (pendingSignal()) // the measurements are not whole: the epoch is measured again after --resume
      return interrupted();
    const bool best = noteBest(report);
    const bool slower = d.train.plateau && observePlateau(*d.train.plateau, position.plateau, metric(d.train.plateau->metric, report, d));
    ++position.epoch;
    resetEpoch();
    stop = stopsEarly(&report);
    if (best) // first: a crash between the two leaves a `last` that writes the same `best` again
      save(bestFile);
    if (history)
      history->add(report);
    save(lastFile);
    progress.epoch(report);
    if (slower)
      progress.note("plateau", fmt::format("{} is on a plateau: the learning rate is now {} of the schedule's", d.train.plateau->metric, position.plateau.factor));
    if (history)
      history->addEvents(report);
    if (stop)
      progress.note("stopped", fmt::format("stopped: {} has not been better for {} epochs", d.train.stop->metric, d.train.stop->epochs));
    if (options.stopAfter && ++epochsHere >= options.stopAfter)
      break;
  }
  progress.data(waitTotal / std::max(secondsTotal, 1e-9));
  if (options.dry)
    progress.note("dry", "nothing was written");
  else
    progress.note("saved", fmt::format("saved {}{}", printable(path(lastFile)),
                                     position.bestEpoch ? fmt::format(" and {} (epoch {}, {} {:.4f})", printable(path(bestFile)),
                                                                      position.bestEpoch, d.train.keep->metric, position.best)
                                                        : ""));
  finish();
  return pendingSignal() ? 128 + pendingSignal() : 0;
}

} // namespace rt
