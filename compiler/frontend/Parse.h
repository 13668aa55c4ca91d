// The parser's door.
// In: a source file.  Out: its syntax tree, or diagnostics. ANTLR is seen in Parse.cpp alone.
#pragma once

#include "compiler/frontend/Ast.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

// The limits of a source file, checked before they can hurt.
constexpr size_t maxSourceBytes = 1 << 20;
constexpr size_t maxTokens = 200000;
constexpr size_t maxBracketDepth = 256;
constexpr size_t maxIdentifier = 64;
constexpr size_t maxOperators = 500; ///< in one expression

/// nullopt if the file cannot be parsed; the reasons are in `diagnostics`. Where the mistakes are inside statements, these are left out,
/// the file is marked incomplete, and the rest of it can still be checked.
std::optional<ast::File> parse(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics);

/// One expression, for `-P name=value`.
ast::ExprPtr parseExpression(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics);

} // namespace cnnc
