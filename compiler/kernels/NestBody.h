// The body of a linalg.generic, emitted as vectors along its last dimension.
// In: NestPlan, and where the loops stand.  Out: loads and operations, each at the level of what it varies with. The loops are Nest.cpp's.
#pragma once

#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Nest.h"

#include "llvm/ADT/DenseMap.h"

namespace cnnc {
using namespace mlir;

/// What a value of the body varies with; a bit mask.
enum Varies : unsigned { Uniform = 0, Sample = 1, Channel = 2, Element = 4 };

/// Emits loads and operations; a derived class makes the loops.
class NestBody {
public:
  NestBody(KernelBuilder &k, const NestPlan &p, ArrayRef<int> arguments) : k(k), p(p), op(p.op), arguments(arguments) {
    lanes = k.lanes(floatType());
    classify();
  }

protected:
  /// Values at the current position: scalars for what does not vary along channels, else one vector a position in the chunk.
  struct Scope {
    DenseMap<Value, Value> scalars;
    DenseMap<Value, SmallVector<Value>> vectors;
  };
  struct Position {
    Value n, r, c;    ///< null where not known yet
    int64_t cell = 0; ///< of window r
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
      const NestPlan::Strides &s = p.operands[i];
      unsigned v = Uniform;
      if (isOutput(i) || s.of == NestPlan::Strides::Of::Cells)
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

  /// The pixel at a position, counted in its sample.
  Value pixel(const Position &at) {
    const PixelWindows &w = p.windows;
    if (w.cells() == 1)
      return at.r;
    Value above = k.mul(k.div(at.r, w.across), w.cells() * w.across), beside = k.mul(k.mod(at.r, w.across), w.columns);
    return k.add(k.add(above, beside), at.cell / w.columns * w.columns * w.across + at.cell % w.columns);
  }

  Value address(unsigned operand, const Position &at, int64_t offset) {
    const NestPlan::Strides &s = p.operands[operand];
    Value a = k.constant(0);
    if (s.n && at.n)
      a = k.add(a, k.mul(at.n, s.n));
    if (s.r && at.r)
      a = k.add(a, k.mul(s.of == NestPlan::Strides::Of::Windows ? at.r : pixel(at), s.r));
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
      Value row = i.getDim() == 1 ? k.div(pixel(at), p.width) : k.mod(pixel(at), p.width);
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

  /// Whether operand `i` is a map larger than the second-level cache.
  bool isFarMap(unsigned i) {
    BlockArgument arg = body().getArgument(i);
    if (isOutput(i) || arg.use_empty() || varies[arg] != Element || !p.operands[i].c || p.operands[i].of != NestPlan::Strides::Of::Pixels)
      return false;
    return isFar(k.target, k.buffer(arguments[i]));
  }

  /// What belongs to channels and is used from pixel to pixel.
  SmallVector<Value> keptOfChannels() {
    SmallVector<Value> kept;
    auto keep = [&](Value v) {
      unsigned level = varies.lookup(v);
      if ((level & Channel) && !(level & Element) && !llvm::is_contained(kept, v) &&
          llvm::any_of(v.getUses(), [&](OpOperand &use) {
            Operation *user = use.getOwner();
            return user == body().getTerminator() || isReplaced(*user) || varies[user->getResult(0)] == Element;
          }))
        kept.push_back(v);
    };
    for (BlockArgument a : body().getArguments())
      keep(a);
    for (Operation &o : body().without_terminator())
      keep(o.getResult(0));
    return kept;
  }

  /// Asks for what stands some rows behind a chunk, in maps larger than the second-level cache: the processor's own prefetches do not reach far enough,
  /// and they lose the two rows of a window.
  void askAhead(Position at, int64_t count) {
    constexpr int64_t ahead = 8192; // bytes
    const bool windows = p.windows.cells() > 1;
    for (auto [i, arg] : llvm::enumerate(body().getArguments())) {
      if (!isFarMap(i))
        continue;
      Value buffer = k.buffer(arguments[i]);
      const int64_t line = elementsOfLine(buffer);
      Position there = at;
      int64_t offset = ahead / TargetInfo::lineBytes * line;
      if (windows)
        there.r = k.add(at.r, std::max<int64_t>(1, offset / (p.windows.cells() * p.C))), offset = 0;
      for (there.cell = 0; there.cell < p.windows.cells(); ++there.cell)
        for (int64_t v = 0; v < count * lanes; v += line)
          k.prefetch(buffer, address(i, there, offset + v), KernelBuilder::First);
    }
  }

  /// Loads what has one element a window.
  void loadWindow(Scope &scope, const Position &at, int64_t width, int64_t count) {
    for (auto [i, arg] : llvm::enumerate(body().getArguments()))
      if (!arg.use_empty() && p.operands[i].of == NestPlan::Strides::Of::Windows)
        scope.vectors[arg] = loaded(i, at, width, count);
  }

  SmallVector<Value> loaded(unsigned i, const Position &at, int64_t width, int64_t count) {
    Value buffer = k.buffer(arguments[i]);
    SmallVector<Value> vectors;
    for (int64_t v = 0; v < count; ++v) {
      if (p.operands[i].c == 0) // varies with rows alone
        vectors.push_back(k.splat(k.loadScalar(buffer, address(i, at, 0)), lanes));
      else
        vectors.push_back(k.load(buffer, address(i, at, v * lanes), lanes, v + 1 == count ? width : lanes));
    }
    return vectors;
  }

  /// Emits loads and operations of the body that vary with exactly `level`; what the scope has already is not loaded. The chunk has `count`
  /// vectors, the last of `width` lanes.
  void emit(unsigned level, Scope &scope, const Position &at, int64_t width, int64_t count) {
    bool wide = level & (Channel | Element);
    for (auto [i, arg] : llvm::enumerate(body().getArguments())) {
      if (isOutput(i) || varies[arg] != level || arg.use_empty() || scope.vectors.count(arg))
        continue;
      if (p.operands[i].of == NestPlan::Strides::Of::Cells) {
        scope.scalars[arg] = arith::ConstantOp::create(k.b, k.loc, k.b.getIntegerAttr(arg.getType(), at.cell));
        continue;
      }
      if (wide)
        scope.vectors[arg] = loaded(i, at, width, count);
      else
        scope.scalars[arg] = k.loadScalar(k.buffer(arguments[i]), address(i, at, 0));
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
  void store(unsigned i, Value vector, Value at, int64_t width) {
    k.store(vector, k.buffer(arguments[op.getNumDpsInputs() + i]), at, width);
  }

  /// The neutral start of output i, from its linalg.fill.
  Value neutral(unsigned i) {
    Type t = p.wide ? Type(k.b.getF32Type()) : cast<ShapedType>(op.getDpsInits()[i].getType()).getElementType();
    double v = 0;
    if (auto combiner = combinerOf(op, i); succeeded(combiner) && isa<arith::MaximumFOp>(*combiner))
      v = -std::numeric_limits<double>::infinity();
    return k.splat(k.scalar(t, v), lanes);
  }
};

} // namespace cnnc
