// Picture files with labels as a set.
// In: paths and labels.  Out: bytes (H,W,C) of the network's input, from memory or decoded on the thread that asks.
#include "runtime/data/PictureSet.h"
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/data/Parallel.h"
#include "runtime/data/Reading.h"
#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <unistd.h>

namespace rt {

namespace {

class PictureSet : public Dataset {
public:
  PictureSet(std::vector<Picture> pictures, const ReaderInput &input, std::vector<std::string> classNames);
  int64_t size() const override { return int64_t(pictures.size()); }
  int32_t label(int64_t i) const override { return pictures[size_t(i)].label; }
  const uint8_t *image(int64_t i) const override;
  bool inMemory() const override { return cached == size(); }
  std::vector<std::string> classNames() const override { return names; }

private:
  void decode(const std::string &path, uint8_t *out) const;
  void leaveOut(const std::vector<std::string> &problems);
  std::vector<Picture> pictures;
  std::vector<std::string> names;
  Description shape; ///< of the network's input
  size_t imageBytes;
  int64_t cached = 0, maxBad, leftOut = 0;
  mutable std::mutex badMutex;
  mutable std::set<int64_t> black; ///< damaged pictures that were asked for
  std::vector<uint8_t> pixels;
};

} // namespace

void PictureSet::decode(const std::string &path, uint8_t *out) const {
  const Image image = fitted(readImage(path), shape);
  std::memcpy(out, image.pixels.data(), imageBytes);
}

PictureSet::PictureSet(std::vector<Picture> list, const ReaderInput &input, std::vector<std::string> classNames)
    : pictures(std::move(list)), names(std::move(classNames)), imageBytes(size_t(input.description.imageElements())), maxBad(input.options.maxBad) {
  shape.channels = input.description.channels, shape.height = input.description.height, shape.width = input.description.width;
  if (input.description.data) {
    shape.data.emplace();
    shape.data->resize = input.description.data->resize;
  }
  cached = int64_t(std::min<uint64_t>(pictures.size(), cacheBytes(input.options) / imageBytes));
  pixels.resize(size_t(cached) * imageBytes);
  std::vector<std::string> problems(static_cast<size_t>(cached));
  std::atomic<int64_t> found{0};
  Reading reading(cached, stderr, isatty(STDERR_FILENO));
  eachInParallel(cached, input.options.threads, [&](int64_t i) {
    reading.step();
    try {
      decode(pictures[size_t(i)].path, &pixels[size_t(i) * imageBytes]);
    } catch (const Failure &failure) {
      if (failure.status != Exit::badData || ++found > maxBad)
        throw;
      problems[size_t(i)] = failure.what();
    }
  });
  if (found > 0)
    leaveOut(problems);
}

void PictureSet::leaveOut(const std::vector<std::string> &problems) {
  size_t kept = 0;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (i < problems.size() && !problems[i].empty()) {
      fmt::print(stderr, "note: left out: {}\n", problems[i]);
      ++leftOut;
      --cached;
      continue;
    }
    if (i != kept && i < problems.size())
      std::memcpy(&pixels[kept * imageBytes], &pixels[i * imageBytes], imageBytes);
    if (i != kept)
      pictures[kept] = std::move(pictures[i]);
    ++kept;
  }
  pictures.resize(kept);
}

const uint8_t *PictureSet::image(int64_t i) const {
  if (i < cached)
    return &pixels[size_t(i) * imageBytes];
  static thread_local std::vector<uint8_t> held;
  held.resize(imageBytes);
  try {
    decode(pictures[size_t(i)].path, held.data());
  } catch (const Failure &failure) {
    if (failure.status != Exit::badData)
      throw;
    // The set's size and order stand by now: a black picture keeps its place.
    const std::lock_guard<std::mutex> lock(badMutex);
    if (black.insert(i).second) {
      if (leftOut + int64_t(black.size()) > maxBad)
        throw;
      fmt::print(stderr, "note: seen as black: {}\n", failure.what());
    }
    std::fill(held.begin(), held.end(), uint8_t(0));
  }
  return held.data();
}

std::shared_ptr<const Dataset> pictureSet(std::vector<Picture> pictures, const ReaderInput &input, std::vector<std::string> classNames) {
  if (input.description.channels != 1 && input.description.channels != 3)
    fail(Exit::badData, "pictures have 1 or 3 channels, the network's input has {}", input.description.channels);
  return std::make_shared<PictureSet>(std::move(pictures), input, std::move(classNames));
}

} // namespace rt
