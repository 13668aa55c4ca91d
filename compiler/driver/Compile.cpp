// The stages after the front end, before they are built in.
// In: a Network.  Out: status 3 and a message.
#include "compiler/driver/Compile.h"

namespace cnnc {

int compileNetwork(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics) {
  diagnostics.report(Diag::Environment, {}, {"this cnnc has no back end: --emit=" + options.emit + " is not built in"});
  return 3;
}

} // namespace cnnc
