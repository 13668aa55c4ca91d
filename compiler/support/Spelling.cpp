// Edit distance and the words of other frameworks.
// In: what was written and what is known.  Out: the nearest known name.
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace cnnc {
namespace {

const std::map<std::string, std::string> otherFrameworks = {
    {"linear", "dense"},        {"fc", "dense"},           {"fully_connected", "dense"},   {"conv2d", "conv"},
    {"convolution", "conv"},    {"bn", "batchnorm"},       {"batchnorm2d", "batchnorm"},   {"batch_norm", "batchnorm"},
    {"maxpool2d", "maxpool"},   {"max_pool", "maxpool"},   {"avgpool2d", "avgpool"},       {"padding", "pad"},
    {"kernel_size", "kernel"},  {"out_channels", "filters"}, {"strides", "stride"},        {"swish", "silu"},
    {"gap", "global_avgpool"},  {"adaptive_avgpool", "global_avgpool"}, {"features", "units"}, {"out_features", "units"},
    {"learning_rate", "lr"},    {"batch_size", "batch"},   {"num_epochs", "epochs"},       {"lrelu", "leaky_relu"},
    {"xavier", "xavier_uniform"}, {"glorot_uniform", "xavier_uniform"}, {"kaiming_normal", "he_normal"},
    {"kaiming_uniform", "he_uniform"}, {"full", "wide"},   {"crossentropy", "cross_entropy"}, {"negative_slope", "slope"},
    {"sum", "add"},             {"cat", "concat"},         {"concatenate", "concat"},      {"batchsize", "batch"},
    {"conv1d", "conv"},         {"dilations", "dilation"}, {"group", "groups"},            {"in_channels", "channels"},
    {"use_bias", "bias"},       {"epsilon", "eps"},        {"rate", "p"},                  {"lr_scheduler", "schedule"},
    {"scheduler", "schedule"},  {"criterion", "loss"},     {"warm", "warmup"},             {"momentum_sgd", "sgd"},
    {"globalaveragepooling2d", "global_avgpool"},          {"averagepooling2d", "avgpool"}, {"maxpooling2d", "maxpool"},
    {"batchnormalization", "batchnorm"},                   {"depthwise_conv", "depthwise"}, {"depthwiseconv2d", "depthwise"},
    {"mnist", "idx"},           {"imagefolder", "folder"}, {"grad_clip", "clip"},          {"early_stopping", "stop"},
    {"model", "network"},       {"net", "network"},        {"func", "block"},              {"def", "block"},
    {"layer", "block"},         {"const", "param"},        {"var", "param"},               {"dataset", "data"}};

std::string lower(std::string text) {
  for (char &c : text)
    c = char(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Optimal string alignment distance.
size_t distance(const std::string &a, const std::string &b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

} // namespace

std::optional<std::string> nearest(const std::string &written, const std::vector<std::string> &known) {
  std::string word = lower(written);
  auto other = otherFrameworks.find(word);
  if (other != otherFrameworks.end() && std::find(known.begin(), known.end(), other->second) != known.end())
    return other->second;
  std::optional<std::string> best;
  size_t bestDistance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string &candidate : known) {
    if (candidate.size() > word.size() + bestDistance || word.size() > candidate.size() + bestDistance)
      continue;
    size_t d = distance(word, lower(candidate));
    if (d < bestDistance && d < std::max(word.size(), candidate.size())) {
      best = candidate;
      bestDistance = d;
    }
  }
  constexpr size_t leastPrefix = 3;
  for (const std::string &candidate : known) {
    size_t dot = candidate.rfind('.');
    bool member = dot != std::string::npos && lower(candidate.substr(dot + 1)) == word; // accuracy: val.accuracy
    if (!best && (member || (word.size() >= leastPrefix && lower(candidate).compare(0, word.size(), word) == 0)))
      best = candidate;
  }
  return best;
}

std::string didYouMean(const std::string &written, const std::vector<std::string> &known) {
  auto name = nearest(written, known);
  return name ? "did you mean `" + *name + "`?" : "";
}

} // namespace cnnc
