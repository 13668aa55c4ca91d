// A function of linalg on tensors becomes kernels and a Program.
// In: @train_step or @predict* after fuseElementwise, roles on arguments and results.  Out: kernel functions (equal ones made once), launches
// in order, buffers with their lifetimes; the memory is planned.
#include "compiler/conversion/Conversion.h"
#include "compiler/dialect/Cnn.h"
#include "compiler/dialect/Phase.h"
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Nest.h"
#include "compiler/target/Tiles.h"
#include "compiler/kernels/Windows.h"
#include "runtime/abi.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t forever = std::numeric_limits<int64_t>::max();
/// From this many rows on a dense layer is worth packing its weights for; below, each weight is read once and a dot product does.
constexpr int64_t packedDenseRows = 8;

/// Where a tensor value lives.
struct Ref {
  int64_t buffer = -1, byteOffset = 0;
  bool cropped = false; ///< a gradient that the function sees padded: only the interior is stored
};

uint32_t elementKindOf(Type t) {
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

int64_t elementBytes(Type t) { return t.getIntOrFloatBitWidth() / 8; }

class Lowering {
public:
  Lowering(func::FuncOp function, ModuleOp kernels, const TargetInfo &target) : function(function), kernels(kernels), target(target) {
    program.name = function.getName().str();
    for (auto kernel : kernels.getOps<func::FuncOp>())
      made[textOf(kernel)] = kernel.getName().str();
  }

  FailureOr<Program> run() {
    bindArguments();
    bindUpdates();
    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(lower(op)))
        return failure();
    if (failed(finish()))
      return failure();
    planMemory(program);
    return std::move(program);
  }

private:
  func::FuncOp function;
  ModuleOp kernels;
  const TargetInfo &target;
  Program program;
  DenseMap<Value, Ref> where;
  DenseMap<Value, int64_t> destination; ///< values that are written straight into a tensor of the model
  llvm::StringMap<int64_t> tensorByName;
  llvm::StringMap<std::string> made; ///< text of a kernel -> its symbol

  // ---- buffers ----

  int64_t addBuffer(Buffer::Space space, int64_t bytes, int64_t index = 0) {
    Buffer b;
    b.space = space, b.bytes = bytes, b.index = index;
    program.buffers.push_back(b);
    return program.buffers.size() - 1;
  }
  static int64_t bytesOf(Type t) {
    auto s = cast<ShapedType>(t);
    return s.getNumElements() * elementBytes(s.getElementType());
  }

  void bindArguments() {
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

  /// The value behind reshapes.
  static Value rootOf(Value v) {
    while (Operation *op = v.getDefiningOp()) {
      if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
        break;
      v = op->getOperand(0);
    }
    return v;
  }

  /// Updated tensors are written in place where every reader of the old value comes first.
  void bindUpdates() {
    Operation *ret = function.getBody().front().getTerminator();
    for (auto [i, v] : llvm::enumerate(ret->getOperands())) {
      if (role(i) != "update")
        continue;
      Value root = rootOf(v);
      auto generic = root.getDefiningOp<linalg::GenericOp>();
      if (!generic || generic->hasAttr("cnn.kernel") || generic.getNumReductionLoops())
        continue;
      int64_t tensor = tensorByName.lookup(resultName(i));
      BlockArgument old = argumentOf(tensor);
      bool safe = true;
      for (Operation *user : old.getUsers())
        safe &= readersBefore(user, generic);
      if (safe)
        destination[root] = where[old].buffer;
    }
  }
  /// Whether `user`, or what reads it as a view, stands before `writer` or is it.
  bool readersBefore(Operation *user, Operation *writer) {
    if (user == writer)
      return true;
    if (isa<func::ReturnOp>(user))
      return false;
    if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ExtractSliceOp, tensor::PadOp>(user))
      return llvm::all_of(user->getUsers(), [&](Operation *u) { return readersBefore(u, writer); });
    return user->isBeforeInBlock(writer);
  }
  BlockArgument argumentOf(int64_t tensor) {
    for (BlockArgument a : function.getArguments())
      if (const Buffer &b = program.buffers[where[a].buffer]; b.space == Buffer::Space::Tensor && b.index == tensor)
        return a;
    return {};
  }
  StringRef role(unsigned result) {
    auto r = function.getResultAttrOfType<StringAttr>(result, "cnn.role");
    return r ? r.getValue() : "logits";
  }
  StringRef resultName(unsigned result) {
    auto r = function.getResultAttrOfType<StringAttr>(result, "cnn.name");
    return r ? r.getValue() : "";
  }

  /// The buffer of a result that is about to be written.
  Ref newBuffer(Value v, int64_t elements) {
    Ref r;
    if (auto it = destination.find(v); it != destination.end())
      r.buffer = it->second;
    else
      r.buffer = addBuffer(Buffer::Space::Arena, elements * elementBytes(cast<ShapedType>(v.getType()).getElementType()));
    return where[v] = r;
  }
  Ref newBuffer(Value v) { return newBuffer(v, cast<ShapedType>(v.getType()).getNumElements()); }
  Ref scratch(int64_t elements, Type element) {
    Ref r;
    r.buffer = addBuffer(Buffer::Space::Arena, elements * elementBytes(element));
    return r;
  }

  FailureOr<Ref> ref(Value v) {
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
    launch(op->getLoc(), "fill", {{r, type.getNumElements(), type.getElementType(), true}}, 0, [&](KernelBuilder &k, ArrayRef<int> a) {
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

  // ---- kernels and launches ----

  struct Argument {
    Ref ref;
    int64_t elements;
    Type element;
    bool isOutput;
  };
  using Build = llvm::function_ref<int64_t(KernelBuilder &, ArrayRef<int>)>;

  static std::string textOf(func::FuncOp f) {
    std::string name = f.getName().str(), text;
    f.setName("kernel");
    llvm::raw_string_ostream os(text);
    f.print(os);
    f.setName(name);
    return os.str();
  }

  /// Builds the kernel, or finds an equal one, and launches it. `build` gets each argument's buffer number: arguments in the same place
  /// share one, so that no two buffers of a kernel overlap.
  void launch(Location loc, StringRef family, ArrayRef<Argument> arguments, uint64_t flops, Build build) {
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
        l.arguments.push_back({a.ref.buffer, a.ref.byteOffset, a.elements, elementKindOf(a.element), a.isOutput});
        formal.push_back({a.element, a.elements});
      } else {
        l.arguments[found].isOutput |= a.isOutput;
        formal[found].elements = l.arguments[found].elements = std::max(l.arguments[found].elements, a.elements);
      }
      number.push_back(found);
      l.bytes += a.elements * elementBytes(a.element);
    }
    std::string symbol = (family + "_" + Twine(made.size())).str();
    KernelBuilder k(kernels, symbol, UnknownLoc::get(kernels.getContext()), formal, target);
    l.pieces = build(k, number);
    auto [it, isNew] = made.try_emplace(textOf(k.function), symbol);
    if (!isNew)
      k.function.erase();
    l.kernel = it->second;
    l.layer = layerOf(loc).str();
    l.what = (phaseOf(loc) + ":" + family).str();
    l.flops = flops;
    int64_t at = program.launches.size();
    for (const LaunchArgument &a : l.arguments) {
      Buffer &b = program.buffers[a.buffer];
      if (b.firstUse < 0)
        b.firstUse = at;
      b.lastUse = std::max(b.lastUse, at);
    }
    program.launches.push_back(l);
  }

  // ---- operations ----

  LogicalResult lower(Operation &op) {
    return TypeSwitch<Operation *, LogicalResult>(&op)
        .Case<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>([](auto) { return success(); })
        .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([&](auto o) { return alias(o->getResult(0), o->getOperand(0)); })
        .Case<tensor::PadOp>([&](auto o) { return alias(o.getResult(), o.getSource()); })
        .Case<tensor::ExtractSliceOp>([&](auto o) { return lowerExtract(o); })
        .Case<tensor::InsertSliceOp>([&](auto o) { return lowerInsert(o); })
        .Case<linalg::TransposeOp>([&](auto o) { return lowerTranspose(o); })
        .Case<linalg::GenericOp>([&](auto o) {
          if (auto family = o->template getAttrOfType<StringAttr>("cnn.kernel"))
            return lowerFamily(o, family.getValue());
          return lowerNest(o);
        })
        .Default([](Operation *o) { return o->emitOpError("has no kernel"); });
  }

  LogicalResult alias(Value result, Value source) {
    auto r = ref(source);
    if (failed(r))
      return failure();
    where[result] = *r;
    return success();
  }

  /// Copies rows of `width` elements: source row stride and offset to target row stride and offset.
  void copyRows(Location loc, Ref from, int64_t fromStride, int64_t fromOffset, Ref to, int64_t toStride, int64_t toOffset, int64_t rows,
                int64_t width, Type element) {
    launch(loc, "copy", {{from, rows * fromStride, element, false}, {to, rows * toStride, element, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int> a) {
             constexpr int64_t grain = 16384;
             int64_t lanes = k.lanes(element), whole = width / lanes * lanes, perPiece = std::max<int64_t>(1, grain / width);
             Value first = k.mul(k.piece, perPiece), last = k.min(k.add(first, perPiece), k.constant(rows));
             k.loop(first, last, 1, [&](Value r) {
               Value source = k.add(k.mul(r, fromStride), fromOffset), target = k.add(k.mul(r, toStride), toOffset);
               auto move = [&](Value i, int64_t n) {
                 k.store(k.load(k.buffer(a[0]), k.add(source, i), lanes, n), k.buffer(a[1]), k.add(target, i), n);
               };
               k.loop(k.constant(0), k.constant(whole), lanes, [&](Value i) { move(i, lanes); });
               if (whole < width)
                 move(k.constant(whole), width - whole);
             });
             k.finish();
             return (rows + perPiece - 1) / perPiece;
           });
  }

  LogicalResult lowerExtract(tensor::ExtractSliceOp op) {
    auto source = ref(op.getSource());
    if (failed(source))
      return failure();
    if (source->cropped) { // the kernel has written the interior alone
      where[op.getResult()] = {source->buffer, source->byteOffset, false};
      return success();
    }
    auto shape = op.getSourceType().getShape();
    auto sizes = op.getStaticSizes(), offsets = op.getStaticOffsets();
    Type element = op.getSourceType().getElementType();
    int64_t rank = shape.size(), linear = 0, split = rank - 1;
    for (int64_t i = 0; i < rank; ++i)
      linear = linear * shape[i] + offsets[i];
    while (split > 0 && sizes[split] == shape[split])
      --split;
    bool contiguous = true;
    for (int64_t i = 0; i < split; ++i)
      contiguous &= sizes[i] == 1;
    if (contiguous) {
      where[op.getResult()] = {source->buffer, source->byteOffset + linear * elementBytes(element), false};
      return success();
    }
    for (int64_t i = 0; i + 1 < rank; ++i)
      if (sizes[i] != shape[i])
        return op.emitOpError("is not a slice of channels");
    Ref r = newBuffer(op.getResult());
    copyRows(op.getLoc(), *source, shape.back(), offsets.back(), r, sizes.back(), 0, op.getSourceType().getNumElements() / shape.back(),
             sizes.back(), element);
    return success();
  }

  LogicalResult lowerInsert(tensor::InsertSliceOp op) {
    auto source = ref(op.getSource());
    if (failed(source))
      return failure();
    Ref target = op.getDest().getDefiningOp<tensor::EmptyOp>() ? newBuffer(op.getResult()) : where.lookup(op.getDest());
    if (target.buffer < 0)
      return op.emitOpError("joins into a tensor without a place");
    where[op.getResult()] = target;
    auto from = op.getSourceType().getShape(), to = cast<ShapedType>(op.getResult().getType()).getShape();
    copyRows(op.getLoc(), *source, from.back(), 0, target, to.back(), op.getStaticOffsets().back(),
             op.getSourceType().getNumElements() / from.back(), from.back(), op.getSourceType().getElementType());
    return success();
  }

  LogicalResult lowerTranspose(linalg::TransposeOp op) {
    auto source = ref(op.getInput());
    if (failed(source))
      return failure();
    auto type = cast<ShapedType>(op.getInput().getType());
    auto s = type.getShape();
    auto p = op.getPermutation();
    Transposition t;
    int64_t rows, columns;
    if (p == ArrayRef<int64_t>{0, 3, 1, 2}) // N,(HW,C) -> N,(C,HW)
      rows = s[1] * s[2], columns = s[3];
    else if (p == ArrayRef<int64_t>{0, 2, 3, 1}) // N,(C,HW) -> N,(HW,C)
      rows = s[1], columns = s[2] * s[3];
    else
      return op.emitOpError("is not a change between channels first and channels last");
    t.loops = {{s[0], rows * columns, rows * columns}};
    t.rows = rows, t.columns = columns, t.sourceRow = columns, t.targetRow = rows;
    Ref r = newBuffer(op->getResult(0));
    transpose(op.getLoc(), t, *source, r, type.getNumElements(), type.getElementType());
    return success();
  }

  void transpose(Location loc, const Transposition &t, Ref from, Ref to, int64_t elements, Type element) {
    launch(loc, "transpose", {{from, elements, element, false}, {to, elements, element, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildTransposition(k, t, element); });
  }

  LogicalResult lowerFamily(linalg::GenericOp op, StringRef family) {
    WindowGeometry g = WindowGeometry::fromAttr(op->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
    Location loc = op.getLoc();
    Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
    Value result = op->getResult(0);
    auto first = ref(op.getInputs()[0]);
    if (failed(first))
      return failure();
    int64_t inputs = g.N * g.H * g.W * g.C, outputs = g.N * g.OH * g.OW * g.O, filter = g.O * g.KH * g.KW * (g.C / g.G);
    // The second operand of pools is a window or a constant: it has no place and needs none.
    bool pool = family == "maxpool" || family == "avgpool" || family == "avgpool_grad";
    FailureOr<Ref> second = pool ? FailureOr<Ref>(Ref()) : ref(op.getInputs()[1]);
    if (failed(second))
      return failure();

    if (family == "conv") {
      gather(loc, family, GatherConv::forward(g), *first, inputs, *second, filter, newBuffer(result), outputs, element);
    } else if (family == "conv_input_grad") { // dy, w
      int64_t block = filterBlock(g.C / g.G);
      Ref packed = scratch(filter, element);
      transpose(loc, filterTransposition(g, block), *second, packed, filter, element);
      Ref dx = newBuffer(result, inputs);
      where[result].cropped = g.PT || g.PL || g.PB || g.PR;
      gather(loc, family, GatherConv::inputGrad(g, block), *first, outputs, packed, filter, dx, inputs, element);
    } else if (family == "conv_filter_grad") { // x, dy
      filterGrad(loc, family, FilterGrad::of(g), *first, inputs, *second, outputs, newBuffer(result), element);
    } else if (family == "dense") { // x, w
      dense(loc, g, *first, *second, newBuffer(result), element);
    } else if (family == "dense_input_grad") { // w (O,I), dy (N,O): the lanes run along i, the taps along o
      GatherConv c;
      c.N = g.N, c.outChannels = g.C, c.inChannels = g.O;
      c.rows = c.columns = {Phase{0, 1, 1, {{0, 0}}}};
      c.block = filterBlock(g.C), c.wBlock = c.block, c.wChannel = g.C;
      gather(loc, family, c, *second, g.N * g.O, *first, g.O * g.C, newBuffer(result), g.N * g.C, element);
    } else if (family == "dense_filter_grad") { // x (N,I), dy (N,O): dy is broadcast, the lanes run along i
      FilterGrad f;
      f.N = g.N, f.xChannels = g.O, f.yChannels = g.C;
      f.block = filterBlock(g.C), f.wBlock = f.block, f.wChannel = g.C;
      filterGrad(loc, family, f, *second, g.N * g.O, *first, g.N * g.C, newBuffer(result), element);
    } else if (family == "maxpool") {
      Type index = cast<ShapedType>(op->getResult(1).getType()).getElementType();
      Ref y = newBuffer(result), indices = newBuffer(op->getResult(1));
      launch(loc, family, {{*first, inputs, element, false}, {y, outputs, element, true}, {indices, outputs, index, true}}, 0,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildMaxPool(k, g, element, index); });
    } else if (family == "maxpool_grad") { // dy, indices
      Type index = cast<ShapedType>(op.getInputs()[1].getType()).getElementType();
      Ref dx = newBuffer(result, inputs);
      where[result].cropped = g.PT || g.PL || g.PB || g.PR;
      launch(loc, family, {{*first, outputs, element, false}, {*second, outputs, index, false}, {dx, inputs, element, true}}, 0,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildMaxPoolGrad(k, g, element, index); });
    } else if (family == "avgpool") {
      launch(loc, family, {{*first, inputs, element, false}, {newBuffer(result), outputs, element, true}}, 0,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildAvgPool(k, g, element); });
    } else if (family == "avgpool_grad") {
      Ref dx = newBuffer(result, inputs);
      where[result].cropped = g.PT || g.PL || g.PB || g.PR;
      launch(loc, family, {{*first, outputs, element, false}, {dx, inputs, element, true}}, 0,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildAvgPoolGrad(k, g, element); });
    } else if (family == "depthwise" || family == "depthwise_input_grad") {
      bool forward = family == "depthwise";
      Ref y = newBuffer(result, forward ? outputs : inputs);
      where[result].cropped = !forward && (g.PT || g.PL || g.PB || g.PR);
      launch(loc, family,
             {{*first, forward ? inputs : outputs, element, false}, {*second, filter, element, false}, {y, forward ? outputs : inputs, element, true}},
             2 * outputs * g.KH * g.KW, [&](KernelBuilder &k, ArrayRef<int>) {
               return forward ? buildDepthwise(k, g, element) : buildDepthwiseInputGrad(k, g, element);
             });
    } else if (family == "depthwise_filter_grad") {
      FilterGrad f = FilterGrad::of(g);
      int64_t parts = filterGradParts(f, elementBytes(element));
      summedParts(loc, family, parts, filter, newBuffer(result), element, [&](Ref out) {
        launch(loc, family, {{*first, inputs, element, false}, {*second, outputs, element, false}, {out, parts * filter, element, true}},
               2 * outputs * g.KH * g.KW, [&](KernelBuilder &k, ArrayRef<int>) { return buildDepthwiseFilterGrad(k, g, parts, element); });
      });
    } else {
      return op.emitOpError("is of an unknown family ") << family;
    }
    return success();
  }

  void gather(Location loc, StringRef family, const GatherConv &c, Ref x, int64_t xElements, Ref w, int64_t wElements, Ref y,
              int64_t yElements, Type element) {
    launch(loc, family, {{x, xElements, element, false}, {w, wElements, element, false}, {y, yElements, element, true}}, c.flops(),
           [&](KernelBuilder &k, ArrayRef<int>) { return buildGatherConv(k, c, element); });
  }

  /// y = x w^T. Many rows: the weights are packed, and the layer is a convolution of 1x1 maps. Few: dot products.
  void dense(Location loc, const WindowGeometry &g, Ref x, Ref w, Ref y, Type element) {
    uint64_t flops = 2ull * g.N * g.C * g.O;
    if (g.N < packedDenseRows) {
      launch(loc, "dense", {{x, g.N * g.C, element, false}, {w, g.O * g.C, element, false}, {y, g.N * g.O, element, true}}, flops,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildDenseDot(k, g.N, g.C, g.O, element); });
      return;
    }
    int64_t block = filterBlock(g.O);
    Ref packed = scratch(g.O * g.C, element);
    Transposition t; // (O,I) -> [O/block][I][block]
    t.loops = {{g.O / block, block * g.C, block * g.C}};
    t.rows = block, t.columns = g.C, t.sourceRow = g.C, t.targetRow = block;
    transpose(loc, t, w, packed, g.O * g.C, element);
    GatherConv c;
    c.N = g.N, c.outChannels = g.O, c.inChannels = g.C;
    c.rows = c.columns = {Phase{0, 1, 1, {{0, 0}}}};
    c.block = block, c.wBlock = block * g.C, c.wChannel = block;
    gather(loc, "dense", c, x, g.N * g.C, packed, g.O * g.C, y, g.N * g.O, element);
  }

  /// Runs `partial` into `parts` partial sums and adds them up in order, or straight into `out`.
  void summedParts(Location loc, StringRef family, int64_t parts, int64_t size, Ref out, Type element, llvm::function_ref<void(Ref)> partial) {
    if (parts == 1)
      return partial(out);
    Ref sums = scratch(parts * size, element);
    partial(sums);
    combine(loc, sums, out, parts, size, element, nullptr);
  }
  void combine(Location loc, Ref partial, Ref out, int64_t parts, int64_t size, Type element, Operation *combiner) {
    launch(loc, "combine", {{partial, parts * size, element, false}, {out, size, element, true}}, 0, [&](KernelBuilder &k, ArrayRef<int>) {
      buildCombine(k, isa_and_nonnull<arith::MaximumFOp>(combiner), parts, size, element);
      return combinePieces(size);
    });
  }

  void filterGrad(Location loc, StringRef family, FilterGrad f, Ref x, int64_t xElements, Ref dy, int64_t yElements, Ref dw, Type element) {
    f.parts = filterGradParts(f, elementBytes(element));
    summedParts(loc, family, f.parts, f.size(), dw, element, [&](Ref out) {
      launch(loc, family, {{x, xElements, element, false}, {dy, yElements, element, false}, {out, f.parts * f.size(), element, true}},
             f.flops(), [&](KernelBuilder &k, ArrayRef<int>) {
               buildFilterGrad(k, f, element);
               return f.pieces();
             });
    });
  }

  LogicalResult lowerNest(linalg::GenericOp op) {
    Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
    int64_t lanes = target.vectorBytes / elementBytes(element);
    auto plan = planNest(op, lanes);
    if (failed(plan))
      return op.emitOpError("is neither elementwise nor a sum that has a kernel");
    SmallVector<Argument> arguments;
    for (auto [i, v] : llvm::enumerate(op.getInputs())) {
      Type t = cast<ShapedType>(v.getType()).getElementType();
      auto r = ref(v);
      if (failed(r))
        return failure();
      arguments.push_back({*r, cast<ShapedType>(v.getType()).getNumElements(), t, false});
    }
    SmallVector<Ref> results, partials;
    for (Value v : op->getResults()) {
      results.push_back(newBuffer(v));
      int64_t elements = cast<ShapedType>(v.getType()).getNumElements();
      if (plan->hasPartials()) {
        elements *= plan->pieces;
        partials.push_back(scratch(elements, element));
      }
      arguments.push_back({plan->hasPartials() ? partials.back() : results.back(), elements, cast<ShapedType>(v.getType()).getElementType(), true});
    }
    bool map = plan->mode == NestPlan::Mode::Map;
    launch(op.getLoc(), map ? "map" : "sum", arguments, 0, [&](KernelBuilder &k, ArrayRef<int> numbers) {
      buildNest(k, *plan, numbers);
      return plan->pieces;
    });
    if (plan->hasPartials())
      for (auto [i, r] : llvm::enumerate(results))
        combine(op.getLoc(), partials[i], r, plan->pieces, plan->resultElements(), element, *combinerOf(op, i));
    return success();
  }

  /// Results: what must be alive at the end, and tensors that could not be written in place.
  LogicalResult finish() {
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
    // Everything that is written must be so before the loss is judged if it is a tensor of the model: running statistics are, by design,
    // updated with the forward pass; parameters and states follow the loss.
    return success();
  }
};

} // namespace

FailureOr<Program> lowerToKernels(Operation *function, ModuleOp kernels, const TargetInfo &target) {
  return Lowering(cast<func::FuncOp>(function), kernels, target).run();
}

} // namespace cnnc
