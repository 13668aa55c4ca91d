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
    int64_t needed = 0;
    for (size_t i = 0; i < maps.size(); ++i) {
      ofStep[i] = (lines(maps[i]) + steps - 1) / steps;
      needed = std::max(needed, (lines(maps[i]) + ofStep[i] - 1) / ofStep[i]);
    }
    first = steps - needed;
  }

  /// Whether step number `step` asks.
  mlir::Value asks(mlir::Value step) { return k.less(k.constant(first - 1), step); }
  /// The share of step number `step`, one that asks.
  void ask(mlir::Value step) {
    mlir::Value number = k.sub(step, k.constant(first));
    for (size_t m = 0; m < maps.size(); ++m)
      for (int64_t i = 0; i < ofStep[m]; ++i) {
        mlir::Value at = k.add(k.mul(number, ofStep[m]), i), pixel = k.div(at, linesOfPixel(maps[m])), line = k.mod(at, linesOfPixel(maps[m]));
        k.prefetch(maps[m].memory, k.add(maps[m].from, k.add(k.mul(pixel, maps[m].pixel), k.mul(line, elementsOfLine(maps[m].memory)))));
      }
  }

private:
  KernelBuilder &k;
  std::array<Map, 2> maps;
  std::array<int64_t, 2> ofStep{};
  int64_t first = 0;

  static int64_t linesOfPixel(const Map &map) { return (map.width + elementsOfLine(map.memory) - 1) / elementsOfLine(map.memory); }
  static int64_t lines(const Map &map) { return map.pixels * linesOfPixel(map); }
};

} // namespace cnnc
