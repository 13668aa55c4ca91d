// Vectorises linalg.generic along its last dimension.
// In: NestPlan.  Out: loops over chunks of channels, samples and rows; what does not depend on the inner loops is computed outside of them.
#include "compiler/kernels/Nest.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;

namespace cnnc {
namespace {

using Strides = NestPlan::Strides;

/// What a value of the body varies with; a bit mask.
enum Varies : unsigned { Uniform = 0, Sample = 1, Channel = 2, Element = 4 };

class Nest {
public:
  Nest(KernelBuilder &k, const NestPlan &p, ArrayRef<int> arguments) : k(k), p(p), op(p.op), arguments(arguments) {
    lanes = k.lanes(floatType());
    classify();
  }

  void run() {
    Scope top;
    emit(Uniform, top, {}, lanes, 1);
    Value first = k.mul(k.piece, p.perPiece);
    int64_t extent = p.cut == NestPlan::Cut::Samples ? p.N : p.cut == NestPlan::Cut::Rows ? p.R : p.C;
    Value last = p.pieces == 1 ? k.constant(extent) : k.min(k.add(first, p.perPiece), k.constant(extent));
    range = {first, last};
    if (p.mode == NestPlan::Mode::ToScalar || p.mode == NestPlan::Mode::ToSamples)
      reduceRows(top);
    else
      chunks(top);
  }

private:
  /// Values at the current position: scalars for what does not vary along channels, else one vector a position in the chunk.
  struct Scope {
    DenseMap<Value, Value> scalars;
    DenseMap<Value, SmallVector<Value>> vectors;
  };
  struct Position {
    Value n, r, c; ///< null where not known yet
  };

  KernelBuilder &k;
  const NestPlan &p;
  linalg::GenericOp op;
  ArrayRef<int> arguments;
  int64_t lanes;
  std::pair<Value, Value> range; ///< of this piece along the cut
  DenseMap<Value, unsigned> varies;

  Type floatType() {
    for (Value v : op->getOperands())
      if (Type t = cast<ShapedType>(v.getType()).getElementType(); isa<FloatType>(t))
        return computedIn(t);
    return cast<ShapedType>(op->getOperand(0).getType()).getElementType();
  }
  Block &body() { return op.getRegion().front(); }
  bool isOutput(unsigned i) { return i >= op.getNumDpsInputs(); }

  /// The f32 term of a sum into f64: what is widened just before it is added. Null where the sum itself is f32.
  Value narrowTerm(unsigned i) {
    if (!p.wide || !cast<ShapedType>(op.getDpsInits()[i].getType()).getElementType().isF64())
      return {};
    Operation *combiner = yields()[i].getDefiningOp();
    Value term = combiner->getOperand(0) == accumulator(i) ? combiner->getOperand(1) : combiner->getOperand(0);
    return term.getDefiningOp()->getOperand(0);
  }
  /// Operations that narrowTerm replaces.
  bool isReplaced(Operation &o) {
    for (unsigned i = 0; i < outputs(); ++i)
      if (Value term = narrowTerm(i))
        if (&o == yields()[i].getDefiningOp() || (isa<arith::ExtFOp>(o) && o.getOperand(0) == term))
          return true;
    return false;
  }

  void classify() {
    for (auto [i, arg] : llvm::enumerate(body().getArguments())) {
      const Strides &s = p.operands[i];
      unsigned v = Uniform;
      if (isOutput(i))
        v = Element;
      else if (s.r)
        v = Element;
      else if (s.n && s.c)
        v = Sample | Channel;
      else if (s.n)
        v = Sample;
      else if (s.c)
        v = p.R == 1 && p.N == 1 ? Element : Channel;
      varies[arg] = v;
    }
    for (Operation &o : body().without_terminator()) {
      unsigned v = Uniform;
      for (Value x : o.getOperands())
        v |= varies.lookup(x); // values from outside are uniform
      if (auto index = dyn_cast<linalg::IndexOp>(o)) {
        unsigned rank = op.getNumLoops();
        v = index.getDim() + 1 == rank ? Channel : index.getDim() == 0 ? Sample : Element;
      }
      if (v & Element)
        v = Element;
      for (Value r : o.getResults())
        varies[r] = v;
    }
  }

  Value address(unsigned operand, const Position &at, int64_t offset) {
    const Strides &s = p.operands[operand];
    Value a = k.constant(0);
    if (s.n && at.n)
      a = k.add(a, k.mul(at.n, s.n));
    if (s.r && at.r)
      a = k.add(a, k.mul(at.r, s.r));
    if (s.c)
      a = k.add(k.add(a, at.c), offset);
    return a;
  }

  Value asVector(Scope &scope, Value v, int64_t index) {
    auto it = scope.vectors.find(v);
    if (it != scope.vectors.end())
      return it->second[index];
    Value s = scope.scalars.lookup(v);
    return k.splat(s ? s : outside(v), lanes);
  }

  /// A constant that stands outside of the op's body: canonicalisation puts them there.
  Value outside(Value v) { return k.b.clone(*v.getDefiningOp())->getResult(0); }

  /// Widening and rounding around storage, which loads and stores do.
  static bool isOfStorage(Operation &o) {
    return (isa<arith::ExtFOp>(o) && o.getOperand(0).getType().isBF16()) || (isa<arith::TruncFOp>(o) && o.getResult(0).getType().isBF16());
  }

  Value emitOne(Operation &o, Scope &scope, const Position &at, bool wide, int64_t index) {
    if (isOfStorage(o)) {
      if (wide)
        scope.vectors[o.getResult(0)].push_back(asVector(scope, o.getOperand(0), index));
      else
        scope.scalars[o.getResult(0)] = scope.scalars.lookup(o.getOperand(0));
      return {};
    }
    if (auto i = dyn_cast<linalg::IndexOp>(o)) {
      unsigned rank = op.getNumLoops();
      if (i.getDim() + 1 == rank) {
        Value base = k.add(at.c, index * lanes);
        return arith::AddIOp::create(k.b, k.loc, k.splat(base, lanes), vector::StepOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getIndexType())));
      }
      if (i.getDim() == 0)
        return at.n ? at.n : k.constant(0);
      Value row = i.getDim() == 1 ? k.div(at.r, p.width) : k.mod(at.r, p.width);
      return k.splat(row, lanes);
    }
    OperationState state(k.loc, o.getName());
    state.addAttributes(o.getAttrs());
    for (Value x : o.getOperands())
      state.operands.push_back(wide ? asVector(scope, x, index) : (scope.scalars.count(x) ? scope.scalars[x] : outside(x)));
    for (Type t : o.getResultTypes())
      state.types.push_back(wide ? Type(VectorType::get(lanes, t)) : t);
    Operation *made = k.b.create(state);
    for (auto [from, to] : llvm::zip(o.getResults(), made->getResults())) {
      if (wide)
        scope.vectors[from].push_back(to);
      else
        scope.scalars[from] = to;
    }
    return {};
  }

  /// Emits loads and operations of the body that vary with exactly `level`. The chunk has `count` vectors, the last of `width` lanes.
  void emit(unsigned level, Scope &scope, const Position &at, int64_t width, int64_t count) {
    bool wide = level & (Channel | Element);
    for (auto [i, arg] : llvm::enumerate(body().getArguments())) {
      if (isOutput(i) || varies[arg] != level || arg.use_empty())
        continue;
      Value buffer = k.buffer(arguments[i]);
      if (!wide) {
        scope.scalars[arg] = k.loadScalar(buffer, address(i, at, 0));
        continue;
      }
      SmallVector<Value> loaded;
      for (int64_t v = 0; v < count; ++v) {
        if (p.operands[i].c == 0) // varies with rows alone
          loaded.push_back(k.splat(k.loadScalar(buffer, address(i, at, 0)), lanes));
        else
          loaded.push_back(k.load(buffer, address(i, at, v * lanes), lanes, v + 1 == count ? width : lanes));
      }
      scope.vectors[arg] = loaded;
    }
    for (Operation &o : body().without_terminator()) {
      if (varies[o.getResult(0)] != level || isReplaced(o))
        continue;
      if (auto i = dyn_cast<linalg::IndexOp>(o)) {
        for (int64_t v = 0; v < count; ++v) {
          Value value = emitOne(o, scope, at, wide, v);
          if (wide)
            scope.vectors[i.getResult()].push_back(value);
          else
            scope.scalars[i.getResult()] = value;
        }
        continue;
      }
      if (!wide)
        emitOne(o, scope, at, false, 0);
      else
        for (int64_t v = 0; v < count; ++v)
          emitOne(o, scope, at, true, v);
    }
  }

  ValueRange yields() { return body().getTerminator()->getOperands(); }
  unsigned outputs() { return op.getNumDpsInits(); }
  Value accumulator(unsigned i) { return body().getArgument(op.getNumDpsInputs() + i); }
  Value yielded(Scope &scope, unsigned i, int64_t v) { return asVector(scope, yields()[i], v); }

  /// The neutral start of output i, from its linalg.fill.
  Value neutral(unsigned i) {
    Type t = p.wide ? Type(k.b.getF32Type()) : cast<ShapedType>(op.getDpsInits()[i].getType()).getElementType();
    double v = 0;
    if (auto combiner = combinerOf(op, i); succeeded(combiner) && isa<arith::MaximumFOp>(*combiner))
      v = -std::numeric_limits<double>::infinity();
    return k.splat(k.scalar(t, v), lanes);
  }

  // ---- order A: chunks of channels, then samples, then rows ----

  void chunks(Scope &top) {
    bool byElements = p.cut == NestPlan::Cut::Elements;
    constexpr int64_t most = 4; // vectors of a chunk
    int64_t per = std::clamp<int64_t>(p.C / lanes, 1, most) * lanes;
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
        for (unsigned i = 0; i < outputs(); ++i)
          for (int64_t v = 0; v < count; ++v)
            store(i, acc[i * count + v], k.add(k.add(k.mul(n, p.C), c), v * lanes), v + 1 == count ? width : lanes);
      return acc;
    };
    if (!reduces || perSample) {
      k.loop(n0, n1, 1, [&](Value n) { sample(n, start); });
      return;
    }
    SmallVector<Value> sums = k.loop(n0, n1, 1, start, [&](Value n, ValueRange a) { return sample(n, SmallVector<Value>(a)); });
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

  /// Short runs of rows in f32, added up in f64.
  SmallVector<Value> wideRows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc) {
    constexpr int64_t run = 64;
    auto [r0, r1] = rowRange();
    return k.loop(r0, r1, run, acc, [&, r1 = r1](Value r, ValueRange sums) {
      SmallVector<Value> start, next;
      for (unsigned i = 0; i < outputs(); ++i)
        start.append(count, neutral(i));
      start = rows(scope, n, c, count, width, start, r, k.min(k.add(r, run), r1));
      for (auto [sum, part] : llvm::zip(sums, start))
        next.push_back(arith::AddFOp::create(k.b, k.loc, sum, arith::ExtFOp::create(k.b, k.loc, sum.getType(), part)));
      return next;
    });
  }

  SmallVector<Value> rows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc) {
    auto [r0, r1] = rowRange();
    return rows(scope, n, c, count, width, acc, r0, r1);
  }

  SmallVector<Value> rows(Scope &scope, Value n, Value c, int64_t count, int64_t width, SmallVector<Value> acc, Value r0, Value r1) {
    bool reduces = p.mode != NestPlan::Mode::Map;
    auto row = [&](Value r, SmallVector<Value> a) {
      Scope inner = scope;
      if (reduces)
        for (unsigned i = 0; i < outputs(); ++i)
          inner.vectors[accumulator(i)] = SmallVector<Value>(a.begin() + i * count, a.begin() + (i + 1) * count);
      Position at{n, r, c};
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
    };
    if (p.R == 1)
      return row(k.constant(0), acc);
    // Narrow maps: several rows at once, so that the loop's own instructions do not count.
    constexpr int64_t inFlight = 4;
    int64_t unroll = count >= inFlight ? 1 : inFlight / count;
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

  void store(unsigned i, Value vector, Value at, int64_t width) {
    k.store(vector, k.buffer(arguments[op.getNumDpsInputs() + i]), at, width);
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
          Scope element = inner;
          for (unsigned i = 0; i < outputs(); ++i)
            element.vectors[accumulator(i)] = {carried[i]};
          emit(Element, element, {n, r, c}, width, 1);
          SmallVector<Value> next;
          for (unsigned i = 0; i < outputs(); ++i) {
            Value value = yielded(element, i, 0);
            if (width < lanes) { // lanes beyond the end keep their sum
              Value mask = vector::ConstantMaskOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getI1Type()), ArrayRef<int64_t>{width});
              value = arith::SelectOp::create(k.b, k.loc, mask, value, carried[i]);
            }
            next.push_back(value);
          }
          return next;
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
          SmallVector<Type> types;
          for (Value a : acc)
            types.push_back(a.getType());
          auto ifOp = scf::IfOp::create(k.b, k.loc, types, isLast, true);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPointToStart(&ifOp.getThenRegion().front());
          scf::YieldOp::create(k.b, k.loc, step(k.constant(whole), p.C - whole, acc));
          k.b.setInsertionPointToStart(&ifOp.getElseRegion().front());
          scf::YieldOp::create(k.b, k.loc, acc);
          acc = SmallVector<Value>(ifOp.getResults());
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

int64_t NestPlan::resultElements() const {
  switch (mode) {
  case Mode::Map:
    return N * R * C;
  case Mode::ToChannels:
    return C;
  case Mode::ToScalar:
    return 1;
  case Mode::ToSamples:
    return N;
  case Mode::ToSampleChannels:
    return N * C;
  }
  return 0;
}

FailureOr<Operation *> combinerOf(linalg::GenericOp op, unsigned result) {
  Block &body = op.getRegion().front();
  Operation *last = body.getTerminator()->getOperand(result).getDefiningOp();
  Value acc = body.getArgument(op.getNumDpsInputs() + result);
  if (last && isa<arith::AddFOp, arith::MaximumFOp>(last) && llvm::is_contained(last->getOperands(), acc))
    return last;
  return failure();
}

void buildNest(KernelBuilder &k, const NestPlan &plan, ArrayRef<int> arguments) {
  Nest(k, plan, arguments).run();
  k.finish();
}

} // namespace cnnc
