// Layout: how each tensor lies in memory.
// In: @train_step, @predict* in the cnn dialect.  Out: the same with encodings on the types of maps (#cnn.nhwc) and filters (#cnn.filter).
//
// Channels last: every loop that matters runs over channels, and a pixel's channels are one contiguous vector. Filters lie in blocks of
// output channels as wide as a register tile, so that a convolution reads them front to back.
#include "compiler/target/Tiles.h"
#include "compiler/transforms/Passes.h"

using namespace mlir;

namespace cnnc {
#define GEN_PASS_DEF_LAYOUT
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Depthwise filters (one channel in and out a group) are one block: their vectors run over all channels.
int64_t blockOf(int64_t outputs, int64_t channelsPerGroup, int64_t groups) {
  if (groups > 1 && channelsPerGroup == 1 && outputs == groups)
    return outputs;
  return filterBlock(outputs / groups);
}

struct Layout : impl::LayoutBase<Layout> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration() && function.getName() != "forward")
        assign(function);
  }

  static RankedTensorType mapType(Type type) {
    auto t = dyn_cast<RankedTensorType>(type);
    return t && t.getRank() == 4 ? t : RankedTensorType();
  }

  void assign(func::FuncOp function) {
    MLIRContext *context = &getContext();
    auto nhwc = cnn::NhwcAttr::get(context);
    // Filters are what convolutions use as such, and what is computed from them element by element.
    DenseMap<Value, int64_t> blocks;
    function.walk([&](Operation *op) {
      if (auto c = dyn_cast<cnn::ConvOp>(op))
        noteFilter(blocks, c.getFilter(), c.getGroups());
      else if (auto c = dyn_cast<cnn::ConvInputGradOp>(op))
        noteFilter(blocks, c.getFilter(), c.getGroups());
      else if (auto c = dyn_cast<cnn::ConvFilterGradOp>(op))
        noteFilter(blocks, c.getFilterGrad(), c.getGroups());
    });
    // A state has its parameter's layout.
    for (BlockArgument a : function.getArguments()) {
      auto of = function.getArgAttrOfType<StringAttr>(a.getArgNumber(), "cnn.of");
      if (!of || !mapType(a.getType()))
        continue;
      for (BlockArgument p : function.getArguments())
        if (function.getArgAttrOfType<StringAttr>(p.getArgNumber(), "cnn.name") == of && blocks.count(p))
          blocks[a] = blocks[p];
    }
    Block &body = function.getBody().front();
    for (BlockArgument a : body.getArguments()) {
      auto t = mapType(a.getType());
      if (!t)
        continue;
      if (auto it = blocks.find(a); it != blocks.end())
        function.setArgAttr(a.getArgNumber(), "cnn.block", IntegerAttr::get(IntegerType::get(context, 64), it->second));
      encode(a, blocks, nhwc);
    }
    for (Operation &op : body.without_terminator()) {
      if (isa<cnn::MapOp>(op)) // elementwise: a filter stays one
        for (Value operand : op.getOperands())
          if (auto it = blocks.find(operand); it != blocks.end()) {
            int64_t block = it->second;
            for (Value r : op.getResults())
              if (cast<RankedTensorType>(r.getType()).getShape() == cast<RankedTensorType>(operand.getType()).getShape())
                blocks[r] = block;
            break;
          }
      for (Value r : op.getResults())
        encode(r, blocks, nhwc);
    }
    SmallVector<Type> results(body.getTerminator()->getOperandTypes());
    function.setFunctionType(FunctionType::get(context, body.getArgumentTypes(), results));
  }

  static void noteFilter(DenseMap<Value, int64_t> &blocks, Value filter, int64_t groups) {
    auto s = cast<RankedTensorType>(filter.getType()).getShape();
    blocks[filter] = blockOf(s[0], s[1], groups);
  }

  static void encode(Value v, DenseMap<Value, int64_t> &blocks, Attribute nhwc) {
    auto t = mapType(v.getType());
    if (!t)
      return;
    auto it = blocks.find(v);
    Attribute encoding = it == blocks.end() ? nhwc : Attribute(cnn::FilterLayoutAttr::get(v.getContext(), it->second));
    v.setType(RankedTensorType::get(t.getShape(), t.getElementType(), encoding));
  }
};

} // namespace
} // namespace cnnc
