// report: a checkpoint and its training as one page that needs nothing else.
// In: a checkpoint, history.jsonl beside it, the data.  Out: report.html with curves, confusions, calibration, worst mistakes, filters.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/cli/ReportMaps.h"
#include "runtime/device/Element.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/report/Picture.h"
#include "runtime/report/Svg.h"
#include "runtime/train/Evaluate.h"
#include "runtime/train/History.h"
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace rt {

namespace {
constexpr size_t mistakesShown = 24;
constexpr int64_t filtersShown = 64, widestMatrix = 40;

struct Mistake {
  int64_t sample;
  int32_t label, predicted;
  double probability; ///< of the wrong class
};
struct Seen {
  Tally tally;
  std::vector<Mistake> worst; ///< the surest first
};
} // namespace

static Seen look(Program &program, BatchLoader &loader, const Dataset &set) {
  const Description &d = program.description;
  Seen seen{Tally(d.classes, d.train.loss), {}};
  const int64_t K = d.classes;
  std::vector<double> p(size_t(program.model.infer.batch * K));
  auto surer = [](const Mistake &a, const Mistake &b) { return a.probability > b.probability; };
  inferAll(program, loader, set, 0, [&](int64_t first, int64_t n, const void *logits) {
    seen.tally.add(logits, program.elementKind(), program.labels(), n);
    convertElements(logits, program.elementKind(), p.data(), CNN_F64, n * K);
    for (int64_t i = 0; i < n; ++i) {
      double *row = &p[size_t(i * K)];
      softmax(row, K);
      const int32_t predicted = int32_t(std::max_element(row, row + K) - row);
      if (predicted != program.labels()[i])
        seen.worst.push_back({first + i, program.labels()[i], predicted, row[predicted]});
    }
    std::stable_sort(seen.worst.begin(), seen.worst.end(), surer);
    seen.worst.resize(std::min(seen.worst.size(), mistakesShown));
  });
  return seen;
}

static std::string curves(const std::string &path) {
  auto history = readHistory(path);
  if (history.empty())
    return "<p>No history.jsonl stands beside the checkpoint.</p>";
  const std::vector<double> &epoch = history["epoch"];
  auto series = [&](const char *what) {
    std::vector<Series> list;
    const std::pair<const char *, const char *> parts[] = {{"train", "#1f77b4"}, {"val", "#d95f02"}, {"test", "#2ca02c"}};
    for (auto &[part, colour] : parts)
      if (const std::vector<double> &y = history[fmt::format("{}.{}", part, what)]; y.size() == epoch.size())
        list.push_back({part, colour, epoch, y});
    return list;
  };
  return plot({"loss", "epoch", false}, series("loss")) + plot({"accuracy", "epoch", false}, series("accuracy")) +
         (history["lr"].size() == epoch.size() ? plot({"learning rate", "epoch", false}, {{"lr", "#7570b3", epoch, history["lr"]}}) : "");
}

static std::string calibration(const Tally &t) {
  Series bins{"accuracy", "#1f77b4", {}, {}};
  for (const ConfidenceBin &bin : t.bins)
    if (bin.count) {
      bins.x.push_back(bin.confidence / double(bin.count));
      bins.y.push_back(double(bin.correct) / double(bin.count));
    }
  return plot({fmt::format("calibration, error {:.4f}", t.calibrationError()), "confidence", true}, {bins});
}

static std::string confusion(const Description &d, const Tally &t) {
  const int64_t K = d.classes;
  if (K > widestMatrix)
    return fmt::format("<p>{} classes are too many for a table; eval --json has it.</p>", K);
  std::string html = "<div class=\"wide\"><table class=\"matrix\"><tr><th></th>";
  for (int64_t k = 0; k < K; ++k)
    html += fmt::format("<th class=\"up\"><span>{}</span></th>", escaped(d.className(k)));
  for (int64_t r = 0; r < K; ++r) {
    const int64_t *row = &t.confusion[size_t(r * K)];
    const double support = double(std::max<int64_t>(1, std::accumulate(row, row + K, int64_t(0))));
    html += fmt::format("</tr><tr><th>{}</th>", escaped(d.className(r)));
    for (int64_t k = 0; k < K; ++k) {
      // The root makes rare confusions visible.
      const double share = std::sqrt(double(row[k]) / support);
      html += fmt::format("<td style=\"background:rgba({},{:.3f});color:{}\">{}</td>", r == k ? "31,119,180" : "214,39,40", share, share > 0.7 ? "#fff" : "inherit",
                          row[k] ? std::to_string(row[k]) : "");
    }
  }
  return html + "</tr></table></div><p>A row is the true class, a column the predicted one.</p>";
}

static std::string classTable(const Description &d, const Tally &t) {
  std::string html = "<table><tr><th>class</th><th>samples</th><th>precision</th><th>recall</th><th>F1</th></tr>";
  const auto scores = t.scores();
  for (int64_t k = 0; k < d.classes; ++k) {
    const ClassScore &s = scores[size_t(k)];
    html += fmt::format("<tr><th>{}</th><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{:.4f}</td></tr>", escaped(d.className(k)), s.support, s.precision, s.recall, s.f1);
  }
  return html + "</table>";
}

static std::string mistakes(const Description &d, const Dataset &set, const std::vector<Mistake> &worst) {
  if (worst.empty())
    return "<p>None.</p>";
  std::string html = "<div class=\"grid\">";
  for (const Mistake &m : worst) {
    const Image picture = shown(d, set.image(m.sample));
    html += fmt::format("<figure>{}<figcaption>{}<br><b>{}</b> {:.1f}&nbsp;%</figcaption></figure>", imageTag(picture, 96, fmt::format("sample {}", m.sample)),
                        escaped(d.className(m.label)), escaped(d.className(m.predicted)), 100 * m.probability);
  }
  return html + "</div><p>Above the true class, below it the one that was predicted, the surest first.</p>";
}

/// The first convolution's filters, each scaled to its own range: RGB where there are three channels, else the first channel.
static std::string filters(const Description &d, const TensorStore &store) {
  for (const LayerInfo &l : d.layers) {
    const auto a = nlohmann::json::parse(l.attributes);
    if (a.value("op", "") != "conv")
      continue;
    const TensorInfo *t = d.findTensor(a["weight"]);
    if (!t || t->shape.size() != 4)
      return "";
    std::vector<double> w(size_t(t->elements));
    std::vector<char> raw(size_t(t->elements) * elementBytes(store.elementKind()));
    store.readLogical(size_t(t - d.tensors.data()), raw.data());
    convertElements(raw.data(), store.elementKind(), w.data(), CNN_F64, t->elements);
    const int64_t I = t->shape[1], H = t->shape[2], W = t->shape[3], channels = I == 3 ? 3 : 1;
    std::string html = fmt::format("<p>{}, {} filters of {}x{}x{}{}.</p><div class=\"grid\">", escaped(l.name), t->shape[0], I, H, W,
                                   I > 1 && I != 3 ? "; their first channel" : "");
    for (int64_t o = 0; o < std::min(t->shape[0], filtersShown); ++o) {
      const double *f = &w[size_t(o * I * H * W)];
      const auto [low, high] = std::minmax_element(f, f + channels * H * W);
      Image picture{H, W, channels, {}};
      for (int64_t p = 0; p < H * W; ++p)
        for (int64_t c = 0; c < channels; ++c)
          picture.pixels.push_back(uint8_t(255 * (f[c * H * W + p] - *low) / std::max(*high - *low, 1e-30)));
      html += imageTag(picture, 48, fmt::format("filter {}: {:.3g} to {:.3g}", o, *low, *high));
    }
    return html + "</div>";
  }
  return "<p>The network has no convolution.</p>";
}

static constexpr const char *style =
    ":root{color-scheme:light dark;--ink:#222;--soft:#555;--line:#ddd;--faint:#e4e4e4;--ground:#fff;--box:#f6f6f6}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#aaa;--line:#4a4a4a;--faint:#333;--ground:#17191b;--box:#222528}}"
    "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:var(--ink);background:var(--ground)}h1{margin-bottom:0}"
    "h2{margin-top:1.8em;border-bottom:1px solid var(--line)}table{border-collapse:collapse}.wide{overflow-x:auto}"
    "td,th{padding:2px 8px;text-align:right;font-variant-numeric:tabular-nums}th{font-weight:600;white-space:nowrap}tr th:first-child{text-align:left}"
    ".matrix td{min-width:2.2em;border:1px solid var(--faint);text-align:center}.matrix .up{height:6.5em;vertical-align:bottom;padding:0 0 4px;text-align:center}"
    ".up span{writing-mode:vertical-rl;transform:rotate(180deg)}.grid{display:flex;flex-wrap:wrap;gap:10px}img{image-rendering:pixelated;border:1px solid var(--line)}"
    "figure{margin:0;width:110px}figcaption{font-size:12px;line-height:1.3}svg{margin:6px;max-width:100%}svg text{font-size:12px;fill:var(--soft)}"
    "svg .title{font-size:14px;font-weight:600;fill:var(--ink)}.end{text-anchor:end}.mid{text-anchor:middle}path.grid{stroke:var(--faint);fill:none}"
    ".axis{stroke:#888;fill:none}.ideal{stroke:#888;fill:none;stroke-dasharray:4 4}pre{background:var(--box);padding:1em;overflow:auto}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dd{margin:0}";

int runReport(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  Program program(model, d, o.threads);
  const TrainingPosition position = readWeights(o.checkpoint, d, program.tensors);
  DataParts parts(d, o.data, o.seed.value_or(position.step ? position.seed : d.train.seed));
  Normalization normalization{position.mean, position.std};
  if (normalization.mean.empty())
    normalization = chooseNormalization(d, [&] { return parts.get("train"); });
  BatchLoader loader(d, program.elementKind(), normalization);
  const auto set = parts.get(o.part);
  const Seen seen = look(program, loader, *set);
  const Tally &t = seen.tally;
  const size_t slash = o.checkpoint.rfind('/');
  const std::string history = (slash == std::string::npos ? "" : o.checkpoint.substr(0, slash + 1)) + "history.jsonl";
  std::string html = fmt::format("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{1}</style><h1>{0}</h1>", escaped(d.name), style);
  html += fmt::format("<p>{}, after {} epochs, on {} {} samples</p>", escaped(o.checkpoint), position.epoch, t.count, escaped(o.part));
  html += fmt::format("<dl><dt>accuracy</dt><dd><b>{:.4f}</b></dd><dt>top-5</dt><dd>{:.4f}</dd><dt>loss</dt><dd>{:.4f}</dd><dt>calibration error</dt><dd>{:.4f}</dd>",
                      t.accuracy(), t.top5(), t.loss(), t.calibrationError());
  html += fmt::format("<dt>optimiser</dt><dd>{}, lr {}, schedule {}, batch {}</dd><dt>compiled</dt><dd>{}, {}, {}</dd></dl>", escaped(d.train.optimizer), d.train.lr,
                      escaped(d.train.schedule), d.batch, escaped(d.compiler), escaped(d.precision), escaped(d.cpu));
  html += "<h2>Training</h2>" + curves(history) + "<h2>Confusions</h2>" + confusion(d, t) + "<h2>Classes</h2>" + classTable(d, t) + "<h2>Calibration</h2>" +
          calibration(t) + "<h2>Worst mistakes</h2>" + mistakes(d, *set, seen.worst) + "<h2>First filters</h2>" + filters(d, program.tensors) +
          "<h2>Inside</h2>" + mapsInside(program, loader, *set, 0) + "<h2>Definition</h2><pre>" ;
  for (size_t begin = 0; begin < d.source.size();) { // escaped() takes one line
    const size_t end = std::min(d.source.find('\n', begin), d.source.size());
    html += escaped(d.source.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  html += "</pre></html>\n";
  const std::string out = o.out.empty() ? "report.html" : o.out;
  AtomicFile file(out);
  file.write(html.data(), html.size());
  file.commit();
  fmt::print("wrote {} ({} KiB)\n", printable(out), html.size() >> 10);
  return 0;
}

} // namespace rt
