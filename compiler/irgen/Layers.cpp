// The layers of a network as operations of the cnn dialect, one function a layer.
// In: a Network and the arguments of a function.  Out: the value of its last layer (Layers.h).
#include "compiler/irgen/Layers.h"

#include "compiler/irgen/Expression.h"

using namespace mlir;
using namespace cnnc;

Location cnnc::locationOf(MLIRContext *context, StringRef phase, StringRef layer, const Span &span) {
  Location place = UnknownLoc::get(context);
  if (span.file && span.line)
    place = FileLineColLoc::get(context, span.file->path, span.line, span.column);
  if (!layer.empty())
    place = NameLoc::get(StringAttr::get(context, layer), place);
  return NameLoc::get(StringAttr::get(context, phase), place);
}

Value LayerBuilder::buildAll() {
  SmallVector<Value> values;
  for (const Layer &layer : network.layers) {
    loc = locationOf(builder.getContext(), forwardPhase, layer.name, layer.span);
    SmallVector<Value> inputs;
    for (int i : layer.inputs)
      inputs.push_back(values[i]);
    Value value = std::visit([&](const auto &body) { return build(body, layer, inputs); }, layer.body);
    if (!value)
      return {};
    RankedTensorType expected = mapType(layer.output);
    if (cast<RankedTensorType>(value.getType()).getNumElements() != expected.getNumElements()) {
      emitError(loc) << layer.kind << " makes " << value.getType() << ", the network says " << expected;
      return {};
    }
    values.push_back(reshape(value, expected.getShape()));
  }
  return values.empty() ? Value() : values.back();
}

// ---- parts ----

RankedTensorType LayerBuilder::tensorType(ArrayRef<int64_t> shape) const { return RankedTensorType::get(shape, type); }

RankedTensorType LayerBuilder::mapType(const MapShape &shape) const {
  return shape.flat ? tensorType({batch, shape.channels})
                    : tensorType({batch, shape.channels, shape.height, shape.width});
}

Value LayerBuilder::splat(ArrayRef<int64_t> shape, double value) {
  auto elements = DenseElementsAttr::get(tensorType(shape), builder.getFloatAttr(type, value));
  return arith::ConstantOp::create(builder, loc, elements);
}

Value LayerBuilder::tensorOr(int index, ArrayRef<int64_t> shape, double value) {
  return index >= 0 ? tensors[index] : splat(shape, value);
}

Value LayerBuilder::reshape(Value x, ArrayRef<int64_t> shape) {
  ArrayRef<int64_t> from = cast<RankedTensorType>(x.getType()).getShape();
  if (from == shape)
    return x;
  if (from.size() == 4 && shape.size() == 2 && from[0] == shape[0])
    return cnn::FlattenOp::create(builder, loc, tensorType(shape), x);
  if (from.size() == 2 && shape.size() == 4 && from[0] == shape[0])
    return cnn::UnflattenOp::create(builder, loc, tensorType(shape), x);
  return cnn::ReshapeOp::create(builder, loc, tensorType(shape), x);
}

Value LayerBuilder::map(ValueRange inputs, Body body) {
  auto map =
      cnn::MapOp::create(builder, loc, inputs[0].getType(), inputs, [&](OpBuilder &inner, Location loc, ValueRange x) {
        cnn::Scalars s(inner, loc, type);
        return SmallVector<Value>{body(s, x)};
      });
  return map.getResult(0);
}

Value LayerBuilder::addBias(Value x, int bias) {
  return bias < 0 ? x : map({x, tensors[bias]}, [](cnn::Scalars &s, ValueRange x) { return s.add(x[0], x[1]); });
}

Value LayerBuilder::pool(Value x, const PoolLayer &layer, Size2 output) {
  constexpr int64_t cellsOfI8 = 128, cellsOfI16 = 32768; // as CnnOps.td says of cnn.maxpool
  auto [kernel, pad, extra] = std::tuple(layer.kernel, layer.pad, layer.ceilExtra);
  ArrayRef<int64_t> from = cast<RankedTensorType>(x.getType()).getShape();
  RankedTensorType to = tensorType({from[0], from[1], output.h, output.w});
  auto kernelAttr = builder.getDenseI64ArrayAttr({kernel.h, kernel.w});
  auto stridesAttr = builder.getDenseI64ArrayAttr({layer.stride.h, layer.stride.w});
  auto padsAttr = builder.getDenseI64ArrayAttr({pad.top, pad.left, pad.bottom + extra.h, pad.right + extra.w});
  if (!layer.max)
    return cnn::AvgPoolOp::create(builder, loc, to, x, kernelAttr, stridesAttr, padsAttr,
                                  builder.getDenseI64ArrayAttr({extra.h, extra.w}),
                                  builder.getBoolAttr(layer.countPad));
  int64_t cells = kernel.h * kernel.w;
  Type index = builder.getIntegerType(cells <= cellsOfI8 ? 8 : cells <= cellsOfI16 ? 16 : 32);
  return cnn::MaxPoolOp::create(builder, loc, to, to.clone(index), x, kernelAttr, stridesAttr, padsAttr).getOutput();
}

Value LayerBuilder::normalizeRuns(Value x, int64_t groups, double eps) {
  auto from = cast<RankedTensorType>(x.getType());
  Value runs = reshape(x, {1, groups, from.getNumElements() / groups, 1});
  RankedTensorType perRun = tensorType({groups});
  auto stats = cnn::BatchStatsOp::create(builder, loc, perRun, perRun, runs);
  Value y = cnn::NormalizeOp::create(builder, loc, runs.getType(), runs, stats.getMean(), stats.getVariance(),
                                     splat({groups}, 1), splat({groups}, 0), builder.getF64FloatAttr(eps));
  return reshape(y, from.getShape());
}

// A row of (N*H*W, C) is one position: its mean and variance are one value a row.
Value LayerBuilder::normalizePositions(Value x, double eps) {
  auto from = cast<RankedTensorType>(x.getType());
  int64_t C = from.getDimSize(1), M = from.getNumElements() / C;
  Value rows = from.getRank() == 4 ? Value(cnn::PositionsOp::create(builder, loc, tensorType({M, C}), x)) : x;
  auto sumOfRows = [&](Value v) { return cnn::SumToOp::create(builder, loc, tensorType({M, 1}), v); };
  Value sum = sumOfRows(rows);
  Value centered = map({rows, sum}, [&](cnn::Scalars &s, ValueRange x) { return s.sub(x[0], s.mul(x[1], s.number(1.0 / double(C)))); });
  Value squares = sumOfRows(map(centered, [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[0]); }));
  Value y = map({centered, squares}, [&](cnn::Scalars &s, ValueRange x) {
    Value variance = s.mul(x[1], s.number(1.0 / double(C)));
    return s.mul(x[0], s.call<math::RsqrtOp>(s.add(variance, s.number(eps))));
  });
  return from.getRank() == 4 ? Value(cnn::FromPositionsOp::create(builder, loc, from, y)) : y;
}

// ---- layers ----

Value LayerBuilder::build(const InputLayer &, const Layer &, ValueRange) { return input; }

Value LayerBuilder::build(const ConvLayer &conv, const Layer &layer, ValueRange x) {
  const Pads &pad = conv.pad;
  Value y = cnn::ConvOp::create(builder, loc, mapType(layer.output), x[0], tensors[conv.weight],
                                builder.getDenseI64ArrayAttr({conv.stride.h, conv.stride.w}),
                                builder.getDenseI64ArrayAttr({pad.top, pad.left, pad.bottom, pad.right}),
                                builder.getDenseI64ArrayAttr({conv.dilation.h, conv.dilation.w}),
                                builder.getI64IntegerAttr(conv.groups));
  return addBias(y, conv.bias);
}

Value LayerBuilder::build(const PoolLayer &body, const Layer &layer, ValueRange x) {
  return pool(x[0], body, {layer.output.height, layer.output.width});
}

Value LayerBuilder::build(const GlobalPoolLayer &layer, const Layer &, ValueRange x) {
  ArrayRef<int64_t> from = cast<RankedTensorType>(x[0].getType()).getShape();
  if (from.size() == 2) // one value a channel already
    return x[0];
  PoolLayer whole;
  whole.max = layer.max;
  whole.kernel = {from[2], from[3]};
  return pool(x[0], whole, {1, 1});
}

Value LayerBuilder::build(const BatchNormLayer &norm, const Layer &layer, ValueRange x) {
  int64_t channels = layer.output.channels;
  return cnn::BatchNormOp::create(builder, loc, x[0].getType(), x[0], tensorOr(norm.weight, {channels}, 1),
                                  tensorOr(norm.bias, {channels}, 0), tensors[norm.runningMean],
                                  tensors[norm.runningVar], builder.getF64FloatAttr(norm.momentum),
                                  builder.getF64FloatAttr(norm.eps));
}

// A run is one group of channels of one sample. Weight and bias: one value a channel.
Value LayerBuilder::build(const GroupNormLayer &norm, const Layer &layer, ValueRange x) {
  Value y = normalizeRuns(x[0], batch * norm.groups, norm.eps);
  if (norm.weight >= 0)
    y = map({y, tensors[norm.weight]}, [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
  return addBias(y, norm.bias);
}

// A run is one sample; weight and bias: one value an element of it. Or a position; weight and bias: one value a channel.
Value LayerBuilder::build(const LayerNormLayer &norm, const Layer &layer, ValueRange x) {
  if (norm.overChannels) {
    Value y = normalizePositions(x[0], norm.eps);
    if (norm.weight >= 0)
      y = map({y, tensors[norm.weight]}, [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
    return addBias(y, norm.bias);
  }
  auto from = cast<RankedTensorType>(x[0].getType());
  int64_t elements = from.getNumElements() / batch;
  Value y = reshape(normalizeRuns(x[0], batch, norm.eps), {batch, elements});
  if (norm.weight >= 0)
    y = map({y, reshape(tensors[norm.weight], {elements})},
            [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
  if (norm.bias >= 0)
    y = map({y, reshape(tensors[norm.bias], {elements})},
            [](cnn::Scalars &s, ValueRange x) { return s.add(x[0], x[1]); });
  return reshape(y, from.getShape());
}

// The mean over neighbouring channels is an average pooling over the channels as rows of a map; the padding counts.
Value LayerBuilder::build(const LrnLayer &lrn, const Layer &, ValueRange x) {
  auto from = cast<RankedTensorType>(x[0].getType());
  int64_t channels = from.getDimSize(1);
  Value squares = map(x[0], [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[0]); });
  Size2 side{channels, from.getNumElements() / (batch * channels)};
  PoolLayer neighbours;
  neighbours.max = false;
  neighbours.kernel = {lrn.size, 1};
  neighbours.pad = {lrn.size / 2, 0, (lrn.size - 1) / 2, 0};
  Value mean = reshape(pool(reshape(squares, {batch, 1, side.h, side.w}), neighbours, side), from.getShape());
  return map({x[0], mean}, [&](cnn::Scalars &s, ValueRange x) {
    Value base = s.add(s.number(lrn.k), s.mul(s.number(lrn.alpha), x[1]));
    return s.mul(x[0], s.call<math::PowFOp>(base, s.number(-lrn.beta)));
  });
}

Value LayerBuilder::build(const DenseLayer &dense, const Layer &layer, ValueRange x) {
  auto from = cast<RankedTensorType>(x[0].getType());
  Value flat = reshape(x[0], {batch, from.getNumElements() / batch});
  return addBias(cnn::DenseOp::create(builder, loc, tensorType({batch, dense.units}), flat, tensors[dense.weight]),
                 dense.bias);
}

Value LayerBuilder::build(const DropoutLayer &dropout, const Layer &, ValueRange x) {
  return cnn::DropoutOp::create(builder, loc, x[0].getType(), x[0], builder.getF64FloatAttr(dropout.p),
                                builder.getBoolAttr(dropout.spatial), builder.getI64IntegerAttr(dropouts++),
                                dropout.perSample ? builder.getUnitAttr() : UnitAttr());
}

Value LayerBuilder::build(const ActivationLayer &activation, const Layer &, ValueRange x) {
  bool ok = true;
  auto map = cnn::MapOp::create(builder, loc, x[0].getType(), x[0], [&](OpBuilder &inner, Location loc, ValueRange x) {
    Variables variables;
    variables["x"] = x[0];
    Value y = ExpressionBuilder(inner, loc, type, variables).buildNumber(*activation.program.body);
    ok = bool(y);
    return SmallVector<Value>{ok ? y : x[0]};
  });
  return ok ? map.getResult(0) : Value();
}

Value LayerBuilder::build(const LayerScaleLayer &scale, const Layer &, ValueRange x) {
  return map({x[0], tensors[scale.weight]}, [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
}

// x where x > 0, w*x elsewhere
Value LayerBuilder::build(const PreluLayer &prelu, const Layer &, ValueRange x) {
  return map({x[0], tensors[prelu.weight]}, [](cnn::Scalars &s, ValueRange x) {
    return s.select(s.compare(arith::CmpFPredicate::OGT, x[0], s.number(0)), x[0], s.mul(x[1], x[0]));
  });
}

Value LayerBuilder::build(const FlattenLayer &, const Layer &layer, ValueRange x) { return x[0]; }

Value LayerBuilder::build(const SoftmaxLayer &, const Layer &, ValueRange x) {
  auto from = cast<RankedTensorType>(x[0].getType());
  Value flat = reshape(x[0], {batch, from.getNumElements() / batch});
  return cnn::SoftmaxOp::create(builder, loc, flat.getType(), flat);
}

Value LayerBuilder::build(const AddLayer &, const Layer &, ValueRange x) {
  return map(x, [](cnn::Scalars &s, ValueRange x) {
    Value sum = x[0];
    for (Value term : x.drop_front())
      sum = s.add(sum, term);
    return sum;
  });
}

Value LayerBuilder::build(const ConcatLayer &, const Layer &layer, ValueRange x) {
  return cnn::ConcatOp::create(builder, loc, mapType(layer.output), x);
}

Value LayerBuilder::build(const GateLayer &, const Layer &, ValueRange x) {
  auto from = cast<RankedTensorType>(x[0].getType());
  Value factors = x[1];
  if (from.getRank() == 4)
    factors = reshape(factors, {batch, from.getDimSize(1), 1, 1});
  return map({x[0], factors}, [](cnn::Scalars &s, ValueRange x) { return s.mul(x[0], x[1]); });
}
