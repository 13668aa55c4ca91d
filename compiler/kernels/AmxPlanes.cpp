// See the header.
// In: a map, and which of its rows and channels.  Out: loops that copy them, rounding f32 to bf16 or taking it apart.
#include "compiler/kernels/AmxPlanes.h"

using namespace mlir;

namespace cnnc {

Reach Reach::of(const std::vector<Phase> &phases, int64_t step) {
  int64_t lowest = 0, highest = 0, count = 0;
  bool any = false;
  for (const Phase &p : phases) {
    count = std::max(count, p.count);
    for (const Tap &tap : p.taps) {
      lowest = any ? std::min(lowest, tap.offset) : tap.offset;
      highest = any ? std::max(highest, tap.offset) : tap.offset;
      any = true;
    }
  }
  return Reach(lowest, highest - lowest, step, count);
}

namespace {

constexpr int64_t lanes = 32, widened = 16; ///< of bf16 as it is, and of what is computed on the way

class Filling {
public:
  Filling(KernelBuilder &k, const Planes &p, Value x, Value planes) : k(k), p(p), x(x), planes(planes), asItIs(x && isNarrow(x) && p.terms == 1) {}

  /// `width` elements that lie side by side; from = null: zeros.
  void some(Value from, Value to, int64_t width) {
    if (from && !asItIs) {
      Value values = k.load(x, from, widened, width);
      if (p.terms == 1)
        return k.store(values, planes, to, width);
      auto [high, low] = k.split(values);
      k.store(high, planes, to, width);
      return k.store(low, planes, k.add(to, p.termElements()), width);
    }
    auto type = VectorType::get(lanes, k.b.getBF16Type());
    Value values = from ? k.loadStored(x, from, lanes, width) : Value(arith::ConstantOp::create(k.b, k.loc, type, k.b.getZeroAttr(type)));
    for (int64_t term = 0; term < p.terms; ++term)
      k.store(values, planes, k.add(to, term * p.termElements()), width);
  }
  void run(Value from, Value to, int64_t elements) {
    const int64_t step = from && !asItIs ? widened : lanes, whole = elements / step * step;
    k.loop(k.constant(0), k.constant(whole), step, [&](Value at) { some(from ? k.add(from, at) : Value(), k.add(to, at), step); });
    if (whole < elements)
      some(from ? k.add(from, whole) : Value(), k.add(to, whole), elements - whole);
  }
  /// One pixel's channels.
  void pixel(Value from, Value to, Value count) {
    if (count)
      k.loop(k.constant(0), count, widened, [&](Value at) { some(k.add(from, at), k.add(to, at), widened); });
    else
      run(from, to, p.xChannels);
  }

private:
  KernelBuilder &k;
  const Planes &p;
  Value x, planes;
  bool asItIs;
  static bool isNarrow(Value buffer) { return cast<MemRefType>(buffer.getType()).getElementType().isBF16(); }
};

} // namespace

void Planes::clear(KernelBuilder &k, Value planes, int64_t first) const {
  Filling(k, *this, {}, planes).run({}, k.constant(first * channels), (pixels() - first) * channels);
}

void Planes::fill(KernelBuilder &k, Value x, Value planes, Value firstImage, Value imageCount, Value firstRow, Value firstChannel, Value count) const {
  Filling filling(k, *this, x, planes);
  const bool wholePixels = !count && channels == xChannels;
  for (int64_t a = 0; a < rows.residues; ++a)
    for (int64_t b = 0; b < columns.residues; ++b) {
      // Columns q with 0 <= q*step + b + lowest < IW are those of x.
      const int64_t first = b + columns.lowest, step = columns.step;
      const int64_t from = std::clamp<int64_t>(first < 0 ? (-first + step - 1) / step : 0, 0, width);
      const int64_t end = std::clamp<int64_t>(IW - first > 0 ? (IW - first + step - 1) / step : 0, from, width);
      k.loop(k.constant(0), imageCount, 1, [&](Value m) {
        k.loop(k.constant(0), k.constant(height()), 1, [&](Value line) {
          Value pixel = k.add(k.mul(k.add(k.mul(m, height()), line), width), (a * columns.residues + b) * planePixels());
          Value to = k.mul(pixel, channels);
          Value row = k.add(k.mul(k.add(firstRow, line), rows.step), a + rows.lowest);
          Value inside = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ult, row, k.constant(IH));
          auto branch = scf::IfOp::create(k.b, k.loc, inside, /*withElseRegion=*/true);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPointToStart(&branch.getElseRegion().front());
          filling.run({}, to, width * channels);
          k.b.setInsertionPointToStart(&branch.getThenRegion().front());
          Value source = k.mul(k.add(k.mul(k.add(firstImage, m), IH), row), IW);
          if (from > 0)
            filling.run({}, to, from * channels);
          if (end > from && step == 1 && wholePixels)
            filling.run(k.mul(k.add(source, from + first), channels), k.add(to, from * channels), (end - from) * channels);
          else if (end > from)
            k.loop(k.constant(from), k.constant(end), 1, [&](Value q) {
              Value at = k.add(k.mul(k.add(k.add(source, k.mul(q, step)), first), xChannels), firstChannel);
              filling.pixel(at, k.add(to, k.mul(q, channels)), count);
            });
          if (end < width)
            filling.run({}, k.add(to, end * channels), (width - end) * channels);
        });
      });
    }
}

} // namespace cnnc
