// Finds the tiles of kernels by measuring, and remembers them.
// In: kernels that can be made with other tiles.  Out: a choice each, kept in a file a processor beside the stored objects.
#pragma once

#include "compiler/codegen/Codegen.h"
#include "compiler/pipeline/Pipeline.h"

#include "llvm/ADT/StringMap.h"

namespace cnnc {

/// A choice changes no result: a tuned program computes the same bits. What has been measured once is used by every later compilation.
class Tuner {
public:
  /// `folder`: of the store of objects; empty: nothing is remembered.
  Tuner(const Processor &processor, const PipelineOptions &pipeline, std::string folder);

  /// What is remembered; else, if `measures`, what turns out fastest on one thread of this machine; else by rule.
  TileChoice choose(const KernelTrial &trial, bool measures);
  /// Kernels that have been measured in this run, and how many got other tiles than the rule's.
  int measured = 0, changed = 0;

private:
  const Processor &processor;
  const PipelineOptions &pipeline;
  std::string path; ///< empty: off
  llvm::StringMap<TileChoice> known;

  void load();
  void save() const;
  /// An object with an array of the functions trial0, trial1, ..., which are hidden in theirs.
  llvm::Expected<std::string> tableOf(size_t trials) const;
  /// Seconds of each candidate.
  llvm::Expected<std::vector<double>> measure(const KernelTrial &trial, llvm::ArrayRef<TileChoice> candidates) const;
  llvm::Expected<TileChoice> search(const KernelTrial &trial) const;
};

} // namespace cnnc
