// The passes on the cnn dialect. Each has a file, a class, a flag and a test of one name.
#ifndef CNNC_TRANSFORMS_PASSES
#define CNNC_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

class Cnn_Pass<string name> : Pass<name, "::mlir::ModuleOp"> {
  let dependentDialects = ["::cnnc::cnn::CnnDialect"];
}

def Autodiff : Cnn_Pass<"cnn-autodiff"> {
  let summary = "@forward becomes @train_step: loss, logits, gradients and running statistics";
  let description = [{
    Chooses the training mode of batch normalisation and dropout, appends the loss, walks the operations backwards and asks each for its
    adjoint (Differentiable). Gradients of a value with several users are added. An operation without an adjoint is an error at its line.
  }];
}
def Optimizer : Cnn_Pass<"cnn-optimizer"> {
  let summary = "@train_step also clips the gradients and returns the new parameters and optimiser states";
  let description = [{ One cnn.map a parameter, with the body of @optimizer or @optimizer_no_decay, which then go. }];
}
def Inference : Cnn_Pass<"cnn-inference"> {
  let summary = "@predict and @predict_one in evaluation mode: running statistics, no dropout, logits";
  let description = [{ With fold, a normalisation behind a convolution or dense layer is left to whoever fills the tensors: the arguments of the
    filter and of the normalisation's bias are then those of the folded layer. The module's cnn.folded lists {filter, bias, scale, shift, mean,
    variance, eps}, names and a number: filter * f and shift + (bias - mean) * f with f = scale / sqrt(variance + eps) are what must be given. }];
  let options = [Option<"foldNormalization", "fold", "bool", /*default=*/"false", "fold batch normalisation into the layer before it">];
}
def Layout : Cnn_Pass<"cnn-layout"> {
  let summary = "Chooses how each tensor lies in memory: maps #cnn.nhwc, filters #cnn.filter<block>";
  let description = [{ Types alone change. Arguments that are filters get the attribute `cnn.block` for the checkpoint's description. }];
}

#endif
