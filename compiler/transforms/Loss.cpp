// The losses, each the mean of a formula of x = logits[n,k] and t = [k == label of n], as PyTorch has them; of two labels the mixture of both losses.
// In: logits (N,K), targets, cnn.loss and its arguments.  Out: a scalar; adjoints come from the parts.
#include "compiler/transforms/Loss.h"

#include "compiler/dialect/Scalars.h"

using namespace mlir;
using namespace cnnc::cnn;
using arith::CmpFPredicate;

namespace cnnc {
namespace {

struct LossBuilder {
  OpBuilder &builder;
  Location loc;
  Value logits;
  LossTargets targets;
  RankedTensorType type = cast<RankedTensorType>(logits.getType());
  FloatType element = cast<FloatType>(type.getElementType());
  double N = double(type.getDimSize(0)), K = double(type.getDimSize(1));

  using Body = llvm::function_ref<Value(Scalars &, ValueRange)>;
  Value map(Type result, ValueRange inputs, Body body) {
    auto op = MapOp::create(builder, loc, result, inputs, [&](OpBuilder &builder, Location loc, ValueRange x) {
      Scalars s(builder, loc, element);
      return SmallVector<Value>{body(s, x)};
    });
    return op.getResult(0);
  }
  RankedTensorType scalar() { return RankedTensorType::get({}, element); }
  Value logSoftmax() { return LogSoftmaxOp::create(builder, loc, type, logits); }

  /// factor * sum over n,k of f(inputs(t)...); where samples are mixed, of mix f(inputs(t)...) + (1 - mix) f(inputs(t')...)
  Value total(double factor, llvm::function_ref<SmallVector<Value>(Value t)> inputs, Body f) {
    auto oneHot = [&](Value labels) -> Value { return OneHotOp::create(builder, loc, type, labels); };
    SmallVector<Value> all = inputs(oneHot(targets.labels));
    size_t count = all.size();
    if (targets.mix) {
      llvm::append_range(all, inputs(oneHot(targets.secondLabels)));
      all.push_back(targets.mix);
    }
    Value terms = map(type, all, [&](Scalars &s, ValueRange a) {
      Value term = f(s, a.take_front(count));
      if (targets.mix)
        term = s.add(s.mul(a.back(), term), s.mul(s.sub(s.number(1), a.back()), f(s, a.slice(count, count))));
      return factor == 1 ? term : s.mul(term, s.number(factor));
    });
    return SumToOp::create(builder, loc, scalar(), terms);
  }
  /// sum over n,k of f(x, t) / (N K)
  Value elementwise(llvm::function_ref<Value(Scalars &, Value x, Value t)> f) {
    return total(1 / (N * K), [&](Value t) { return SmallVector<Value>{logits, t}; }, [&](Scalars &s, ValueRange a) { return f(s, a[0], a[1]); });
  }

  Value crossEntropy(double smoothing) {
    if (!targets.mix)
      return CrossEntropyOp::create(builder, loc, scalar(), logits, targets.labels, builder.getF64FloatAttr(smoothing)).getLoss();
    Value logp = logSoftmax();
    return total(1 / N, [&](Value t) { return SmallVector<Value>{logp, t}; },
                 [&](Scalars &s, ValueRange a) { return s.neg(s.mul(smoothed(s, a[1], smoothing), a[0])); });
  }
  // T = (1-s) t + s/K
  Value smoothed(Scalars &s, Value t, double smoothing) { return s.add(s.mul(s.number(1 - smoothing), t), s.number(smoothing / K)); }
  // sum over n,k of -w[k] T log softmax(x)[k] / sum over n of w[label]
  Value weightedCrossEntropy(double smoothing, DenseF64ArrayAttr weights) {
    Value w = ClassWeightsOp::create(builder, loc, RankedTensorType::get({type.getDimSize(1)}, element), weights), logp = logSoftmax();
    Value sum = total(1, [&](Value t) { return SmallVector<Value>{logp, t, w}; }, [&](Scalars &s, ValueRange a) {
      return s.neg(s.mul(s.mul(a[2], smoothed(s, a[1], smoothing)), a[0]));
    });
    Value weight = total(1, [&](Value t) { return SmallVector<Value>{t, w}; }, [](Scalars &s, ValueRange a) { return s.mul(a[0], a[1]); });
    return map(scalar(), {sum, weight}, [](Scalars &s, ValueRange a) { return s.div(a[0], a[1]); });
  }
  Value mse() {
    return elementwise([](Scalars &s, Value x, Value t) {
      Value d = s.sub(x, t);
      return s.mul(d, d);
    });
  }
  Value mae() {
    return elementwise([](Scalars &s, Value x, Value t) { return s.call<math::AbsFOp>(s.sub(x, t)); });
  }
  // d^2/2 where |d| <= delta, delta (|d| - delta/2) beyond
  Value huber(double delta) {
    return elementwise([&](Scalars &s, Value x, Value t) {
      Value d = s.sub(x, t), size = s.call<math::AbsFOp>(d);
      return s.select(s.compare(CmpFPredicate::OLE, size, s.number(delta)), s.mul(s.number(0.5), s.mul(d, d)),
                      s.mul(s.number(delta), s.sub(size, s.number(delta / 2))));
    });
  }
  // log(1 + e^x) - t x, where each side of 0 has the exponential that cannot overflow, and at 0 the derivative 1/2 - t
  Value bce() {
    return elementwise([](Scalars &s, Value x, Value t) {
      Value above = s.add(x, s.call<math::Log1pOp>(s.call<math::ExpOp>(s.neg(x))));
      Value below = s.call<math::Log1pOp>(s.call<math::ExpOp>(x));
      return s.sub(s.select(s.compare(CmpFPredicate::OGT, x, s.number(0)), above, below), s.mul(t, x));
    });
  }
  // Lin, Goyal, Girshick, He, Dollar 2017, equation 4, of softmax: -(1-p)^gamma log p, p = softmax(x)[label]
  Value focal(double gamma) {
    Value logp = logSoftmax();
    return total(-1 / N, [&](Value t) { return SmallVector<Value>{logp, t}; }, [&](Scalars &s, ValueRange a) {
      Value rest = s.neg(s.call<math::ExpM1Op>(a[0])); // 1 - p
      bool whole = gamma == double(int64_t(gamma));
      Value factor = whole ? s.power(rest, int64_t(gamma)) : s.call<math::PowFOp>(rest, s.number(gamma));
      return s.mul(s.mul(a[1], factor), a[0]);
    });
  }
  // Crammer, Singer 2001: sum over k != label of max(0, margin - x[label] + x[k]) / K, PyTorch's MultiMarginLoss
  Value hinge(double margin) {
    auto row = RankedTensorType::get({type.getDimSize(0), 1}, element);
    auto inputs = [&](Value t) {
      Value picked = map(type, {logits, t}, [](Scalars &s, ValueRange a) { return s.mul(a[0], a[1]); });
      return SmallVector<Value>{logits, t, SumToOp::create(builder, loc, row, picked)};
    };
    return total(1 / (N * K), inputs, [&](Scalars &s, ValueRange a) {
      Value excess = s.call<arith::MaximumFOp>(s.add(s.number(margin), s.sub(a[0], a[2])), s.number(0));
      return s.mul(s.sub(s.number(1), a[1]), excess);
    });
  }
};

double argumentOf(ModuleOp module, StringRef name, double otherwise) {
  auto list = module->getAttrOfType<DictionaryAttr>("cnn.loss_args");
  auto value = list ? list.getAs<FloatAttr>(name) : FloatAttr();
  return value ? value.getValueAsDouble() : otherwise;
}

} // namespace

Value buildLoss(ModuleOp module, OpBuilder &builder, Location loc, Value logits, const LossTargets &targets) {
  auto kind = module->getAttrOfType<StringAttr>("cnn.loss");
  auto smoothing = module->getAttrOfType<FloatAttr>("cnn.smoothing");
  auto weights = module->getAttrOfType<DenseF64ArrayAttr>("cnn.class_weights");
  double spread = smoothing ? smoothing.getValueAsDouble() : 0;
  LossBuilder loss{builder, loc, logits, targets};
  StringRef name = kind ? kind.getValue() : "cross_entropy";
  if (name == "cross_entropy")
    return weights ? loss.weightedCrossEntropy(spread, weights) : loss.crossEntropy(spread);
  if (name == "mse")
    return loss.mse();
  if (name == "mae")
    return loss.mae();
  if (name == "huber")
    return loss.huber(argumentOf(module, "delta", 1));
  if (name == "bce")
    return loss.bce();
  if (name == "focal")
    return loss.focal(argumentOf(module, "gamma", 2));
  if (name == "hinge")
    return loss.hinge(argumentOf(module, "margin", 1));
  module.emitError() << "cnn.loss names no loss: " << name;
  return {};
}

} // namespace cnnc
