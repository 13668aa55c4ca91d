// The CSV reader: one file of paths and labels.  A line is PATH,LABEL; a label is a class's name or its number; a field may stand in quotes.
// In: a CSV file; a first line "path,label" (or "file,class", "image,label") is a heading.  Out: a set of pictures; paths are relative to the file.
#include "runtime/Failure.h"
#include "runtime/data/PictureSet.h"
#include "runtime/params/AtomicFile.h"
#include <charconv>

namespace rt {

static constexpr size_t largestCsv = size_t(1) << 30;

/// The fields of a line (RFC 4180, without line breaks inside quotes); empty where a quote is not closed or text follows one.
static std::vector<std::string> fieldsOf(std::string_view line) {
  std::vector<std::string> fields;
  for (size_t at = 0; at <= line.size(); ++at) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        if (at >= line.size())
          return {};
        if (line[at] == '"' && (at + 1 >= line.size() || line[++at] != '"'))
          break;
        field += line[at];
      }
      if (at + 1 == line.size() && line[at] == '"')
        ++at;
      if (at < line.size() && line[at] != ',')
        return {};
    } else {
      const size_t end = std::min(line.find(',', at), line.size());
      field = line.substr(at, end - at);
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size())
      break;
  }
  return fields;
}

static bool isHeading(const std::vector<std::string> &fields) {
  auto is = [](const std::string &word, std::initializer_list<const char *> known) {
    return std::any_of(known.begin(), known.end(), [&](const char *k) { return word == k; });
  };
  return fields.size() == 2 && is(fields[0], {"path", "file", "filename", "image"}) && is(fields[1], {"label", "class"});
}

/// The class of a name or number, or -1.
static int32_t classOf(const std::string &text, const Description &d) {
  if (d.data)
    for (size_t k = 0; k < d.data->classNames.size(); ++k)
      if (d.data->classNames[k] == text)
        return int32_t(k);
  int32_t number = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 && number < d.classes ? number : -1;
}

std::shared_ptr<const Dataset> readCsv(const ReaderInput &input) {
  if (input.files.size() != 1)
    fail(Exit::badData, "csv(...) needs one file; found {}", input.files.size());
  const std::string path = pathBelow(input.root, input.files[0]), text = readFile(path, largestCsv, Exit::badData);
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  std::vector<Picture> pictures;
  int64_t bad = 0;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++number;
    if (!line.empty() && line.back() == '\r')
      line.remove_suffix(1);
    if (line.empty())
      continue;
    const auto fields = fieldsOf(line);
    if (number == 1 && isHeading(fields))
      continue;
    std::string problem;
    const int32_t label = fields.size() == 2 ? classOf(fields[1], input.description) : -1;
    if (fields.size() != 2)
      problem = fmt::format("has {} fields, PATH,LABEL is needed", fields.size());
    else if (fields[0].empty() || fields[0].find('\0') != std::string::npos)
      problem = "has no path";
    else if (label < 0)
      problem = fmt::format("has the label '{}', which is no class's name and no number of 0..{}", printable(fields[1]), input.description.classes - 1);
    if (problem.empty())
      pictures.push_back({pathBelow(directory, fields[0]), label});
    else if (++bad > input.options.maxBad)
      fail(Exit::badData, "{}:{}: the line {}", printable(path), number, problem);
    else
      fmt::print(stderr, "note: left out: {}:{}: the line {}\n", printable(path), number, problem);
  }
  return pictureSet(std::move(pictures), input);
}

} // namespace rt
