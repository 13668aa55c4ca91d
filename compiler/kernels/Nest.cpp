// Vectorises linalg.generic along its last dimension.
// In: NestPlan.  Out: loops over chunks of channels, samples and rows; what does not depend on the inner loops is computed outside of them.
// Where channels are more than a chunk, rows are read whole, as the caches prefetch them, and what belongs to channels waits in scratch memory.
#include "compiler/kernels/NestBody.h"

using namespace mlir;

namespace cnnc {
namespace {

class Nest : NestBody {
public:
  using NestBody::NestBody;

  void run() {
    Scope top;
    emit(Uniform, top, {}, lanes, 1);
    Value first = k.mul(k.piece, p.perPiece);
    int64_t extent = p.cut == NestPlan::Cut::Samples ? p.N : p.cut == NestPlan::Cut::Rows ? p.R : p.C;
    Value last = p.pieces == 1 ? k.constant(extent) : k.min(k.add(first, p.perPiece), k.constant(extent));
    range = {first, last};
    if (p.mode == NestPlan::Mode::ToScalar || p.mode == NestPlan::Mode::ToSamples)
      reduceRows(top);
    else if (SmallVector<Value> kept; rowsAreLong(kept))
      wholeRows(top, kept);
    else
      chunks(top);
  }

private:
  // ---- order A: chunks of channels, then samples, then rows ----

  static constexpr int64_t mostVectors = 4; // of a chunk

  void chunks(Scope &top) {
    bool byElements = p.cut == NestPlan::Cut::Elements;
    int64_t per = std::clamp<int64_t>(p.C / lanes, 1, mostVectors) * lanes;
    int64_t whole = p.C / per * per;
    Value first = byElements ? range.first : k.constant(0);
    Value last = byElements ? k.min(range.second, k.constant(whole)) : k.constant(whole);
    if (whole)
      k.loop(first, last, per, [&](Value c) { chunk(top, c, per / lanes, lanes); });
    if (whole < p.C) {
      int64_t rest = p.C - whole, count = (rest + lanes - 1) / lanes;
      auto tail = [&] { chunk(top, k.constant(whole), count, rest - (count - 1) * lanes); };
      if (byElements && p.pieces > 1)
        k.when(k.equal(k.piece, k.constant(p.pieces - 1)), tail);
      else
        tail();
    }
  }

  void chunk(Scope scope, Value c, int64_t count, int64_t width) {
    emit(Channel, scope, {{}, {}, c}, width, count);
    bool reduces = p.mode != NestPlan::Mode::Map;
    SmallVector<Value> start;
    if (reduces)
      for (unsigned i = 0; i < outputs(); ++i)
        start.append(count, p.wide ? k.zeroVector(k.b.getF64Type(), lanes) : neutral(i));
    Value n0 = k.constant(0), n1 = k.constant(p.N);
    if (p.cut == NestPlan::Cut::Samples)
      n0 = range.first, n1 = range.second;
    bool perSample = p.mode == NestPlan::Mode::ToSampleChannels;
    auto sample = [&](Value n, SmallVector<Value> acc) {
      Scope inner = scope;
      emit(Sample, inner, {n, {}, c}, width, count);
      emit(Sample | Channel, inner, {n, {}, c}, width, count);
      acc = p.wide ? wideRows(inner, n, c, count, width, acc) : rows(inner, n, c, count, width, acc);
      if (perSample)
        storeSums(acc, k.add(k.mul(n, p.C), c), count, width);
      return acc;
    };
    if (!reduces || perSample) {
      k.loop(n0, n1, 1, [&](Value n) { sample(n, start); });
      return;
    }
    SmallVector<Value> sums = k.loop(n0, n1, 1, start, [&](Value n, ValueRange a) { return sample(n, SmallVector<Value>(a)); });
    storeSums(sums, c, count, width);
  }

  void storeSums(ArrayRef<Value> sums, Value c, int64_t count, int64_t width) {
    for (unsigned i = 0; i < outputs(); ++i)
      for (int64_t v = 0; v < count; ++v) {
        Value at = k.add(c, v * lanes), sum = sums[i * count + v];
        if (p.hasPartials())
          at = k.add(at, k.mul(k.piece, p.C));
        else if (p.wide && !narrowTerm(i))
          sum = arith::TruncFOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getF32Type()), sum);
        store(i, sum, at, v + 1 == count ? width : lanes);
      }
  }

  std::pair<Value, Value> rowRange() {
    if (p.cut == NestPlan::Cut::Rows)
      return range;
    return {k.constant(0), k.constant(p.R)};
  }

  /// Rows, or windows of them, whose sum is f32.
  const int64_t wideRun = std::max<int64_t>(1, 64 / p.windows.cells());

  /// Short runs of rows in f32, added up in f64.
  SmallVector<Value> wideRows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc) {
    auto [r0, r1] = rowRange();
    return k.loop(r0, r1, wideRun, acc, [&, r1 = r1](Value r, ValueRange sums) {
      SmallVector<Value> start, next;
      for (unsigned i = 0; i < outputs(); ++i)
        start.append(count, neutral(i));
      start = rows(scope, n, c, count, width, start, r, k.min(k.add(r, wideRun), r1));
      for (auto [sum, part] : llvm::zip(sums, start))
        next.push_back(arith::AddFOp::create(k.b, k.loc, sum, arith::ExtFOp::create(k.b, k.loc, sum.getType(), part)));
      return next;
    });
  }

  SmallVector<Value> rows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc) {
    auto [r0, r1] = rowRange();
    return rows(scope, n, c, count, width, acc, r0, r1);
  }

  /// One chunk of one row, or of each cell of a window: stores it, or adds it to `a`.
  SmallVector<Value> row(Scope scope, Position at, int64_t count, int64_t width, SmallVector<Value> a) {
    askAhead(at, count);
    loadWindow(scope, at, width, count);
    for (at.cell = 0; at.cell < p.windows.cells(); ++at.cell)
      a = cell(scope, at, count, width, std::move(a));
    return a;
  }

  SmallVector<Value> cell(const Scope &scope, const Position &at, int64_t count, int64_t width, SmallVector<Value> a) {
    bool reduces = p.mode != NestPlan::Mode::Map;
    Scope inner = scope;
    if (reduces)
      for (unsigned i = 0; i < outputs(); ++i)
        inner.vectors[accumulator(i)] = SmallVector<Value>(a.begin() + i * count, a.begin() + (i + 1) * count);
    emit(Element, inner, at, width, count);
    for (unsigned i = 0; i < outputs(); ++i)
      for (int64_t v = 0; v < count; ++v) {
        Value term = narrowTerm(i);
        Value value = term ? Value(arith::AddFOp::create(k.b, k.loc, a[i * count + v], asVector(inner, term, v))) : yielded(inner, i, v);
        if (reduces)
          a[i * count + v] = value;
        else
          store(i, value, address(op.getNumDpsInputs() + i, at, v * lanes), v + 1 == count ? width : lanes);
      }
    return a;
  }

  SmallVector<Value> rows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc, Value r0, Value r1) {
    auto row = [&](Value r, SmallVector<Value> a) { return this->row(scope, {n, r, c}, count, width, std::move(a)); };
    if (p.R == 1)
      return row(k.constant(0), acc);
    // Narrow maps: several rows at once, so that the loop's own instructions do not count.
    constexpr int64_t inFlight = 4;
    int64_t unroll = std::max<int64_t>(1, inFlight / (count * p.windows.cells()));
    Value whole = r1;
    if (unroll > 1)
      whole = k.add(r0, k.mul(k.div(k.sub(r1, r0), unroll), unroll));
    acc = k.loop(r0, whole, unroll, acc, [&](Value r, ValueRange a) {
      SmallVector<Value> s(a);
      for (int64_t u = 0; u < unroll; ++u)
        s = row(k.add(r, u), s);
      return s;
    });
    if (unroll > 1)
      acc = k.loop(whole, r1, 1, acc, [&](Value r, ValueRange a) { return row(r, SmallVector<Value>(a)); });
    return acc;
  }

  // ---- rows of several chunks, one row behind the other ----

  /// Whether wholeRows() does it; `kept`: what varies with channels alone and is used in rows.
  bool rowsAreLong(SmallVector<Value> &kept) {
    const bool sums = (p.mode == NestPlan::Mode::ToChannels || p.mode == NestPlan::Mode::ToSampleChannels) && p.wide;
    if (p.cut == NestPlan::Cut::Elements || p.R == 1 || p.C <= mostVectors * lanes || p.C % lanes || !(sums || p.mode == NestPlan::Mode::Map))
      return false;
    if (p.cut == NestPlan::Cut::Samples && p.mode == NestPlan::Mode::ToChannels)
      return false;
    if (llvm::any_of(body().without_terminator(), llvm::IsaPred<linalg::IndexOp>))
      return false;
    kept = keptOfChannels();
    constexpr int64_t stackBytes = 256 << 10;
    const int64_t bytes = floatType().getIntOrFloatBitWidth() / 8, ofSums = sums ? outputs() * (bytes + int64_t(sizeof(double))) : 0;
    return p.C * (int64_t(kept.size()) * bytes + ofSums) <= stackBytes &&
           llvm::all_of(kept, [&](Value v) { return computedIn(v.getType()) == floatType(); });
  }

  void wholeRows(Scope &top, ArrayRef<Value> kept) {
    int64_t count = mostVectors; // vectors of a chunk
    while (p.C / lanes % count)
      --count;
    const bool sums = p.mode != NestPlan::Mode::Map;
    auto everyChunk = [&](llvm::function_ref<void(Value)> body) { k.loop(k.constant(0), k.constant(p.C), count * lanes, body); };
    auto vectorsAt = [&](Value memory, int64_t row, Value c) {
      SmallVector<Value> vectors;
      for (int64_t v = 0; v < count; ++v)
        vectors.push_back(k.load(memory, k.add(c, row * p.C + v * lanes), lanes));
      return vectors;
    };
    auto keep = [&](ArrayRef<Value> vectors, Value memory, int64_t row, Value c) {
      for (auto [v, vector] : llvm::enumerate(vectors))
        k.store(vector, memory, k.add(c, row * p.C + int64_t(v) * lanes), lanes);
    };
    Value ofChannels = kept.empty() ? Value() : k.scratch(floatType(), int64_t(kept.size()) * p.C);
    const int64_t outs = outputs();
    Value part = sums ? k.scratch(floatType(), outs * p.C) : Value(), total = sums ? k.scratch(k.b.getF64Type(), outs * p.C) : Value();
    // One row after the other: the caches prefetch nothing that is read in leaps.
    auto rowsFrom = [&](const Scope &outer, Value n, Value r0, Value r1) {
      k.loop(r0, r1, 1, [&](Value r) {
        everyChunk([&](Value c) {
          Scope scope = outer;
          for (auto [i, value] : llvm::enumerate(kept))
            scope.vectors[value] = vectorsAt(ofChannels, int64_t(i), c);
          SmallVector<Value> acc;
          for (int64_t i = 0; sums && i < outs; ++i)
            acc.append(vectorsAt(part, i, c));
          acc = row(scope, {n, r, c}, count, lanes, acc);
          for (int64_t i = 0; sums && i < outs; ++i)
            keep(ArrayRef(acc).slice(i * count, count), part, i, c);
        });
      });
    };
    auto sample = [&](Value n) {
      Scope outer = top;
      emit(Sample, outer, {n, {}, {}}, lanes, 1);
      everyChunk([&](Value c) {
        Scope scope = outer;
        emit(Channel, scope, {n, {}, c}, lanes, count);
        emit(Sample | Channel, scope, {n, {}, c}, lanes, count);
        for (auto [i, value] : llvm::enumerate(kept))
          keep(scope.vectors[value], ofChannels, int64_t(i), c);
        for (int64_t i = 0; sums && i < outs; ++i)
          keep(SmallVector<Value>(count, k.zeroVector(k.b.getF64Type(), lanes)), total, i, c);
      });
      auto [r0, r1] = rowRange();
      if (!sums)
        return rowsFrom(outer, n, r0, r1);
      k.loop(r0, r1, wideRun, [&, r1 = r1](Value r) {
        everyChunk([&](Value c) {
          for (int64_t i = 0; i < outs; ++i)
            keep(SmallVector<Value>(count, neutral(i)), part, i, c);
        });
        rowsFrom(outer, n, r, k.min(k.add(r, wideRun), r1));
        everyChunk([&](Value c) {
          for (int64_t i = 0; i < outs; ++i) {
            SmallVector<Value> sum = vectorsAt(total, i, c), more = vectorsAt(part, i, c);
            for (int64_t v = 0; v < count; ++v)
              sum[v] = arith::AddFOp::create(k.b, k.loc, sum[v], arith::ExtFOp::create(k.b, k.loc, sum[v].getType(), more[v]));
            keep(sum, total, i, c);
          }
        });
      });
      everyChunk([&](Value c) {
        SmallVector<Value> acc;
        for (int64_t i = 0; i < outs; ++i)
          acc.append(vectorsAt(total, i, c));
        storeSums(acc, n ? k.add(k.mul(n, p.C), c) : c, count, lanes);
      });
    };
    if (p.cut == NestPlan::Cut::Samples)
      k.loop(range.first, range.second, 1, sample);
    else
      sample({});
  }


  // ---- order B: samples, then chunks, for sums along the last dimension ----

  void reduceRows(Scope &top) {
    bool perSample = p.mode == NestPlan::Mode::ToSamples, byElements = p.cut == NestPlan::Cut::Elements;
    SmallVector<Value> start;
    for (unsigned i = 0; i < outputs(); ++i)
      start.push_back(neutral(i));
    Value n0 = k.constant(0), n1 = k.constant(p.N);
    if (p.cut == NestPlan::Cut::Samples)
      n0 = range.first, n1 = range.second;
    auto sample = [&](Value n, SmallVector<Value> acc) {
      Scope scope = top;
      emit(Sample, scope, {n, {}, {}}, lanes, 1);
      auto step = [&](Value c, int64_t width, SmallVector<Value> a) {
        Scope inner = scope;
        emit(Channel, inner, {n, {}, c}, width, 1);
        emit(Sample | Channel, inner, {n, {}, c}, width, 1);
        Value r0 = k.constant(0), r1 = k.constant(p.R);
        if (p.cut == NestPlan::Cut::Rows)
          r0 = range.first, r1 = range.second;
        return k.loop(r0, r1, 1, a, [&](Value r, ValueRange carried) {
          SmallVector<Value> sums(carried);
          for (int64_t cell = 0; cell < p.windows.cells(); ++cell) {
            Scope element = inner;
            for (unsigned i = 0; i < outputs(); ++i)
              element.vectors[accumulator(i)] = {sums[i]};
            emit(Element, element, {n, r, c, cell}, width, 1);
            for (unsigned i = 0; i < outputs(); ++i) {
              Value value = yielded(element, i, 0);
              if (width < lanes) { // lanes beyond the end keep their sum
                Value mask = vector::ConstantMaskOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getI1Type()), ArrayRef<int64_t>{width});
                value = arith::SelectOp::create(k.b, k.loc, mask, value, sums[i]);
              }
              sums[i] = value;
            }
          }
          return sums;
        });
      };
      int64_t whole = p.C / lanes * lanes;
      Value first = byElements ? range.first : k.constant(0);
      Value last = byElements ? k.min(range.second, k.constant(whole)) : k.constant(whole);
      if (whole)
        acc = k.loop(first, last, lanes, acc, [&](Value c, ValueRange a) { return step(c, lanes, SmallVector<Value>(a)); });
      if (whole < p.C) {
        if (byElements && p.pieces > 1) {
          Value isLast = k.equal(k.piece, k.constant(p.pieces - 1));
          acc = k.choose(isLast, ValueRange(acc).getTypes(), [&] { return step(k.constant(whole), p.C - whole, acc); }, [&] { return acc; });
        } else {
          acc = step(k.constant(whole), p.C - whole, acc);
        }
      }
      return acc;
    };
    auto finish = [&](SmallVector<Value> acc, Value at) {
      for (unsigned i = 0; i < outputs(); ++i) {
        auto combiner = combinerOf(op, i);
        bool isMax = succeeded(combiner) && isa<arith::MaximumFOp>(*combiner);
        Value sum = vector::ReductionOp::create(k.b, k.loc, isMax ? vector::CombiningKind::MAXIMUMF : vector::CombiningKind::ADD, acc[i],
                                                isMax ? arith::FastMathFlags::none : arith::FastMathFlags::reassoc);
        k.storeScalar(sum, k.buffer(arguments[op.getNumDpsInputs() + i]), at);
      }
    };
    if (perSample) {
      k.loop(n0, n1, 1, [&](Value n) { finish(sample(n, start), n); });
      return;
    }
    SmallVector<Value> acc = k.loop(n0, n1, 1, start, [&](Value n, ValueRange a) { return sample(n, SmallVector<Value>(a)); });
    finish(acc, p.hasPartials() ? k.piece : k.constant(0));
  }
};

} // namespace

void buildNest(KernelBuilder &k, const NestPlan &plan, ArrayRef<int> arguments) {
  Nest(k, plan, arguments).run();
  k.finish();
}

} // namespace cnnc
