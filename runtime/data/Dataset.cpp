// From the `data` block to sets: the table of readers, the checks that all share, the split.
// In: a source.  Out: a set whose labels are all below the number of classes.
#include "runtime/data/Dataset.h"
#include "runtime/Failure.h"
#include "runtime/data/Order.h"
#include "runtime/data/Readers.h"
#include <unistd.h>

namespace rt {

static const std::pair<const char *, Reader *> readers[] = {
    {"idx", readIdx}, {"cifar10", readCifarBinary}, {"cifar100", readCifarBinary}, {"csv", readCsv}, {"npy", readNpy},
    {"folder", readImageFolder}};

/// By default a quarter of the memory that is there: the step's own memory, and other programs, need the rest.
uint64_t cacheBytes(const ReadOptions &options) {
  constexpr uint64_t share = 4;
  return options.cacheBytes ? *options.cacheBytes : uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE)) / share;
}

std::string pathBelow(const std::string &root, const std::string &file) {
  if (root.empty() || (!file.empty() && file[0] == '/'))
    return file;
  return root.back() == '/' ? root + file : root + "/" + file;
}

static void checkLabels(const Dataset &set, const Source &source, const Description &description) {
  const std::string where = source.files.empty() ? source.reader : source.files.back();
  if (set.size() == 0)
    fail(Exit::badData, "{}: there are no samples", printable(where));
  for (int64_t i = 0; i < set.size(); ++i)
    if (set.label(i) < 0 || set.label(i) >= description.classes)
      fail(Exit::badData, "{}: the label of sample {} is {}, the network has classes 0..{}", printable(where), i, set.label(i),
           description.classes - 1);
}

std::shared_ptr<const Dataset> readSource(const Source &source, const std::string &root, const Description &description,
                                          const ReadOptions &options) {
  std::string known;
  for (auto &[name, reader] : readers) {
    known += (known.empty() ? "" : ", ") + std::string(name);
    if (source.reader != name)
      continue;
    auto set = reader({root, source.files, description, options});
    checkLabels(*set, source, description);
    return set;
  }
  fail(Exit::badData, "this runtime has no reader '{}'; it has {}", printable(source.reader), known);
}

DataParts::DataParts(const Description &description, const std::string &root, uint64_t seed, const ReadOptions &options)
    : description(description), root(root.empty() && description.data ? description.data->root : root), seed(seed),
      options(options) {
  if (!description.data)
    fail(Exit::badData, "{} has no data block: nothing to read", description.name);
}

bool DataParts::has(const std::string &part) const {
  const DataInfo &data = *description.data;
  if (part == "train")
    return data.train.has_value();
  if (part == "val")
    return data.val || (data.valSplit > 0 && data.train);
  return part == "test" && data.test;
}

void DataParts::readTrain() {
  const DataInfo &data = *description.data;
  auto whole = readSource(*data.train, root, description, options);
  if (data.valSplit <= 0) {
    train = whole;
    return;
  }
  Split split = stratifiedSplit(*whole, data.valSplit, description.classes, seed);
  if (split.held.empty() || split.kept.empty())
    fail(Exit::badData, "split({}) of {} samples leaves one side empty", data.valSplit, whole->size());
  train = std::make_shared<Subset>(whole, std::move(split.kept));
  val = std::make_shared<Subset>(whole, std::move(split.held));
}

std::shared_ptr<const Dataset> DataParts::get(const std::string &part) {
  const DataInfo &data = *description.data;
  if (!has(part))
    fail(Exit::badData, "the data block of {} declares no {} part", description.name, printable(part));
  if (part == "test")
    return test ? test : test = readSource(*data.test, root, description, options);
  if (part == "val" && data.val)
    return val ? val : val = readSource(*data.val, root, description, options);
  if (!train)
    readTrain();
  return part == "val" ? val : train;
}

} // namespace rt
