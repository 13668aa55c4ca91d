// Any text is answered by the checks, and what they accept becomes a cnn module that verifies, without a word from MLIR.
// In: bytes.  Out: nothing; a crash, a hang, a refusal after the checks or a message of MLIR's is the finding.
#include "compiler/frontend/Frontend.h"
#include "compiler/irgen/Generate.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <cstdlib>

using namespace cnnc;

extern "C" int LLVMFuzzerInitialize(int *, char ***) { return 0; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr size_t limit = 64 << 10;
  if (size > limit)
    return -1;
  auto source = std::make_shared<SourceFile>();
  source->path = "fuzz.cnn";
  source->text = std::string(reinterpret_cast<const char *>(data), size);
  DiagnosticEngine diagnostics;
  FrontendOptions options;
  options.allNetworks = true;
  std::vector<Network> networks = check(source, options, diagnostics);
  diagnostics.render({true});
  diagnostics.renderJson();
  if (networks.empty())
    return 0;
  // A context remembers every type and attribute: a new one now and then keeps the memory to the input's own.
  static std::unique_ptr<mlir::MLIRContext> context;
  static int uses = 0;
  constexpr int usesOfContext = 256;
  if (!context || ++uses % usesOfContext == 0)
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  bool spoken = false;
  mlir::ScopedDiagnosticHandler listener(context.get(), [&](mlir::Diagnostic &d) {
    fprintf(stderr, "%s\n", d.str().c_str());
    spoken = true;
    return mlir::success();
  });
  for (const Network &network : networks) {
    auto module = generate(network, *context);
    if (!module || failed(mlir::verify(*module)) || spoken)
      std::abort();
  }
  return 0;
}
