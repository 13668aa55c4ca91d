// The cnn dialect: operations of convolutional networks on tensors, feature maps as (N,C,H,W), filters as (O,I/G,KH,KW).
// Letters: N batch, C channels in, O channels out, H W sides, K kernel, S stride, P pad, D dilation, G groups.
#ifndef CNNC_DIALECT_CNN_OPS
#define CNNC_DIALECT_CNN_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "compiler/dialect/Differentiable.td"

def Cnn_Dialect : Dialect {
  let name = "cnn";
  let cppNamespace = "::cnnc::cnn";
  let summary = "Convolutional networks, their derivatives and updates";
  let description = [{
    Values are tensors of static shape. A feature map is `tensor<NxCxHxWxT>` whatever its order in memory: the order is the tensor's
    encoding (`#cnn.nhwc`), set by the pass `cnn-layout` and read by the conversion to linalg alone.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::func::FuncDialect"];
}

class Cnn_Attr<string name, string mnem, list<Trait> traits = []> : AttrDef<Cnn_Dialect, name, traits> {
  let mnemonic = mnem;
}

// ---- encodings: how a tensor lies in memory ----

def Cnn_NhwcAttr : Cnn_Attr<"Nhwc", "nhwc"> {
  let summary = "A rank-4 feature map (N,C,H,W) stored as N,H,W,C";
}

def Cnn_FilterLayoutAttr : Cnn_Attr<"FilterLayout", "filter"> {
  let summary = "A rank-4 filter (O,I,KH,KW) stored as [O/block][KH][KW][I][block]; block divides O";
  let parameters = (ins "int64_t":$block);
  let assemblyFormat = "`<` $block `>`";
}

class Cnn_Op<string mnemonic, list<Trait> traits = []> : Op<Cnn_Dialect, mnemonic, traits>;

/// Layers that the autodiff pass walks over: they build their adjoint (Differentiable.td).
class Cnn_Layer<string mnemonic, list<Trait> traits = []>
    : Cnn_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<Differentiable>], traits)> {
  let hasVerifier = 1;
}
/// Operations that nothing is differentiated through: adjoints, updates, and layers whose mode is not chosen yet.
class Cnn_Adjoint<string mnemonic, list<Trait> traits = []> : Cnn_Op<mnemonic, !listconcat([Pure], traits)> {
  let hasVerifier = 1;
}

defvar WindowArgs = (ins DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads);
defvar ConvArgs = (ins DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups);

// ---- convolution ----

def Cnn_ConvOp : Cnn_Layer<"conv"> {
  let summary = "y[n,o,i,j] = sum over c,k,l of x[n,c,i*S+k*D-P,j*S+l*D-P] * w[o,c,k,l]";
  let arguments = !con((ins AnyRankedTensor:$input, AnyRankedTensor:$filter), ConvArgs);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = [{ $input `,` $filter `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups attr-dict `:`
                          functional-type(operands, results) }];
}
def Cnn_ConvInputGradOp : Cnn_Adjoint<"conv_input_grad"> {
  let summary = "dx of cnn.conv, from w and dy";
  let arguments = !con((ins AnyRankedTensor:$filter, AnyRankedTensor:$outputGrad), ConvArgs);
  let results = (outs AnyRankedTensor:$inputGrad);
  let assemblyFormat = [{ $filter `,` $outputGrad `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups attr-dict `:`
                          functional-type(operands, results) }];
}
def Cnn_ConvFilterGradOp : Cnn_Adjoint<"conv_filter_grad"> {
  let summary = "dw of cnn.conv, from x and dy";
  let arguments = !con((ins AnyRankedTensor:$input, AnyRankedTensor:$outputGrad), ConvArgs);
  let results = (outs AnyRankedTensor:$filterGrad);
  let assemblyFormat = [{ $input `,` $outputGrad `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups attr-dict `:`
                          functional-type(operands, results) }];
}

// ---- dense ----

def Cnn_DenseOp : Cnn_Layer<"dense"> {
  let summary = "y = x w^T: (N,I) x (O,I) -> (N,O)";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
}
def Cnn_DenseInputGradOp : Cnn_Adjoint<"dense_input_grad"> {
  let summary = "dx = dy w: (O,I), (N,O) -> (N,I)";
  let arguments = (ins AnyRankedTensor:$weight, AnyRankedTensor:$outputGrad);
  let results = (outs AnyRankedTensor:$inputGrad);
  let assemblyFormat = "$weight `,` $outputGrad attr-dict `:` functional-type(operands, results)";
}
def Cnn_DenseFilterGradOp : Cnn_Adjoint<"dense_filter_grad"> {
  let summary = "dw = dy^T x: (N,I), (N,O) -> (O,I)";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$outputGrad);
  let results = (outs AnyRankedTensor:$filterGrad);
  let assemblyFormat = "$input `,` $outputGrad attr-dict `:` functional-type(operands, results)";
}

// ---- pooling; pads = top, left, bottom, right, ceil's extra rows and columns included ----

def Cnn_MaxPoolOp : Cnn_Layer<"maxpool"> {
  let summary = "The largest value of each window, and where in the window (k*KW + l, the first one of equals) it stands";
  let arguments = !con((ins AnyRankedTensor:$input), WindowArgs);
  let results = (outs AnyRankedTensor:$output, AnyRankedTensor:$indices);
  let description = [{ `indices` has the output's shape and element type i8 if the window has at most 128 cells, else i16, else i32.
    Cells of the padding never win. }];
  let assemblyFormat = [{ $input `kernel` $kernel `strides` $strides `pads` $pads attr-dict `:` functional-type(operands, results) }];
}
def Cnn_MaxPoolGradOp : Cnn_Adjoint<"maxpool_grad"> {
  let summary = "dx of cnn.maxpool, from dy and the indices";
  let arguments = !con((ins AnyRankedTensor:$outputGrad, AnyRankedTensor:$indices), WindowArgs);
  let results = (outs AnyRankedTensor:$inputGrad);
  let assemblyFormat = [{ $outputGrad `,` $indices `kernel` $kernel `strides` $strides `pads` $pads attr-dict `:` functional-type(operands, results) }];
}
def Cnn_AvgPoolOp : Cnn_Layer<"avgpool"> {
  let summary = "The mean of each window";
  let description = [{ `count_pad`: cells of the declared padding count as zeros. `uncounted` = rows, columns at the bottom and right of
    `pads` that never count (what ceil=true adds). }];
  let arguments = !con((ins AnyRankedTensor:$input), WindowArgs, (ins DenseI64ArrayAttr:$uncounted, BoolAttr:$count_pad));
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = [{ $input `kernel` $kernel `strides` $strides `pads` $pads `uncounted` $uncounted `count_pad` $count_pad attr-dict `:`
                          functional-type(operands, results) }];
}
def Cnn_AvgPoolGradOp : Cnn_Adjoint<"avgpool_grad"> {
  let summary = "dx of cnn.avgpool, from dy";
  let arguments = !con((ins AnyRankedTensor:$outputGrad), WindowArgs, (ins DenseI64ArrayAttr:$uncounted, BoolAttr:$count_pad));
  let results = (outs AnyRankedTensor:$inputGrad);
  let assemblyFormat = [{ $outputGrad `kernel` $kernel `strides` $strides `pads` $pads `uncounted` $uncounted `count_pad` $count_pad attr-dict `:`
                          functional-type(operands, results) }];
}

// ---- normalisation ----

def Cnn_BatchNormOp : Cnn_Adjoint<"batchnorm"> {
  let summary = "Batch normalisation whose mode (train or eval) is not chosen yet";
  let description = [{ x: (N,C,H,W) or (N,C); the four others: (C). Autodiff turns it into batch_stats and normalize, inference into normalize.
    In training running = (1-momentum)*running + momentum*batch, with the unbiased variance, as PyTorch has it. }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight, AnyRankedTensor:$bias, AnyRankedTensor:$runningMean,
                   AnyRankedTensor:$runningVar, F64Attr:$momentum, F64Attr:$eps);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = [{ $input `,` $weight `,` $bias `,` $runningMean `,` $runningVar `momentum` $momentum `eps` $eps attr-dict `:`
                          functional-type(operands, results) }];
}
def Cnn_BatchStatsOp : Cnn_Adjoint<"batch_stats"> {
  let summary = "mean and biased variance over all but dimension 1: (N,C,H,W) or (N,C) -> (C), (C)";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$mean, AnyRankedTensor:$variance);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Cnn_NormalizeOp : Cnn_Layer<"normalize"> {
  let summary = "y = (x - mean) / sqrt(variance + eps) * weight + bias, per channel";
  let description = [{ Its adjoint is known where mean and variance are those that cnn.batch_stats gives of the same x: cnn.batchnorm_grad,
    which holds the derivative through the statistics too; hence batch_stats itself has none. }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$mean, AnyRankedTensor:$variance, AnyRankedTensor:$weight,
                   AnyRankedTensor:$bias, F64Attr:$eps);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = [{ $input `,` $mean `,` $variance `,` $weight `,` $bias `eps` $eps attr-dict `:` functional-type(operands, results) }];
}
def Cnn_BatchNormGradOp : Cnn_Adjoint<"batchnorm_grad"> {
  let summary = "dx, dweight, dbias of normalisation by the batch's own mean and variance";
  let arguments = (ins AnyRankedTensor:$outputGrad, AnyRankedTensor:$input, AnyRankedTensor:$mean, AnyRankedTensor:$variance,
                   AnyRankedTensor:$weight, F64Attr:$eps);
  let results = (outs AnyRankedTensor:$inputGrad, AnyRankedTensor:$weightGrad, AnyRankedTensor:$biasGrad);
  let assemblyFormat = [{ $outputGrad `,` $input `,` $mean `,` $variance `,` $weight `eps` $eps attr-dict `:` functional-type(operands, results) }];
}

// ---- elementwise ----

def Cnn_MapOp : Cnn_Layer<"map", [SingleBlock, IsolatedFromAbove]> {
  let summary = "Applies a scalar program of arith and math to every element";
  let description = [{
    All results have one shape. An operand has that shape, or is broadcast: a scalar `tensor<T>`; one value a channel, `tensor<CxT>`
    (dimension 1 of the result; also of a result of rank 2); one value a sample and channel, `tensor<NxCx1x1xT>`; or one value a row of a
    result of rank 2, `tensor<Nx1xT>`.
    `tensor<1xT>` is a scalar too. Where the result has another rank than 2 or 4, operands have the result's shape or are scalars.
    No operand need have the result's shape. The region holds its constants itself and sees nothing from above. The region's arguments are the operands' elements; cnn.yield gives the results' elements. Its derivative is symbolic.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$outputs, "::mlir::ValueRange":$inputs,
      "::llvm::function_ref<::llvm::SmallVector<::mlir::Value>(::mlir::OpBuilder &, ::mlir::Location, ::mlir::ValueRange)>":$body)>];
  let assemblyFormat = [{ `(` $inputs `)` attr-dict `:` functional-type(operands, results) $body }];
  let hasCanonicalizer = 1;
}
def Cnn_YieldOp : Cnn_Op<"yield", [Pure, Terminator, ParentOneOf<["MapOp"]>]> {
  let summary = "The results' elements of a cnn.map";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}
def Cnn_SumToOp : Cnn_Layer<"sum_to"> {
  let summary = "Sums to a broadcastable shape of cnn.map: (N,C,H,W) or (N,C) -> (C) or (N,C,1,1); (N,C) -> (N,1); any shape -> () or (1)";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_DropoutOp : Cnn_Adjoint<"dropout"> {
  let summary = "Dropout whose mode is not chosen yet; stream tells the dropout layers of a network apart; per_sample: whole samples (drop path)";
  let arguments = (ins AnyRankedTensor:$input, F64Attr:$p, BoolAttr:$spatial, I64Attr:$stream, UnitAttr:$per_sample);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input `p` $p `spatial` $spatial `stream` $stream attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_DropoutTrainOp : Cnn_Layer<"dropout_train"> {
  let summary = "y = x * keep / (1-p), keep drawn by Philox4x32-10 from (seed; element, stream, step): its own adjoint";
  let description = [{ rng: tensor<4xi32>, seed low, seed high, step low, step high. The element's number counts in the order N,C,H,W
    (N,C for spatial dropout, N where per_sample), whatever the layout. }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$rng, F64Attr:$p, BoolAttr:$spatial, I64Attr:$stream, UnitAttr:$per_sample);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input `,` $rng `p` $p `spatial` $spatial `stream` $stream attr-dict `:` functional-type(operands, results)";
}

// ---- shape ----

def Cnn_FlattenOp : Cnn_Layer<"flatten"> {
  let summary = "(N,C,H,W) -> (N,C*H*W), channels slowest, as PyTorch";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_UnflattenOp : Cnn_Layer<"unflatten"> {
  let summary = "(N,C*H*W) -> (N,C,H,W), the adjoint of flatten";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_ReshapeOp : Cnn_Layer<"reshape"> {
  let summary = "The same elements, in the order of rows (for feature maps N,C,H,W), in another shape: its own adjoint";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_PositionsOp : Cnn_Layer<"positions"> {
  let summary = "(N,C,H,W) -> (N*H*W,C), a row a position; free where channels lie last in memory";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_FromPositionsOp : Cnn_Layer<"from_positions"> {
  let summary = "(N*H*W,C) -> (N,C,H,W), the adjoint of positions";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_ConcatOp : Cnn_Layer<"concat"> {
  let summary = "Joins along dimension 1";
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}
def Cnn_SliceChannelsOp : Cnn_Adjoint<"slice_channels"> {
  let summary = "Channels offset .. offset + channels of the result, the adjoint of concat";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$offset);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input `offset` $offset attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

// ---- loss ----

def Cnn_SoftmaxOp : Cnn_Adjoint<"softmax"> {
  let summary = "The mark of the output layer: the network's logits are its operand; train and infer both give the logits";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Cnn_CrossEntropyOp : Cnn_Layer<"cross_entropy"> {
  let summary = "mean over n of -sum over k of t[n,k] log softmax(x[n])[k], t = (1-s) onehot(y[n]) + s/K; logits (N,K), labels (N) i32 -> scalar";
  let arguments = (ins AnyRankedTensor:$logits, AnyRankedTensor:$labels, F64Attr:$smoothing);
  let results = (outs AnyRankedTensor:$loss);
  let assemblyFormat = "$logits `,` $labels `smoothing` $smoothing attr-dict `:` functional-type(operands, results)";
}
def Cnn_CrossEntropyGradOp : Cnn_Adjoint<"cross_entropy_grad"> {
  let summary = "dlogits = (softmax(x) - t) / N, for a loss whose own adjoint is 1";
  let arguments = (ins AnyRankedTensor:$logits, AnyRankedTensor:$labels, F64Attr:$smoothing);
  let results = (outs AnyRankedTensor:$logitsGrad);
  let assemblyFormat = "$logits `,` $labels `smoothing` $smoothing attr-dict `:` functional-type(operands, results)";
}

// The other losses are composed of these, cnn.map and cnn.sum_to (transforms/Loss.cpp).
def Cnn_OneHotOp : Cnn_Adjoint<"one_hot"> {
  let summary = "t[n,k] = 1 where k is the label of n, else 0; labels (N) i32 -> (N,K)";
  let arguments = (ins AnyRankedTensor:$labels);
  let results = (outs AnyRankedTensor:$target);
  let assemblyFormat = "$labels attr-dict `:` functional-type(operands, results)";
}
def Cnn_LogSoftmaxOp : Cnn_Layer<"log_softmax"> {
  let summary = "y[n,k] = x[n,k] - max - log sum over j of exp(x[n,j] - max), max over j of x[n,j]; (N,K) -> (N,K)";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}
def Cnn_ClassWeightsOp : Cnn_Adjoint<"class_weights"> {
  let summary = "One constant a class -> (K)";
  let arguments = (ins DenseF64ArrayAttr:$weights);
  let results = (outs AnyRankedTensor:$output);
  let assemblyFormat = "$weights attr-dict `:` functional-type(operands, results)";
}

#endif
