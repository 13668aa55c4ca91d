// A labelled set of images, whatever file it came from.
// In: a source of the `data` block.  Out: bytes (H,W,C) and a label for each sample.
#pragma once
#include "runtime/device/ThreadPool.h"
#include "runtime/params/Description.h"
#include <memory>

namespace rt {

class Dataset {
public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual int32_t label(int64_t i) const = 0;
  /// Height * width * channels bytes, channels last.  The pointer lives until this thread asks for another image.  Threads may ask at the
  /// same time.  Fails with Exit::badData where the image is decoded only now and is damaged.
  virtual const uint8_t *image(int64_t i) const = 0;
  virtual bool inMemory() const { return true; } ///< false: image() reads files
  virtual std::vector<std::string> classNames() const { return {}; } ///< as the files have them; empty: they have none
};

/// A set that is held in memory whole.
class MemoryDataset : public Dataset {
public:
  MemoryDataset(size_t imageBytes, std::vector<uint8_t> pixels, std::vector<int32_t> labels)
      : imageBytes(imageBytes), pixels(std::move(pixels)), labels(std::move(labels)) {}
  int64_t size() const override { return int64_t(labels.size()); }
  int32_t label(int64_t i) const override { return labels[size_t(i)]; }
  const uint8_t *image(int64_t i) const override { return pixels.data() + size_t(i) * imageBytes; }

private:
  size_t imageBytes;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
};

/// A set whose images lie one after another in memory that someone else owns, e.g. a mapped file.
class ViewDataset : public Dataset {
public:
  ViewDataset(size_t imageBytes, std::shared_ptr<const void> owner, const uint8_t *pixels, std::vector<int32_t> labels)
      : imageBytes(imageBytes), owner(std::move(owner)), pixels(pixels), labels(std::move(labels)) {}
  int64_t size() const override { return int64_t(labels.size()); }
  int32_t label(int64_t i) const override { return labels[size_t(i)]; }
  const uint8_t *image(int64_t i) const override { return pixels + size_t(i) * imageBytes; }

private:
  size_t imageBytes;
  std::shared_ptr<const void> owner;
  const uint8_t *pixels;
  std::vector<int32_t> labels;
};

/// Some samples of another set, in a given order.
class Subset : public Dataset {
public:
  Subset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices) : whole(std::move(whole)), indices(std::move(indices)) {}
  int64_t size() const override { return int64_t(indices.size()); }
  int32_t label(int64_t i) const override { return whole->label(indices[size_t(i)]); }
  const uint8_t *image(int64_t i) const override { return whole->image(indices[size_t(i)]); }
  bool inMemory() const override { return whole->inMemory(); }
  std::vector<std::string> classNames() const override { return whole->classNames(); }

private:
  std::shared_ptr<const Dataset> whole;
  std::vector<int64_t> indices;
};

/// How data are read, whatever the source.
struct ReadOptions {
  int threads = availableCores();      ///< for decoding
  std::optional<uint64_t> cacheBytes;  ///< decoded pictures, or an inflated file, held in memory, a set; default: a quarter of the machine's memory
  int64_t maxBad = 0;                  ///< damaged pictures, or lines, of a set that are left out; one more stops the run
};

/// What every reader gets: where the files are, and what the network expects of them.
struct ReaderInput {
  std::string root;
  std::vector<std::string> files;
  const Description &description;
  ReadOptions options = {};
};

/// Reads a source and checks its labels against the classes.  Fails with Exit::badData, naming file and reason.
std::shared_ptr<const Dataset> readSource(const Source &source, const std::string &root, const Description &description,
                                          const ReadOptions &options = {});

/// The parts of the `data` block, each read when it is first asked for.
class DataParts {
public:
  /// `root` overrides the block's own where it is not empty.  `seed` decides a split.
  DataParts(const Description &description, const std::string &root, uint64_t seed, const ReadOptions &options = {});
  bool has(const std::string &part) const; ///< "train", "val" or "test"
  std::shared_ptr<const Dataset> get(const std::string &part);

private:
  void readTrain();
  const Description &description;
  std::string root;
  uint64_t seed;
  ReadOptions options;
  std::shared_ptr<const Dataset> train, val, test;
};

} // namespace rt
