// Two maps whose next pixels are asked for a line or two at a time between products, so that what reads them later does not wait for each line.
// In: where the pixels stand, and how many steps of products there are.  Out: prefetches.
#pragma once

#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/KernelBuilder.h"

#include <algorithm>
#include <array>

namespace cnnc {

class MapsAhead {
public:
  /// `pixels` pixels in the order of memory, of which `width` elements are read, from element `from` on; `pixel` elements lie from one to the next.
  struct Map {
    mlir::Value memory, from;
    int64_t pixels, width, pixel;
  };

  /// Of `steps` steps the last ones ask: what comes stays in the caches for a short time alone.
  MapsAhead(KernelBuilder &k, const std::array<Map, 2> &maps, int64_t steps) : k(k), maps(maps) {
    for (const Map &map : maps) {
      const int64_t ofStep = (lines(map) + steps - 1) / steps;
      asking = std::max(asking, (lines(map) + ofStep - 1) / ofStep);
    }
    first = steps - asking;
  }

  /// Whether step number `step` asks.
  mlir::Value asks(mlir::Value step) { return k.less(k.constant(first - 1), step); }
  /// The share of step number `step`, one that asks.
  void ask(mlir::Value step) {
    for (const Map &map : maps)
      shareOfStep(k, lines(map), k.sub(step, k.constant(first)), asking, [&](mlir::Value at) {
        mlir::Value pixel = k.div(at, linesOfPixel(map)), line = k.mod(at, linesOfPixel(map));
        k.prefetch(map.memory, k.add(map.from, k.add(k.mul(pixel, map.pixel), k.mul(line, elementsOfLine(map.memory)))));
      });
  }

private:
  KernelBuilder &k;
  std::array<Map, 2> maps;
  int64_t asking = 0, first = 0; ///< how many steps ask, and the number of the first of them

  static int64_t linesOfPixel(const Map &map) { return (map.width + elementsOfLine(map.memory) - 1) / elementsOfLine(map.memory); }
  static int64_t lines(const Map &map) { return map.pixels * linesOfPixel(map); }
};

} // namespace cnnc
