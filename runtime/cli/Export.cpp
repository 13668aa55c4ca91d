// export: a checkpoint for other programs.
// In: a checkpoint.  Out: an ONNX file.
#include "runtime/export/Onnx.h"
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Checkpoint.h"

namespace rt {

int runExport(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  TensorStore store(d.tensors, model.element_kind);
  const TrainingPosition position = readWeights(o.checkpoint, d, store);
  OnnxOptions options{!o.noFold, o.normalize, position.mean, position.std};
  if (options.mean.empty() && d.data && d.data->normalize == DataInfo::Normalize::given)
    options.mean = d.data->mean, options.std = d.data->std;
  const std::string bytes = toOnnx(d, store, options);
  AtomicFile file(o.out);
  file.write(bytes.data(), bytes.size());
  file.commit();
  fmt::print("wrote {}: ONNX opset 17, {:.1f} KiB, input (N,{},{},{}){}\n", printable(o.out), double(bytes.size()) / 1024, d.channels, d.height,
             d.width, d.precision == "f64" ? ", numbers rounded to f32" : "");
  return 0;
}

} // namespace rt
