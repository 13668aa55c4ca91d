// The language server: `cnnc lsp`.
// In: JSON-RPC of the Language Server Protocol on standard input.  Out: the same on standard output; nothing else is written there.
#pragma once

namespace cnnc {

/// Runs until `exit` or the end of the input. 0 if `shutdown` came first, 1 otherwise, as the protocol says.
int serveEditor();

} // namespace cnnc
