// Inlines elementwise producers into the elementwise programs and sums that read them.
// In: linalg on tensors.  Out: fewer, larger linalg.generic; maps that only such consumers read are never stored.
//
// A producer with k full-size inputs and m consumers costs k + 1 + m passes over memory when stored (it is read, written and read again),
// and m*k when inlined. It is inlined where that is no more, and never when something else (a convolution, a result) needs it stored. What is stored
// for others is computed again where a consumer reads all that it is made of anyway: the mask of a ReLU behind a normalisation, which takes its
// gradient from the map before the normalisation.
#include "compiler/kernels/Nest.h"
#include "compiler/kernels/PoolFusion.h"
#include "compiler/kernels/Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace cnnc {

bool isCostly(linalg::GenericOp g) {
  constexpr int costlyOperations = 40; // dropout's generator has more
  int count = 0;
  bool transcendental = false;
  g.getRegion().walk([&](Operation *o) {
    ++count;
    transcendental |= isa<math::ExpOp, math::LogOp, math::TanhOp, math::ErfOp, math::PowFOp, math::Log1pOp, math::ExpM1Op>(o);
  });
  return transcendental || count > costlyOperations;
}

namespace {

bool isElementwise(Operation *op) {
  auto g = dyn_cast_or_null<linalg::GenericOp>(op);
  return g && !g->hasAttr("cnn.kernel") && g.getNumReductionLoops() == 0;
}

/// Elementwise programs and sums: what can take a producer in.
bool isConsumer(Operation *op) {
  auto g = dyn_cast<linalg::GenericOp>(op);
  return g && !g->hasAttr("cnn.kernel");
}

/// The operands that are read whole, element by element.
SmallVector<Value> fullInputs(linalg::GenericOp g) {
  SmallVector<Value> inputs;
  for (OpOperand *o : g.getDpsInputOperands())
    if (g.getMatchingIndexingMap(o).isIdentity() && g.getMatchingIndexingMap(o).getNumResults() == g.getNumLoops())
      inputs.push_back(o->get());
  return inputs;
}

/// What takes the place of the maps that a generic reads: those, and maps of windows.
int streamsOf(linalg::GenericOp g) {
  return llvm::count_if(g.getDpsInputOperands(), [&](OpOperand *o) { return g.getMatchingIndexingMap(o).getNumResults() == g.getNumLoops(); });
}

/// Whether the windows of both, where they have some, are the same.
bool haveEqualWindows(linalg::GenericOp x, linalg::GenericOp y) {
  auto ofX = windowsOf(x), ofY = windowsOf(y);
  return succeeded(ofX) && succeeded(ofY) && (ofX->cells() == 1 || ofY->cells() == 1 || *ofX == *ofY);
}

/// A splat constant operand becomes a scalar in the body.
void inlineSplats(linalg::GenericOp g, IRRewriter &rewriter) {
  for (unsigned i = 0; i < g.getNumDpsInputs(); ++i) {
    Value v = g.getInputs()[i];
    DenseElementsAttr dense;
    FloatAttr value;
    if (auto fill = v.getDefiningOp<linalg::FillOp>())
      matchPattern(fill.getInputs()[0], m_Constant(&value));
    else if (matchPattern(v, m_Constant(&dense)) && dense.isSplat() && isa<FloatType>(dense.getElementType()))
      value = dense.getSplatValue<FloatAttr>();
    BlockArgument arg = g.getRegion().front().getArgument(i);
    if (!value || arg.use_empty())
      continue;
    rewriter.setInsertionPointToStart(&g.getRegion().front());
    arg.replaceAllUsesWith(arith::ConstantOp::create(rewriter, g.getLoc(), value));
  }
}

/// Drops operands that the body does not read, or reads twice (a fused or folded operand leaves such behind).
linalg::GenericOp dropUnread(linalg::GenericOp g, IRRewriter &rewriter) {
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  Block &body = g.getRegion().front();
  for (unsigned i = 0; i < g.getNumDpsInputs(); ++i)
    for (unsigned j = 0; j < i; ++j)
      if (g.getInputs()[i] == g.getInputs()[j] && g.getIndexingMapsArray()[i] == g.getIndexingMapsArray()[j])
        body.getArgument(i).replaceAllUsesWith(body.getArgument(j));
  llvm::BitVector dead(body.getNumArguments());
  for (unsigned i = 0; i < g.getNumDpsInputs(); ++i) {
    if (body.getArgument(i).use_empty()) {
      dead.set(i);
      continue;
    }
    inputs.push_back(g.getInputs()[i]);
    maps.push_back(g.getIndexingMapsArray()[i]);
  }
  if (dead.none() || inputs.empty())
    return g;
  for (unsigned i = g.getNumDpsInputs(); i < g->getNumOperands(); ++i)
    maps.push_back(g.getIndexingMapsArray()[i]);
  rewriter.setInsertionPoint(g);
  body.eraseArguments(dead);
  auto made = linalg::GenericOp::create(rewriter, g.getLoc(), g.getResultTypes(), inputs, g.getOutputs(), maps, g.getIteratorTypesArray());
  made.getRegion().takeBody(g.getRegion());
  rewriter.replaceOp(g, made.getResults());
  return made;
}

/// Whether the body makes max(x, 0) of its one input, as the language's relu does: 0 where x <= 0, else x.
bool isRelu(linalg::GenericOp g) {
  if (!isElementwise(g.getOperation()) || g.getNumDpsInputs() != 1 || fullInputs(g).size() != 1 || g->getNumResults() != 1)
    return false;
  Block &body = g.getRegion().front();
  auto chosen = body.getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  auto test = chosen ? chosen.getCondition().getDefiningOp<arith::CmpFOp>() : nullptr;
  return test && test.getPredicate() == arith::CmpFPredicate::OLE && test.getLhs() == body.getArgument(0) && matchPattern(test.getRhs(), m_AnyZeroFloat()) &&
         matchPattern(chosen.getTrueValue(), m_PosZeroFloat()) && chosen.getFalseValue() == body.getArgument(0);
}

/// Whether the operand is compared with zero and nothing else: what it is by its sign alone.
bool asksForSign(linalg::GenericOp g, OpOperand &use) {
  return g.isDpsInput(&use) && g.getMatchingIndexingMap(&use).isIdentity() &&
         llvm::all_of(g.getMatchingBlockArgument(&use).getUses(), [](OpOperand &asked) {
           auto test = dyn_cast<arith::CmpFOp>(asked.getOwner());
           return test && test.getPredicate() == arith::CmpFPredicate::OLE && asked.getOperandNumber() == 0 && matchPattern(test.getRhs(), m_AnyZeroFloat());
         });
}

/// A ReLU's gradient takes its mask from what the ReLU has made, which others read too, instead of from what it was made of: one map for several.
void maskByResult(linalg::GenericOp relu) {
  Value x = relu.getInputs()[0], y = relu->getResult(0);
  x.replaceUsesWithIf(y, [&](OpOperand &use) {
    auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
    return reader && reader != relu && isElementwise(reader.getOperation()) && relu->isBeforeInBlock(reader) && asksForSign(reader, use);
  });
}

/// Whether `producer` may go into all its consumers. One of them may be a pool, in front of which it then stays, for the pool's kernel.
bool shouldInline(linalg::GenericOp producer) {
  if (producer->getNumResults() != 1)
    return false;
  llvm::SmallPtrSet<Operation *, 4> consumers;
  int pools = 0;
  for (OpOperand &use : producer->getResult(0).getUses()) {
    if (linalg::GenericOp pool = poolOf(use); pool && ++pools == 1 && takesIn(pool, producer))
      continue;
    auto consumer = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!consumer || !isConsumer(consumer) || !linalg::areElementwiseOpsFusable(&use) || !haveEqualWindows(producer, consumer))
      return false;
    consumers.insert(consumer);
  }
  int m = consumers.size() + pools, k = fullInputs(producer).size();
  if (consumers.empty())
    return false;
  if (m > 1 && isCostly(producer))
    return false;
  constexpr int mostInputs = 6; // streams that prefetching keeps up with
  for (Operation *c : consumers)
    if (streamsOf(cast<linalg::GenericOp>(c)) - 1 + streamsOf(producer) > mostInputs)
      return false;
  return m * k <= k + 1 + m;
}

/// Whether a consumer had better compute what it reads, which is stored for others: it reads all of the maps that this is made of already.
bool shouldRecompute(linalg::GenericOp producer, OpOperand &use) {
  auto consumer = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (producer->getNumResults() != 1 || isCostly(producer) || !consumer || !isConsumer(consumer) || !linalg::areElementwiseOpsFusable(&use) ||
      !consumer.getMatchingIndexingMap(&use).isIdentity() || !haveEqualWindows(producer, consumer))
    return false;
  const SmallVector<Value> read = fullInputs(consumer), made = fullInputs(producer);
  return !made.empty() && llvm::all_of(made, [&](Value v) { return llvm::is_contained(read, v); });
}

/// A use of the producer that shouldRecompute().
OpOperand *recomputed(linalg::GenericOp producer) {
  for (OpOperand &use : producer->getUses())
    if (shouldRecompute(producer, use))
      return &use;
  return nullptr;
}

/// Computes what `use` reads in its reader, which is replaced.
LogicalResult inlineInto(linalg::GenericOp producer, OpOperand &use, IRRewriter &rewriter) {
  Operation *consumer = use.getOwner();
  // A clone with this one use: fusing leaves nothing of it behind.
  rewriter.setInsertionPoint(consumer);
  auto clone = cast<linalg::GenericOp>(rewriter.clone(*producer));
  use.set(clone->getResult(0));
  rewriter.setInsertionPoint(consumer);
  Location loc = consumer->getLoc();
  auto fused = linalg::fuseElementwiseOps(rewriter, &use);
  if (failed(fused)) {
    use.set(producer->getResult(0));
    rewriter.eraseOp(clone);
    return failure();
  }
  fused->fusedOp->setLoc(loc); // the consumer's: kernels are named after what they end in
  for (auto [from, to] : fused->replacements)
    rewriter.replaceAllUsesWith(from, to);
  rewriter.eraseOp(consumer);
  if (clone->use_empty())
    rewriter.eraseOp(clone);
  return success();
}

} // namespace

void fuseElementwise(Operation *function) {
  IRRewriter rewriter(function->getContext());
  SmallVector<linalg::GenericOp> order;
  function->walk([&](linalg::GenericOp g) {
    if (!g->hasAttr("cnn.kernel"))
      order.push_back(g);
  });
  for (linalg::GenericOp g : order)
    inlineSplats(g, rewriter);
  for (linalg::GenericOp g : order)
    if (isRelu(g))
      maskByResult(g);
  const SmallVector<linalg::GenericOp> pools = gatherPools(function);

  // Producers first: what a producer has taken in is part of it when its own turn comes. Fusing replaces the consumer, so the walk starts
  // again behind the operation that was treated.
  Block &body = cast<FunctionOpInterface>(function).getFunctionBody().front();
  for (auto it = body.begin(); it != body.end();) {
    Operation *op = &*it++;
    if (!isElementwise(op))
      continue;
    auto producer = cast<linalg::GenericOp>(op);
    if (!shouldInline(producer))
      continue;
    auto reader = [&]() -> OpOperand * {
      for (OpOperand &use : producer->getUses())
        if (!poolOf(use))
          return &use;
      return nullptr;
    };
    for (OpOperand *use = reader(); use && succeeded(inlineInto(producer, *use, rewriter)); use = reader())
      ;
    it = std::next(Block::iterator(producer));
    if (producer->use_empty())
      rewriter.eraseOp(producer);
  }
  for (auto it = body.begin(); it != body.end(); ++it)
    if (isElementwise(&*it))
      for (auto producer = cast<linalg::GenericOp>(*it); OpOperand *use = recomputed(producer);)
        if (failed(inlineInto(producer, *use, rewriter)))
          break;
  endGathering(function, pools);
  order.clear();
  function->walk([&](linalg::GenericOp g) {
    if (!g->hasAttr("cnn.kernel"))
      order.push_back(g);
  });
  for (linalg::GenericOp g : order)
    dropUnread(g, rewriter);
}

} // namespace cnnc
