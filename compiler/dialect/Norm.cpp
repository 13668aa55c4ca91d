// Normalisation over all but dimension 1: checks and adjoint. x (N,C,H,W) or (N,C); mean, variance, weight, bias (C).
// In: cnn.batchnorm, cnn.batch_stats, cnn.normalize, cnn.batchnorm_grad.  Out: errors with numbers; the adjoint of
// normalize.
#include "compiler/dialect/Checks.h"

using namespace mlir;
using namespace cnnc::cnn;

static LogicalResult checkNorm(Operation *op, Named input, ArrayRef<Named> perChannel) {
  SmallVector<Named> all{input};
  all.append(perChannel.begin(), perChannel.end());
  if (failed(checkFloats(op, all)) || failed(checkRank(op, input, {2, 4})))
    return failure();
  for (Named value : perChannel)
    if (failed(checkShape(op, value, {shapeOf(input.value)[1]})))
      return failure();
  return success();
}
static LogicalResult checkEps(Operation *op, const APFloat &eps) {
  if (eps.convertToDouble() >= 0)
    return success();
  return op->emitOpError() << "eps " << eps.convertToDouble() << " must not be negative";
}

LogicalResult BatchNormOp::verify() {
  if (failed(checkNorm(*this, {"input", getInput()},
                       {{"weight", getWeight()},
                        {"bias", getBias()},
                        {"running mean", getRunningMean()},
                        {"running variance", getRunningVar()}})) ||
      failed(checkEps(*this, getEps())))
    return failure();
  double momentum = getMomentum().convertToDouble();
  if (!(momentum >= 0 && momentum <= 1))
    return emitOpError() << "momentum " << momentum << " must be between 0 and 1";
  return checkShape(*this, {"output", getOutput()}, shapeOf(getInput()));
}
LogicalResult BatchStatsOp::verify() {
  return checkNorm(*this, {"input", getInput()}, {{"mean", getMean()}, {"variance", getVariance()}});
}
LogicalResult NormalizeOp::verify() {
  if (failed(checkNorm(
          *this, {"input", getInput()},
          {{"mean", getMean()}, {"variance", getVariance()}, {"weight", getWeight()}, {"bias", getBias()}})) ||
      failed(checkFloats(*this, {{"input", getInput()}, {"output", getOutput()}})) || failed(checkEps(*this, getEps())))
    return failure();
  return checkShape(*this, {"output", getOutput()}, shapeOf(getInput()));
}
LogicalResult BatchNormGradOp::verify() {
  Named inputGrad{"input gradient", getInputGrad()}, outputGrad{"output gradient", getOutputGrad()};
  if (failed(checkNorm(*this, {"input", getInput()},
                       {{"mean", getMean()},
                        {"variance", getVariance()},
                        {"weight", getWeight()},
                        {"weight gradient", getWeightGrad()},
                        {"bias gradient", getBiasGrad()}})) ||
      failed(checkFloats(*this, {{"input", getInput()}, inputGrad, outputGrad})) || failed(checkEps(*this, getEps())) ||
      failed(checkShape(*this, inputGrad, shapeOf(getInput()))))
    return failure();
  return checkShape(*this, outputGrad, shapeOf(getInput()));
}

// With xhat = (x - mean) / sqrt(variance + eps) and M = N*H*W, mean and variance being those of x itself (Ioffe and
// Szegedy 2015): dbias = sum dy, dweight = sum dy*xhat, dx = weight / sqrt(variance + eps) * (dy - dbias/M -
// xhat*dweight/M)
FailureOr<SmallVector<Value>> NormalizeOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  auto stats = getMean().getDefiningOp<BatchStatsOp>();
  if (!stats || stats.getInput() != getInput() || stats.getMean() != getMean() ||
      stats.getVariance() != getVariance()) {
    emitOpError() << "has no derivative where mean and variance are not the input's own (cnn.batch_stats)";
    return failure();
  }
  auto grad = BatchNormGradOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(),
                                      getWeight().getType(), getBias().getType(), outputGrads[0], getInput(), getMean(),
                                      getVariance(), getWeight(), getEpsAttr());
  return SmallVector<Value>{grad.getInputGrad(), Value(), Value(), grad.getWeightGrad(), grad.getBiasGrad()};
}
