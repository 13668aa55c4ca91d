// The lowering of one function to kernels, as a class: what is known of its values, and one method a kind of operation.
// In: a function of linalg on tensors.  Out: Program. Values.cpp binds buffers and launches, Operations.cpp moves data and sums,
// Families.cpp makes convolutions, dense layers and pools.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/dialect/Cnn.h"
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Nest.h"
#include "compiler/kernels/Program.h"
#include "compiler/kernels/Winograd.h"
#include "compiler/target/Tiles.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringMap.h"

namespace cnnc {
using namespace mlir;

/// Bytes of one element.
inline int64_t elementBytes(Type t) { return t.getIntOrFloatBitWidth() / 8; }

class Lowering {
public:
  Lowering(func::FuncOp function, ModuleOp kernels, KernelCache &cache, const TargetInfo &target)
      : function(function), kernels(kernels), cache(cache), target(target) {
    program.name = function.getName().str();
  }

  FailureOr<Program> run() {
    postponeUpdates();
    bindArguments();
    bindUpdates();
    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(lower(op)))
        return failure();
    if (failed(finish()))
      return failure();
    if (program.lossBuffer < 0) // inference
      hoistConstants(program);
    else
      formChains(program, target.chainBytes);
    planMemory(program);
    return std::move(program);
  }

private:
  /// Where a tensor value lives.
  struct Ref {
    int64_t buffer = -1, byteOffset = 0;
    bool cropped = false; ///< a gradient that the function sees padded: only the interior is stored
  };

  func::FuncOp function;
  ModuleOp kernels;
  KernelCache &cache;
  const TargetInfo &target;
  Program program;
  DenseMap<Value, Ref> where;
  DenseMap<Value, int64_t> destination; ///< values that are written straight into a tensor of the model
  DenseMap<Value, BlockArgument> replaced; ///< the tensors' old values
  llvm::SmallPtrSet<Operation *, 16> fused; ///< updates that the kernels of their gradients do
  Operation *loss = nullptr;
  llvm::StringMap<int64_t> tensorByName;

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

  void bindArguments();
  /// Moves what serves updates alone behind everything else: a step whose loss is not finite must leave every tensor as it was.
  void postponeUpdates();

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
  void bindUpdates();
  /// Whether all but `writer` that read `v`, or a view of it, stand before `point`.
  bool readersBefore(Value v, Operation *point, Operation *writer);
  BlockArgument argumentOf(int64_t tensor);
  StringRef role(unsigned result) {
    auto r = function.getResultAttrOfType<StringAttr>(result, "cnn.role");
    return r ? r.getValue() : "logits";
  }
  StringRef resultName(unsigned result) {
    auto r = function.getResultAttrOfType<StringAttr>(result, "cnn.name");
    return r ? r.getValue() : "";
  }

  /// The buffer of a result that is about to be written.
  Ref newBuffer(Value v, int64_t elements);
  Ref newBuffer(Value v) { return newBuffer(v, cast<ShapedType>(v.getType()).getNumElements()); }
  Ref scratch(int64_t elements, Type element) {
    Ref r;
    r.buffer = addBuffer(Buffer::Space::Arena, elements * elementBytes(element));
    return r;
  }

  FailureOr<Ref> ref(Value v);

  /// What a kernel reads or writes.
  struct Memory {
    Ref ref;
    int64_t elements;
    Type element;
  };
  Memory scratchMemory(int64_t elements, Type element) { return {scratch(elements, element), elements, element}; }

  // ---- kernels and launches ----

  struct Argument {
    Ref ref;
    int64_t elements;
    Type element;
    bool isOutput;
    bool byImage = false;
    int64_t touched = elements; ///< elements that are moved
  };
  static Argument read(const Memory &m) { return {m.ref, m.elements, m.element, false}; }
  static Argument write(const Memory &m) { return {m.ref, m.elements, m.element, true}; }
  /// What each piece touches for its own images alone: the kernel's pieces are cut as ImageCut says.
  Argument ofImages(Argument a, int64_t images) const {
    a.byImage = images == program.batch && images > 1;
    return a;
  }
  using Build = llvm::function_ref<int64_t(KernelBuilder &, ArrayRef<int>)>;

  /// Builds the kernel, or finds an equal one, and launches it. `key` tells kernels of a family apart: it and the buffers determine what
  /// `build` makes. `build` gets each argument's buffer number: arguments in the same place
  /// share one, so that no two buffers of a kernel overlap.
  void launch(Location loc, StringRef family, StringRef key, ArrayRef<Argument> arguments, uint64_t flops, Build build);

  // ---- gradients of parameters ----

  /// An elementwise program that replaces tensors by their new values, and which of its inputs is the gradient.
  struct Update {
    linalg::GenericOp op;
    NestPlan plan;
    unsigned given;
  };
  /// Where a gradient goes: into memory, or into an update and into memory if the caller of the step wants it.
  struct Gradient {
    Memory memory;
    std::optional<Update> update;
  };
  /// The update that reads the gradient alone and may happen where `made` makes it: nothing behind reads the old values.
  std::optional<Update> updateAt(linalg::GenericOp made);
  /// The place of a gradient; its update happens there too if that is possible and pays. `mayUpdate`: its kernel stores each element once, through StoreLanes.
  Gradient gradient(linalg::GenericOp made, int64_t elements, bool mayUpdate);
  using BuildGradient = llvm::function_ref<int64_t(KernelBuilder &, StoreLanes)>;
  /// As launch(): buffers are the inputs, then the gradient's memory.
  void launchGradient(Location loc, StringRef family, StringRef key, ArrayRef<Argument> inputs, const Gradient &to, uint64_t flops, BuildGradient build);

  // ---- operations ----

  LogicalResult lower(Operation &op);

  LogicalResult alias(Value result, Value source) {
    auto r = ref(source);
    if (failed(r))
      return failure();
    where[result] = *r;
    return success();
  }

  /// Copies rows of `width` elements: source row stride and offset to target row stride and offset.
  void copyRows(Location loc, Ref from, int64_t fromStride, int64_t fromOffset, Ref to, int64_t toStride, int64_t toOffset, int64_t rows,
                int64_t width, Type element);

  LogicalResult lowerExtract(tensor::ExtractSliceOp op);

  LogicalResult lowerInsert(tensor::InsertSliceOp op);

  LogicalResult lowerTranspose(linalg::TransposeOp op);

  void transpose(Location loc, const Transposition &t, const Memory &from, const Memory &to);

  /// Whether the kernel of a convolution ends with a program that has no other place.
  bool endsWithEpilogue(linalg::GenericOp convolution) const {
    linalg::GenericOp program = epilogueOf(convolution, target, !keepsWeights());
    return program && !isTakenIn(program);
  }
  /// `epilogue`: what a convolution's kernel ends with; null: its results are stored as they are.
  LogicalResult lowerFamily(linalg::GenericOp op, linalg::GenericOp epilogue);

  /// Where the results of a convolution or a dense layer go.
  struct Made {
    Made(const Memory &memory) : memory(memory) {}
    Memory memory;
    std::optional<EpiloguePlan> epilogue;
    SmallVector<Memory> operands; ///< of the epilogue's program, in their order, without the results
  };
  using BuildConvolution = llvm::function_ref<int64_t(KernelBuilder &, const Ending &)>;
  /// As launch(): buffers are x, w, y, and what the epilogue reads. `images`: of pieces that are cut as ImageCut says, else 0.
  void launchConvolution(Location loc, StringRef family, StringRef key, const Memory &x, const Memory &w, const Made &y, int64_t images, uint64_t flops, BuildConvolution build);

  /// Whether a sum over `channels` of x is made of pairs.
  bool multipliesPairs(const Memory &x, int64_t channels) const;
  /// The convolution as it is multiplied best, by `make(pairs)`: in pairs, in tiles that split f32, or one by one.
  GatherConv multiplied(const Memory &x, int64_t channels, llvm::function_ref<GatherConv(bool)> make) const;
  /// The filter with its rows of `width` lanes at the beginning of a vector each, where that pays; `c` is what reads it.
  Memory alignedFilter(Location loc, GatherConv &c, const Memory &w, int64_t width, int64_t lanes);
  Memory packPairs(Location loc, const PairPacking &p, const Memory &source);
  Memory packPairs(Location loc, const Transposition &t, const Memory &source); ///< t is in pairs

  void gather(Location loc, StringRef family, StringRef key, const GatherConv &c, const Memory &x, const Memory &w, const Made &y);

  /// y = x w^T. Many rows: the weights are packed, and the layer is a convolution of 1x1 maps. Few: dot products.
  void dense(Location loc, const WindowGeometry &g, const Memory &x, const Memory &w, const Made &y);

  /// Runs `partial` into `parts` partial sums and adds them up in order, or straight into `out`.
  void summedParts(Location loc, int64_t parts, const Gradient &out, llvm::function_ref<void(const Gradient &)> partial);
  void combine(Location loc, Ref partial, Type partialType, Ref out, Type element, int64_t parts, int64_t size, bool isMax);
  void combine(Location loc, Ref partial, Type partialType, const Gradient &out, int64_t parts, bool isMax);

  /// How a filter's gradient is summed so that it can be in a chain; none where it cannot. `work`: of an image, `bytes`: of the gradient.
  GradStripes stripes(int64_t N, int64_t work, int64_t leastWork, int64_t bytes) const;
  /// Launches the kernel that sums stripes into its third buffer, and their sum.
  void stripedGrad(Location loc, StringRef family, StringRef key, const GradStripes &s, const Memory &x, const Memory &dy, const Gradient &dw, uint64_t flops, Build build);
  /// The gradient in tiles of AMX, where the processor has them and there are pixels enough to fill some. False: nothing was made.
  bool filterGradOfTiles(linalg::GenericOp op, StringRef family, StringRef key, FilterGrad f, const Memory &x, const Memory &dy);
  void filterGrad(linalg::GenericOp op, StringRef family, StringRef key, FilterGrad f, const Memory &x, const Memory &dy);

  /// The convolution in Winograd's form; w in the layout that `c.block` states.
  /// Weights stay what they are from one run to the next: what is made of them alone is made once.
  bool keepsWeights() const { return llvm::StringRef(program.name).starts_with("predict"); }
  bool transformsInside(const WinogradConv &c, int64_t lanes) const;
  void winograd(Location loc, StringRef family, const WinogradConv &c, const Memory &x, const Memory &w, const Made &y);
  void winogradFilterGrad(linalg::GenericOp op, const WinogradConv &c, const Memory &x, const Memory &dy);

  LogicalResult lowerNest(linalg::GenericOp op);

  /// The elementwise program that the kernel of `pool` takes in; null if it reads its map.
  static linalg::GenericOp programOf(linalg::GenericOp pool);
  /// Whether it has no launch of its own.
  static bool isTakenIn(linalg::GenericOp program);
  LogicalResult pool(linalg::GenericOp op, const WindowGeometry &g, bool isMax);

  /// Results: what must be alive at the end, and tensors that could not be written in place.
  LogicalResult finish();
};

} // namespace cnnc
