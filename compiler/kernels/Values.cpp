// Buffers, kernels and launches of a lowering.
// In: values of the function.  Out: where they live, kernels made once, launches with the buffers' lifetimes.
#include "compiler/kernels/Lowering.h"
#include "runtime/abi.h"

#include "mlir/IR/Matchers.h"

#include <limits>

using namespace mlir;

namespace cnnc {

constexpr int64_t forever = std::numeric_limits<int64_t>::max();

static uint32_t elementKindOf(Type t) {
  if (t.isF64())
    return CNN_F64;
  if (t.isBF16())
    return CNN_BF16;
  if (t.isInteger(8))
    return CNN_I8;
  if (t.isInteger(16))
    return CNN_I16;
  if (t.isInteger(32))
    return CNN_I32;
  return CNN_F32;
}

void Lowering::bindArguments() {
  int64_t tensors = 0;
  for (BlockArgument a : function.getArguments()) {
    auto role = function.getArgAttrOfType<StringAttr>(a.getArgNumber(), "cnn.role");
    StringRef r = role ? role.getValue() : "";
    int64_t bytes = bytesOf(a.getType());
    if (r == "input") {
      where[a].buffer = addBuffer(Buffer::Space::Input, bytes);
      program.batch = cast<ShapedType>(a.getType()).getDimSize(0);
    } else if (r == "labels") {
      where[a].buffer = addBuffer(Buffer::Space::Labels, bytes);
    } else if (r == "second_labels" || r == "mix") {
      where[a].buffer = addBuffer(r == "mix" ? Buffer::Space::Mix : Buffer::Space::SecondLabels, bytes);
    } else if (r == "rng") {
      where[a].buffer = addBuffer(Buffer::Space::Rng, bytes);
    } else if (r == "lr" || r == "step") {
      where[a].buffer = addBuffer(r == "lr" ? Buffer::Space::Lr : Buffer::Space::Step, bytes);
      program.buffers.back().firstUse = 0;
    } else {
      auto name = function.getArgAttrOfType<StringAttr>(a.getArgNumber(), "cnn.name");
      tensorByName[name ? name.getValue() : ""] = tensors;
      where[a].buffer = addBuffer(Buffer::Space::Tensor, bytes, tensors++);
    }
  }
  program.gradientBuffers.assign(tensors, -1);
}

BlockArgument Lowering::argumentOf(int64_t tensor) {
  for (BlockArgument a : function.getArguments())
    if (const Buffer &b = program.buffers[where[a].buffer]; b.space == Buffer::Space::Tensor && b.index == tensor)
      return a;
  return {};
}

Lowering::Ref Lowering::newBuffer(Value v, int64_t elements) {
  Ref r;
  if (auto it = destination.find(v); it != destination.end())
    r.buffer = it->second;
  else
    r.buffer = addBuffer(Buffer::Space::Arena, elements * elementBytes(cast<ShapedType>(v.getType()).getElementType()));
  return where[v] = r;
}

FailureOr<Lowering::Ref> Lowering::ref(Value v) {
  if (auto it = where.find(v); it != where.end())
    return it->second;
  // A filled tensor that is really read.
  FloatAttr value;
  Operation *op = v.getDefiningOp();
  DenseElementsAttr dense;
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op))
    matchPattern(fill.getInputs()[0], m_Constant(&value));
  else if (op && matchPattern(op, m_Constant(&dense)) && dense.isSplat() && isa<FloatType>(dense.getElementType()))
    value = dense.getSplatValue<FloatAttr>();
  if (!value)
    return op->emitOpError("has no place in memory"), failure();
  auto type = cast<ShapedType>(v.getType());
  Ref r = newBuffer(v);
  constexpr int64_t grain = 16384;
  launch(op->getLoc(), "fill", std::to_string(value.getValueAsDouble()), {{r, type.getNumElements(), type.getElementType(), true}}, 0, [&](KernelBuilder &k, ArrayRef<int> a) {
    int64_t lanes = k.lanes(type.getElementType()), n = type.getNumElements(), whole = n / lanes * lanes;
    Value wide = k.splat(k.scalar(type.getElementType(), value.getValueAsDouble()), lanes);
    Value first = k.mul(k.piece, grain), last = k.add(first, grain);
    k.loop(first, k.min(last, k.constant(whole)), lanes, [&](Value i) { k.store(wide, k.buffer(a[0]), i, lanes); });
    if (whole < n)
      k.when(k.less(k.constant(whole), last), [&] { k.store(wide, k.buffer(a[0]), k.constant(whole), n - whole); });
    k.finish();
    return (n + grain - 1) / grain;
  });
  return r;
}

void Lowering::launch(Location loc, StringRef family, StringRef key, ArrayRef<Argument> arguments, uint64_t flops, Build build) {
  Launch l;
  SmallVector<int> number;
  SmallVector<KernelArgument> formal;
  for (const Argument &a : arguments) {
    int found = -1;
    for (auto [i, known] : llvm::enumerate(l.arguments))
      if (known.buffer == a.ref.buffer && known.byteOffset == a.ref.byteOffset && formal[i].element == a.element)
        found = i;
    if (found < 0) {
      found = l.arguments.size();
      l.arguments.push_back({a.ref.buffer, a.ref.byteOffset, a.elements, elementKindOf(a.element), a.isOutput, a.byImage});
      formal.push_back({a.element, a.elements});
    } else {
      l.arguments[found].isOutput |= a.isOutput;
      l.arguments[found].byImage &= a.byImage;
      formal[found].elements = l.arguments[found].elements = std::max(l.arguments[found].elements, a.elements);
    }
    number.push_back(found);
    l.bytes += a.touched * elementBytes(a.element);
  }
  std::string text = (family + "|" + key).str();
  llvm::raw_string_ostream os(text);
  for (const KernelArgument &f : formal)
    os << '|' << f.element << 'x' << f.elements;
  for (int n : number)
    os << ',' << n;
  auto make = [&](ModuleOp module, StringRef symbol, const TileChoice &choice) {
    TargetInfo chosen = target;
    chosen.choice = choice;
    KernelBuilder k(module, symbol, UnknownLoc::get(module.getContext()), formal, chosen);
    return build(k, number);
  };
  TileChoice choice;
  if (cache.choose)
    choice = cache.choose({family, text, formal, make});
  text += choice.text();
  auto [it, isNew] = cache.made.try_emplace(text);
  if (isNew) {
    it->second.symbol = cache.symbolOf ? cache.symbolOf(text) : (family + "_" + Twine(cache.made.size() - 1)).str();
    if (auto pieces = cache.stored ? cache.stored(text) : std::nullopt) {
      it->second.pieces = *pieces;
      it->second.isStored = true;
    } else {
      it->second.pieces = make(kernels, it->second.symbol, choice);
    }
  }
  l.kernel = it->second.symbol;
  l.pieces = it->second.pieces;
  l.layer = layerOf(loc).str();
  l.what = (phaseOf(loc) + ":" + family).str();
  l.flops = flops;
  if (llvm::any_of(l.arguments, [](const LaunchArgument &a) { return a.byImage; }))
    l.images = program.batch;
  int64_t at = program.launches.size();
  for (const LaunchArgument &a : l.arguments) {
    Buffer &b = program.buffers[a.buffer];
    if (b.firstUse < 0)
      b.firstUse = at;
    b.lastUse = std::max(b.lastUse, at);
  }
  program.launches.push_back(l);
}

LogicalResult Lowering::finish() {
  Operation *ret = function.getBody().front().getTerminator();
  for (auto [i, v] : llvm::enumerate(ret->getOperands())) {
    auto r = ref(v);
    if (failed(r))
      return failure();
    StringRef kind = role(i);
    if (kind == "update") {
      int64_t tensor = tensorByName.lookup(resultName(i));
      Ref target = where[argumentOf(tensor)];
      if (target.buffer == r->buffer)
        continue;
      auto type = cast<ShapedType>(v.getType());
      copyRows(ret->getLoc(), *r, type.getNumElements(), 0, target, type.getNumElements(), 0, 1, type.getNumElements(), type.getElementType());
      continue;
    }
    Buffer &b = program.buffers[r->buffer];
    b.lastUse = forever;
    if (kind == "logits")
      program.logitsBuffer = r->buffer;
    else if (kind == "loss")
      program.lossBuffer = r->buffer;
    else if (kind == "gradient")
      program.gradientBuffers[tensorByName.lookup(resultName(i))] = r->buffer;
  }
  for (auto [i, l] : llvm::enumerate(program.launches))
    for (const LaunchArgument &a : l.arguments)
      if (a.isOutput && a.buffer == program.lossBuffer)
        program.lossLaunch = i;
  return success();
}

FailureOr<Program> lowerToKernels(Operation *function, ModuleOp kernels, KernelCache &cache, const TargetInfo &target) {
  return Lowering(cast<func::FuncOp>(function), kernels, cache, target).run();
}

} // namespace cnnc
