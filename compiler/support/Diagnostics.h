// Diagnostics: what the compiler has to say about a file. Each message is declared once, in Diagnostics.def.
// In: reports with spans, from any stage.  Out: text as rustc prints it, or JSON, sorted by position.
#pragma once

#include "compiler/support/Source.h"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace cnnc {

enum class Severity { Error, Warning };

enum class Diag {
#define DIAGNOSTIC(name, code, severity, text) name,
#include "compiler/support/Diagnostics.def"
#undef DIAGNOSTIC
};

struct DiagnosticInfo {
  const char *code;
  Severity severity;
  const char *text;
  const char *name; ///< as in Diag
};
const DiagnosticInfo &info(Diag id);

/// The name of a warning for -W: UnreadRows is "unread-rows".
std::string warningName(Diag id);
/// All of them.
std::vector<std::string> warningNames();
/// A matter of taste, for -Wall alone: the network is right as it stands.
bool onlyOnRequest(Diag id);

/// One report. The calls chain: `diags.report(...).label(span, "...").help("...")`.
class Diagnostic {
public:
  struct Label {
    Span span;
    std::string text;
    bool primary = true;
  };
  /// What a machine may do about it: put `text` in the place of `span`; a length of 0 inserts.
  struct Fix {
    Span span;
    std::string text;
  };
  struct Remark {
    enum class Kind { Formula, Note, Help } kind;
    std::string text;
    std::vector<Fix> fixes = {};  ///< of a help: applied together, they remove the mistake
    bool changesNetwork = false; ///< of a warning's fix: the network computes something else afterwards
  };

  Diag id;
  Severity severity;
  std::string message;
  Span at; ///< the position in the header line
  std::vector<Label> labels;
  std::vector<Remark> remarks;

  /// Underlines `span` with ^^^ and says `text` beside it. Without any label, `at` is underlined.
  Diagnostic &label(const Span &span, std::string text);
  /// The same with --- for a place that matters but is not at fault.
  Diagnostic &secondary(const Span &span, std::string text);
  Diagnostic &formula(std::string text);
  Diagnostic &note(std::string text);
  Diagnostic &help(std::string text);
  /// A help that a machine may carry out: `replacement` in the place of `span`. No help where `span` has no position.
  Diagnostic &fix(const Span &span, std::string replacement, std::string text);
  /// "did you mean `conv`?" with its fix, if a known name is near; false: none is.
  bool suggest(const Span &span, const std::string &written, const std::vector<std::string> &known);
};

struct RenderOptions {
  bool color = false;
};

class DiagnosticEngine {
public:
  /// What comes after a lexical or syntax error in the same line is swallowed. A second report of the same message at the same place (a block expanded twice) is swallowed; so is everything past
  /// `maxDiagnostics`. The returned reference may still be decorated.
  Diagnostic &report(Diag id, const Span &at, const std::vector<std::string> &arguments = {});

  size_t errors() const { return errorCount; }
  size_t warnings() const { return warningCount; }
  bool hasErrors() const { return errorCount != 0; }
  /// 0 nothing wrong, 1 the file, 2 the command line (E05), 3 the environment (E09).
  int exitCode() const;

  /// all, none, error, no-error, NAME, no-NAME, error=NAME, no-error=NAME, a NAME or its code; what is said of one warning goes before what
  /// is said of all. False: there is no such warning.
  bool setWarning(const std::string &option);

  /// All diagnostics in the order of their positions, and the count at the end; empty if there are none.
  std::string render(const RenderOptions &options) const;
  std::string renderJson() const;

  /// In the order of their positions.
  std::vector<const Diagnostic *> sorted() const;

  static constexpr size_t maxDiagnostics = 100;

private:
  bool silent(Diag id) const;
  bool raised(Diag id) const;

  std::deque<Diagnostic> diagnostics;
  std::deque<Diagnostic> swallowed;
  std::set<std::string> seen, unreadableLines;
  enum class Level { None, Usual, All } level = Level::Usual;
  bool warningsAreErrors = false;
  std::map<Diag, bool> wanted, fatal; ///< what -W says of one warning
  size_t errorCount = 0, warningCount = 0, beyondLimit = 0;
};

/// "1 error", "3 errors"
std::string plural(size_t n, const std::string &noun);

/// The long form of a code for --explain; empty: no such code.
std::string explain(const std::string &code);
/// All codes, in order.
std::vector<std::string> allCodes();

} // namespace cnnc
