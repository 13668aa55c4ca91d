// The elaboration: AST -> Network. Blocks are expanded, names given, shapes computed by the formula, tensors laid out.
// In: definitions and a network of the AST.  Out: a Network; every mistake is reported, and the walk goes on behind it.
#pragma once

#include "compiler/frontend/Arguments.h"
#include "compiler/frontend/Definitions.h"

namespace cnnc {

// Limits of a network, checked before they can hurt.
constexpr size_t maxLayers = 10000;
constexpr int64_t maxParameters = int64_t(1) << 36;
constexpr int64_t maxMapElements = int64_t(1) << 36;
constexpr size_t maxSteps = 1000000;    ///< statements walked, layers or not
constexpr size_t maxStepsAfterError = 20000;
constexpr size_t maxBlockDepth = 64;

class Elaboration {
public:
  Elaboration(const Definitions &definitions, const Environment &globals, Evaluator &evaluator, DiagnosticEngine &diagnostics)
      : definitions(definitions), globals(globals), evaluator(evaluator), diagnostics(diagnostics) {}

  Network run(const ast::Network &source);

private:
  /// Where names are counted: a network or one use of a block.
  struct Scope {
    std::string prefix; ///< "basic3."
    std::map<std::string, int> counts;
    std::set<std::string> taken;
  };

  // Elaborate.cpp: statements
  Current layers(const ast::Layers &steps, Current in, const Environment &outer, Scope &scope);
  Current step(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current repeat(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current forEach(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current choice(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current residual(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current branch(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current gate(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current join(const ast::Step &s, const std::string &kind, const std::vector<Current> &parts, Scope &scope);
  Current call(const ast::Step &s, Current in, Environment &environment, Scope &scope);
  Current useBlock(const ast::Step &s, const ast::Block &block, Current in, Environment &environment, Scope &scope);
  Current unknownLayer(const ast::Step &s, const std::string &name, Environment &environment, Current in, Scope &scope);
  Value evaluate(const ast::Expr &e, const Environment &environment, const Current &in);
  std::optional<bool> condition(const ast::ExprPtr &e, const Environment &environment, const Current &in);
  std::string nameFor(const ast::Step &s, const std::string &kind, Scope &scope);
  bool spendStep(const Span &span);

  // ElaborateLayers.cpp: one layer
  Current layer(const ast::Step &s, const std::string &kind, Current in, Environment &environment, Scope &scope);
  Current inputLayer(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  Current batchnorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  Current groupnorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  Current layernorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  Current lrn(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  Current dense(const ast::Step &s, CallArguments &a, Current in, Scope &scope);
  Current flatten(const ast::Step &s, const Current &in, Scope &scope, const std::string &name);
  Current softmax(const ast::Step &s, Current in, Scope &scope);
  std::string inserted(const std::string &kind, Scope &scope); ///< the name of a layer that stands in no source
  Current activation(const ast::Step &s, const ast::Program &program, const Current &in, Environment &environment, Scope &scope);
  // ElaborateWindows.cpp: layers that move a window over the map
  Current convolution(const ast::Step &s, const std::string &kind, CallArguments &a, const Current &in, Scope &scope);
  Current pool(const ast::Step &s, const std::string &kind, CallArguments &a, const Current &in, Scope &scope);
  Current adaptivePool(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope);
  struct Window;
  bool entersWindow(const ast::Step &s, const std::string &kind, CallArguments &a, const Window &window, const Current &in);
  bool isMap(const ast::Step &s, const std::string &kind, const Current &in);
  std::optional<Pads> pads(CallArguments &a, const Window &window, const MapShape &in);
  std::optional<MapShape> slide(const ast::Step &s, CallArguments &a, const Window &window, const Current &in, int64_t channels);
  void kernelTooLarge(const ast::Step &s, CallArguments &a, const Window &window, const Current &in, int64_t channels, bool vertical);
  void warnUnread(const ast::Step &s, CallArguments &a, const Window &window, const MapShape &in, const MapShape &out);
  std::string windowFormula(const Window &window, const MapShape &in, const MapShape &out);
  std::string originOf(const Current &map);
  std::string chainTo(const Current &map);

  Current push(const ast::Step &s, const std::string &name, const std::string &kind, LayerBody body, std::vector<int> inputs, MapShape output,
               int64_t macs = 0, std::string formula = "");
  int tensor(const ast::Step &s, const std::string &name, Tensor::Kind kind, std::vector<int64_t> shape, Init init, int64_t fanIn = 1, int64_t fanOut = 1);
  void finish(const ast::Network &source, Current last);
  static Current poisoned(Current in) {
    in.bad = true;
    return in;
  }

  const Definitions &definitions;
  const Environment &globals;
  Evaluator &evaluator;
  DiagnosticEngine &diagnostics;
  Network network;
  std::vector<const ast::Block *> openBlocks;
  Current statement;           ///< the map that enters the statement: what `in` means; a pipeline is one statement
  bool statementFixed = false; ///< inside a gate `in` is the map that the gate multiplies
  int64_t parameterCount = 0;
  size_t steps = 0;
  bool stopped = false; ///< a limit was hit: nothing more is elaborated
};

/// The parameters of a built-in layer, or null.
const std::vector<ParameterSpec> *layerParameters(const std::string &kind);
/// All names of built-in layers (activations, which come from the prelude, are not among them).
std::vector<std::string> layerKinds();

/// "64x5x5", or "128" for a flat vector
std::string shapeText(const MapShape &shape);

} // namespace cnnc
