// The CIFAR reader: records of one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then planar pixels (C,H,W).
// In: .bin files.  Out: a set in memory, channels last.  Source: https://www.cs.toronto.edu/~kriz/cifar.html
#include "runtime/Failure.h"
#include "runtime/data/Readers.h"
#include "runtime/params/AtomicFile.h"

namespace rt {

static constexpr size_t largestFile = size_t(1) << 34;

std::shared_ptr<const Dataset> readCifarBinary(const ReaderInput &input) {
  const Description &d = input.description;
  const size_t area = size_t(d.height * d.width), channels = size_t(d.channels);
  if (d.channels != 3 || d.height != 32 || d.width != 32)
    fail(Exit::badData, "CIFAR images are 3x32x32, the network's input is {}x{}x{}", d.channels, d.height, d.width);
  constexpr int64_t coarseAndFine = 100; // CIFAR-100 has two label bytes, and the fine one counts
  const size_t labelBytes = d.classes == coarseAndFine ? 2 : 1, record = labelBytes + channels * area;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  for (const std::string &file : input.files) {
    const std::string path = pathBelow(input.root, file);
    const std::string bytes = readFile(path, largestFile, Exit::badData);
    if (bytes.empty() || bytes.size() % record)
      fail(Exit::badData, "{} has {} bytes, which is no multiple of a record's {}", printable(path), bytes.size(), record);
    for (size_t at = 0; at < bytes.size(); at += record) {
      labels.push_back(uint8_t(bytes[at + labelBytes - 1]));
      const size_t base = pixels.size();
      pixels.resize(base + channels * area);
      for (size_t c = 0; c < channels; ++c)
        for (size_t p = 0; p < area; ++p)
          pixels[base + p * channels + c] = uint8_t(bytes[at + labelBytes + c * area + p]);
    }
  }
  return std::make_shared<MemoryDataset>(channels * area, std::move(pixels), std::move(labels));
}

} // namespace rt
