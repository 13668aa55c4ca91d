// Weights that a run begins with.
// In: safetensors files.  Out: tensors, sentences.
#include "runtime/train/Pretrained.h"
#include "runtime/Failure.h"
#include "runtime/params/Checkpoint.h"
#include <algorithm>
#include <set>

namespace rt {

std::string listed(const std::vector<std::string> &names) {
  constexpr size_t most = 6;
  std::string text;
  for (size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i ? ", " : "") + printable(names[i]);
  return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
}

static std::string sentence(const LoadRule &rule, const LoadReport &report) {
  const size_t all = report.loaded.size() + report.missing.size() + report.misshapen.size();
  std::string text = fmt::format("loaded {} of {} tensors{} from {}", report.loaded.size(), all, rule.scope.empty() ? "" : " of " + printable(rule.scope), printable(rule.file));
  if (!report.missing.empty())
    text += fmt::format("; {} not in the file: {}", report.missing.size(), listed(report.missing));
  if (!report.misshapen.empty())
    text += fmt::format("; {} of another shape: {}", report.misshapen.size(), listed(report.misshapen));
  if (!report.unused.empty())
    text += fmt::format("; {} of the file not used: {}", report.unused.size(), listed(report.unused));
  return text;
}

static LoadReport load(const LoadRule &rule, TensorStore &store) {
  const std::vector<bool> wanted = tensorsIn(store.infos(), rule.scope);
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end())
    fail(Exit::usage, "--only takes a layer, a block or the beginning of parameters' names, as `info --json` lists them; none begins with '{}'", printable(rule.scope));
  try {
    const LoadReport report = loadMatching(rule.file, store, rule.scope);
    if (report.loaded.empty())
      fail(Exit::badModel, "nothing fits: {}", sentence(rule, report));
    return report;
  } catch (const Failure &failure) {
    if (rule.at.empty())
      throw;
    fail(failure.status, "{}; {} asks for it. A relative path begins where the trainer is started; `train --load FILE` takes another file, `train --load none` none",
         failure.what(), printable(rule.at));
  }
}

std::vector<std::string> loadPretrained(const std::vector<LoadRule> &rules, TensorStore &store) {
  std::vector<std::string> sentences;
  std::set<std::string> loaded;
  for (const LoadRule &rule : rules) {
    const LoadReport report = load(rule, store);
    sentences.push_back(sentence(rule, report));
    loaded.insert(report.loaded.begin(), report.loaded.end());
  }
  std::vector<std::string> left;
  for (const TensorInfo &info : store.infos())
    if (info.kind != TensorKind::state && !loaded.count(info.name))
      left.push_back(info.name);
  if (!rules.empty() && !left.empty())
    sentences.push_back(fmt::format("{} tensor{} with initial values: {}", left.size(), left.size() == 1 ? " begins" : "s begin", listed(left)));
  return sentences;
}

} // namespace rt
