// The data and train blocks: their entries become Data and Train.
// In: sections of the AST.  Out: Data, Train and the parameters that weight decay leaves alone; mistakes are reported entry by entry.
#pragma once

#include "compiler/frontend/Arguments.h"
#include "compiler/frontend/Definitions.h"

namespace cnnc {

/// The entries of a `data`, `train` or `tune` block (of tune: those that are no params).
const std::vector<std::string> &entryNames(const std::string &section);
/// The words with which the value of an entry may begin; empty: it takes other values.
std::vector<std::string> entryWords(const std::string &section, const std::string &entry, const Definitions &definitions);
/// What load and freeze may name: layers, uses of blocks, and what stands inside of them, as far as they have tensors; the tensors themselves.
std::vector<std::string> tensorScopes(const Network &network);
/// What may stand in the parentheses behind such a word.
std::vector<ParameterSpec> entryParameters(const std::string &word, const Definitions &definitions);
const std::vector<std::string> &metricNames();
const std::vector<std::string> &readerNames();
/// The number that a loss takes, and the least that it may be; an empty name: it takes none.
struct LossArgument {
  std::string name;
  double otherwise, least;
};
const LossArgument &lossArgument(const std::string &loss);
/// What augment knows: name, least and most number of arguments.
struct AugmentationSpec {
  const char *name;
  size_t least, most;
};
const std::vector<AugmentationSpec> &augmentations();

class Entries {
public:
  Entries(const Definitions &definitions, const Environment &globals, Evaluator &evaluator, DiagnosticEngine &diagnostics)
      : definitions(definitions), globals(globals), evaluator(evaluator), diagnostics(diagnostics) {}

  std::optional<Data> data(const Network &network);
  Train train(Network &network, const std::optional<Data> &data);
  void tune();

private:
  using Table = std::map<std::string, const ast::Entry *>;
  Table entriesOf(const ast::Section &section, const std::string &what, const std::vector<std::string> &known);
  Value valueOf(const ast::Entry &entry);
  int64_t integer(const Table &table, const std::string &name, int64_t otherwise, int64_t least, int64_t most);
  std::string string(const ast::Entry &entry);
  std::vector<double> numbers(const ast::Argument &argument, const std::string &name);
  void wrong(const ast::Expr &e, const std::string &name, const std::string &expected);
  std::string choose(const ast::Expr &e, const std::string &what, const std::vector<std::string> &known);

  // EntriesData.cpp
  std::optional<DataSource> source(const ast::Entry &entry);
  void validation(const ast::Entry &entry, Data &data);
  void normalize(const ast::Entry &entry, Data &data, const Network &network);
  void oneAChannel(const ast::Expr &e, const std::vector<double> &list, int64_t channels);
  void classes(const ast::Entry &entry, Data &data, const Network &network);
  void augment(const ast::Entry &entry, Data &data);
  // EntriesTrain.cpp
  bool arguments(const ast::Expr &e, const ast::Program &program, std::map<std::string, Value> &values);
  void optimizer(const ast::Entry *entry, Train &train);
  /// A linear rise over `epochs` before another schedule, which then begins at its own 0.
  struct WarmUp {
    ast::ExprPtr then;
    double epochs = 0, start = 0;
  };
  std::optional<WarmUp> warmup(const ast::Expr &e);
  std::optional<Plateau> plateau(const ast::Expr &e, const std::optional<Data> &data, ast::ExprPtr &then);
  void schedule(const ast::Entry *entry, Train &train, const std::optional<Data> &data);
  void loss(const ast::Entry &entry, Train &train);
  void classWeights(const ast::Expr &e, const Value &value, Train &train);
  void clip(const ast::Entry &entry, Train &train);
  void precision(const ast::Entry &entry, Train &train);
  void noDecay(const ast::Entry &entry, Network &network);
  std::string metric(const ast::Expr &e, const std::optional<Data> &data);
  void needValidation(const std::string &metric, const Span &at, const std::optional<Data> &data);
  void keep(const ast::Entry &entry, Train &train, const std::optional<Data> &data);
  void stop(const ast::Entry &entry, Train &train, const std::optional<Data> &data);
  // EntriesWeights.cpp
  bool namesTensors(const std::string &name, const Span &at, const Network &network);
  void loads(Train &train, const Network &network);
  void freeze(const ast::Entry &entry, Train &train, const Network &network);

  const Definitions &definitions;
  const Environment &globals;
  Evaluator &evaluator;
  DiagnosticEngine &diagnostics;
  int64_t classCount = 0; ///< of the network that is trained
  bool whole = true;      ///< the network's tensors are all known
};

} // namespace cnnc
