// The rules that choose tiles from shape, type and processor. No table: everything follows from registers, lanes and caches.
// In: extents and TargetInfo.  Out: numbers.
#pragma once

#include "compiler/target/Target.h"

#include <algorithm>
#include <vector>

namespace cnnc {

/// The width of the innermost block of a packed filter: a divisor of `channels`, two AVX-512 vectors of f32 where possible; else the
/// divisor that wastes the fewest lanes; all channels where nothing divides.
inline int64_t filterBlock(int64_t channels) {
  constexpr int64_t preferred = 32, widest = 64, lane = 16;
  if (channels % preferred == 0)
    return preferred;
  if (channels <= widest)
    return channels;
  int64_t best = channels;
  double bestUse = 0;
  for (int64_t d = 8; d <= widest; ++d) {
    if (channels % d)
      continue;
    double use = double(d) / double((d + lane - 1) / lane * lane);
    if (use >= bestUse)
      bestUse = use, best = d;
  }
  return best;
}

/// Splits `extent` into the fewest parts of at most `limit`, as equal as possible.
inline std::vector<int64_t> evenSplit(int64_t extent, int64_t limit) {
  int64_t parts = (extent + limit - 1) / limit;
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < parts; ++i)
    sizes.push_back(extent / parts + (i < extent % parts ? 1 : 0));
  return sizes;
}

/// How work over the images of a batch is cut: into pieces of a power of two of whole images, or each image into equal pieces, so that the pieces
/// of different kernels begin at the same images (kernels/Chains.cpp).
struct ImageCut {
  int64_t images = 1;  ///< of a piece
  int64_t pieces = 1;  ///< of an image, where `images` is 1
  int64_t count(int64_t batch) const { return pieces > 1 ? batch * pieces : (batch + images - 1) / images; }
};

/// Cuts images of `work` each into pieces of about `goal`, in the same unit; an image that is larger than two of them is cut at multiples of
/// `extent / k` of its extent.
inline ImageCut cutImages(double work, double goal, int64_t batch, int64_t extent = 1) {
  ImageCut cut;
  while (double(cut.images) * 2 * work <= goal && cut.images < batch)
    cut.images *= 2;
  for (int64_t k = std::min<int64_t>(extent, int64_t(work / goal)); k > 1 && cut.pieces == 1; --k)
    if (extent % k == 0)
      cut.pieces = k;
  return cut;
}

/// A piece of a channel block that one register tile covers: `vectors` vectors from `start`, `width` lanes in all.
struct LaneChunk {
  int64_t start, width, vectors;
};
/// Cuts a block of channels into chunks of two vectors; of three or five, the first has three, since a vector alone needs a broadcast for each product. Wider blocks
/// have many filters, of which fewer are read where tiles have more pixels.
inline std::vector<LaneChunk> laneChunks(int64_t block, int64_t lanes) {
  const int64_t vectors = (block + lanes - 1) / lanes, first = vectors == 3 || vectors == 5 ? 3 : 2;
  std::vector<LaneChunk> chunks;
  for (int64_t v = 0; v < vectors; v += chunks.back().vectors) {
    const int64_t n = std::min<int64_t>(v == 0 ? first : 2, vectors - v), start = v * lanes;
    chunks.push_back({start, std::min(n * lanes, block - start), n});
  }
  return chunks;
}

/// Pixels of a register tile whose accumulators take `vectors` registers a pixel, with room for the filter's vectors and a broadcast.
/// More than `enough` of them save no more loads than they cost in code.
inline int64_t tilePixels(int64_t vectors, const TargetInfo &target, int64_t enough = 14) {
  int64_t free = target.registers - vectors - 2;
  return std::clamp<int64_t>(free / vectors, 1, target.choice.of(Knob::Pixels, enough));
}

} // namespace cnnc
