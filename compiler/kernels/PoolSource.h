// What a pool takes the largest or the mean of: a map, or what an elementwise program makes of maps, from pixel to pixel.
// In: the pool's geometry, the program's plan.  Out: vectors of channels of one pixel.
#pragma once

#include "compiler/kernels/NestBody.h"
#include "compiler/kernels/Windows.h"

namespace cnnc {

/// The program's loops as a pool sees them: a row a pixel of the unpadded map.
inline NestPlan planOfPool(linalg::GenericOp program, const WindowGeometry &g) {
  NestPlan p;
  p.op = program;
  p.R = g.N * g.H * g.W, p.C = g.C;
  for (AffineMap map : program.getIndexingMapsArray()) {
    const bool ofPixels = map.getNumResults() == 4, ofChannels = map.getNumResults() > 0;
    p.operands.push_back({0, ofPixels ? g.C : 0, ofChannels ? 1 : 0});
  }
  return p;
}

class ProgramOfPixels : NestBody {
public:
  ProgramOfPixels(KernelBuilder &k, const NestPlan &plan, ArrayRef<int> arguments) : NestBody(k, plan, arguments) {
    // What is kept from one pixel to the next has the type of the memory for it.
    for (Operation &o : body().without_terminator())
      if (unsigned &level = varies[o.getResult(0)]; level == Channel && computedIn(o.getResult(0).getType()) != floatType())
        level = Element;
      else if (llvm::any_of(o.getOperands(), [&](Value v) { return varies.lookup(v) == Element; }))
        level = Element;
    kept = keptOfChannels();
    row = (p.C + lanes - 1) / lanes * lanes;
    emit(Uniform, top, {}, lanes, 1);
    if (kept.empty())
      return;
    ofChannels = k.scratch(floatType(), int64_t(kept.size()) * row);
    auto keep = [&](Value c, int64_t width) {
      Scope scope = top;
      emit(Channel, scope, {{}, {}, c}, width, 1);
      for (auto [i, value] : llvm::enumerate(kept))
        k.store(scope.vectors[value][0], ofChannels, k.add(c, int64_t(i) * row), lanes);
    };
    if (int64_t whole = p.C / lanes * lanes; whole)
      k.loop(k.constant(0), k.constant(whole), lanes, [&](Value c) { keep(c, lanes); });
    if (p.C % lanes)
      keep(k.constant(p.C / lanes * lanes), p.C % lanes);
  }

  /// The vector of channels that pixels are asked for from here on.
  void turnTo(Value c, int64_t width) {
    channels = top;
    for (auto [i, value] : llvm::enumerate(kept))
      channels.vectors[value] = {k.load(ofChannels, k.add(c, int64_t(i) * row), lanes)};
    first = c, this->width = width;
  }
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
  SmallVector<Value> kept;
  int64_t row = 0;
  Value ofChannels;
  Scope top, channels;
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
  std::optional<ProgramOfPixels> of;
  Value map, image, first;
  int64_t width = 0;

  /// In maps larger than the second-level cache, the pixels that a later window is the first to read.
  void askAhead(Value buffer, Value oh, Value ow) {
    constexpr int64_t ahead = 8192, mostCells = 16; // bytes; cells that are written out
    const int64_t line = elementsOfLine(buffer), rows = std::min(g.KH, g.SH), columns = std::min(g.KW, g.SW);
    if (rows * columns > mostCells || cast<ShapedType>(buffer.getType()).getNumElements() / line * TargetInfo::lineBytes <= k.target.l2Bytes)
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
