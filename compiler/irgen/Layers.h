// The layers of a network as operations of the cnn dialect.
// In: a Network and the arguments of a function.  Out: the value of its last layer.
#pragma once

#include "compiler/dialect/Scalars.h"
#include "compiler/frontend/Network.h"

namespace cnnc {

/// loc(phase(layer(file:line:column)))
mlir::Location locationOf(mlir::MLIRContext *context, llvm::StringRef phase, llvm::StringRef layer, const Span &span);

/// Builds the layers one by one, each from the values of its inputs.
class LayerBuilder {
public:
  /// `tensors`: one value for each of Network::tensors.
  LayerBuilder(mlir::OpBuilder &builder, const Network &network, mlir::FloatType type, int64_t batch, mlir::Value input,
               llvm::ArrayRef<mlir::Value> tensors)
      : builder(builder), network(network), type(type), batch(batch), input(input), tensors(tensors),
        loc(builder.getUnknownLoc()) {}

  /// The value of the last layer; null after an error.
  mlir::Value buildAll();

private:
  using Body = llvm::function_ref<mlir::Value(cnn::Scalars &, mlir::ValueRange)>;

  mlir::Value build(const InputLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const ConvLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const PoolLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const GlobalPoolLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const BatchNormLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const GroupNormLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const LayerNormLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const LrnLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const DenseLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const DropoutLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const ActivationLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const LayerScaleLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const PreluLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const FlattenLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const SoftmaxLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const AddLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const ConcatLayer &, const Layer &, mlir::ValueRange x);
  mlir::Value build(const GateLayer &, const Layer &, mlir::ValueRange x);

  mlir::RankedTensorType tensorType(llvm::ArrayRef<int64_t> shape) const;
  mlir::RankedTensorType mapType(const MapShape &shape) const;
  mlir::Value splat(llvm::ArrayRef<int64_t> shape, double value);
  /// The tensor number `index`, or a splat where there is none.
  mlir::Value tensorOr(int index, llvm::ArrayRef<int64_t> shape, double value);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  /// One scalar program on all elements; the result has the shape of inputs[0].
  mlir::Value map(mlir::ValueRange inputs, Body body);
  mlir::Value addBias(mlir::Value x, int bias);
  mlir::Value pool(mlir::Value x, const PoolLayer &layer, Size2 output);
  /// (x - mean) / sqrt(variance + eps) over the channels of each position of a map.
  mlir::Value normalizePositions(mlir::Value x, double eps);
  /// (x - mean) / sqrt(variance + eps) over each of `groups` runs of equal length.
  mlir::Value normalizeRuns(mlir::Value x, int64_t groups, double eps);

  mlir::OpBuilder &builder;
  const Network &network;
  mlir::FloatType type;
  int64_t batch;
  mlir::Value input;
  llvm::ArrayRef<mlir::Value> tensors;
  mlir::Location loc; ///< of the layer that is being built
  int64_t dropouts = 0;
};

} // namespace cnnc
