// What a pool takes the largest or the mean of: a map, or what an elementwise program makes of maps, from pixel to pixel.
// In: the pool's geometry, the program's plan.  Out: vectors of channels of one pixel.
#pragma once

#include "compiler/kernels/ProgramOfPixels.h"
#include "compiler/kernels/Windows.h"

namespace cnnc {

class PoolProgram : ProgramOfPixels {
public:
  using ProgramOfPixels::ProgramOfPixels;

  /// The vector of channels that pixels are asked for from here on.
  void turnTo(Value c, int64_t width) { channels = of(c, width), first = c, this->width = width; }
  Value at(Value pixel) {
    Scope scope = channels;
    emit(Element, scope, {{}, pixel, first}, width, 1);
    return yielded(scope, 0, 0);
  }
  /// The buffers of the maps.
  SmallVector<Value> maps() {
    SmallVector<Value> found;
    for (unsigned i = 0; i < p.operands.size(); ++i)
      if (!isOutput(i) && p.operands[i].r && !body().getArgument(i).use_empty())
        found.push_back(k.buffer(arguments[i]));
    return found;
  }

private:
  Scope channels;
  Value first;
  int64_t width = 0;
};

class PoolSource {
public:
  /// `program`: none where the map itself is pooled. `arguments[i]`: the buffer of the program's operand i, or of the map.
  PoolSource(WindowLoops &w, const NestPlan *program, ArrayRef<int> arguments) : k(w.k), w(w), g(w.g) {
    if (program)
      of.emplace(k, *program, arguments);
    else
      map = k.buffer(arguments[0]);
  }

  /// The vector at c of window (oh, ow) of image n.
  void turnTo(Value n, Value oh, Value ow, Value c, int64_t width) {
    image = n, first = c, this->width = width;
    if (of)
      of->turnTo(c, width);
    for (Value buffer : of ? of->maps() : SmallVector<Value>{map})
      askAhead(buffer, oh, ow);
  }
  Value at(Value row, Value column) {
    Value pixel = k.add(k.mul(k.add(k.mul(image, g.H), row), g.W), column);
    return of ? of->at(pixel) : k.load(map, k.add(k.mul(pixel, g.C), first), w.lanes, width);
  }

private:
  KernelBuilder &k;
  WindowLoops &w;
  const WindowGeometry &g;
  std::optional<PoolProgram> of;
  Value map, image, first;
  int64_t width = 0;

  /// In maps larger than the second-level cache, the pixels that a later window is the first to read.
  void askAhead(Value buffer, Value oh, Value ow) {
    constexpr int64_t ahead = 8192, mostCells = 16; // bytes; cells that are written out
    const int64_t line = elementsOfLine(buffer), rows = std::min(g.KH, g.SH), columns = std::min(g.KW, g.SW);
    if (rows * columns > mostCells || !isFar(k.target, buffer))
      return;
    const int64_t windows = std::max<int64_t>(1, ahead / TargetInfo::lineBytes * line / (rows * columns * g.C));
    Value later = k.add(k.add(k.mul(oh, g.OW), ow), windows);
    Value row = k.add(k.mul(k.div(later, g.OW), g.SH), g.KH - rows - g.PT), column = k.add(k.mul(k.mod(later, g.OW), g.SW), g.KW - columns - g.PL);
    for (int64_t i = 0; i < rows * columns; ++i) {
      Value pixel = k.add(k.mul(k.add(k.mul(image, g.H), k.add(row, i / columns)), g.W), k.add(column, i % columns));
      Value element = k.add(k.mul(pixel, g.C), first);
      k.prefetch(buffer, element, KernelBuilder::First);
    }
  }
};

} // namespace cnnc
