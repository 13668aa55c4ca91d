/* A model written by hand against runtime/abi.h: softmax regression on 1x8x8 images, SGD with momentum, f32.
 * In: what generated code gets.  Out: what generated code does; small enough to be seen right at a glance.
 * Z = W x + b with W of shape (O,1,8,8), stored as [1][8][8][1][O] so that the storage layout is exercised too. */
#include "runtime/abi.h"
#include <math.h>
#include <string.h>

#ifndef FAKE_NAME
#define FAKE_NAME "fake"
#define FAKE_CLASSES 4
#define FAKE_LR "0.1"
#define FAKE_CPU_FEATURES "sse2"
#endif
#ifndef FAKE_STOP
#define FAKE_STOP "null"
#endif
#ifndef FAKE_VAL
#define FAKE_VAL "{\"split\":0.25}"
#define FAKE_KEEP "{\"metric\":\"val.accuracy\",\"best\":\"max\"}"
#endif

#ifdef FAKE_LOWER_FEATURES
#define FAKE_CPUS "x86-64-v9+x86-64"
#else
#define FAKE_CPUS "x86-64"
#endif

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
enum { N = 16, P = 64, O = FAKE_CLASSES };
enum { WEIGHT, BIAS, V_WEIGHT, V_BIAS };

/* The arena, in elements; every part begins at a multiple of 64 bytes. */
enum { LOGITS = 0, LOSS = 256, D_LOGITS = 272, D_WEIGHT = 528, D_BIAS = D_WEIGHT + P * 16, ARENA = D_BIAS + 16 };

static const char description[] =
    "{\"name\":\"" FAKE_NAME "\",\"source_file\":\"fake.cnn\",\"compiler\":\"by hand\",\"hash\":\"h-" FAKE_NAME "\",\"source\":\"network\\n\","
    "\"precision\":\"f32\",\"batch\":16,\"target\":\"cpu\",\"cpu\":\"" FAKE_CPUS "\",\"input\":[1,8,8],\"classes\":" NUMBER(FAKE_CLASSES) ",\"seed\":1,"
    "\"layers\":[{\"name\":\"input1\",\"kind\":\"input\",\"output\":[1,8,8],\"inputs\":[],\"attributes\":{\"op\":\"input\"}},"
    "{\"name\":\"conv1\",\"kind\":\"conv\",\"output\":[" NUMBER(FAKE_CLASSES) ",1,1],\"formula\":\"(8 - 8 + 2*0)/1 + 1 = 1\",\"parameters\":260,\"macs\":256,"
    "\"inputs\":[0],\"attributes\":{\"op\":\"conv\",\"kernel\":[8,8],\"stride\":[1,1],\"dilation\":[1,1],\"pads\":[0,0,0,0],\"groups\":1,"
    "\"weight\":\"conv1.weight\",\"bias\":\"conv1.bias\"}},"
    "{\"name\":\"flatten1\",\"kind\":\"flatten\",\"output\":[" NUMBER(FAKE_CLASSES) ",1,1],\"flat\":true,\"inputs\":[1],\"attributes\":{\"op\":\"flatten\"}}],"
    "\"tensors\":["
    "{\"name\":\"conv1.weight\",\"kind\":\"weight\",\"shape\":[" NUMBER(FAKE_CLASSES) ",1,8,8],\"storage\":{\"layout\":\"filter\",\"block\":" NUMBER(FAKE_CLASSES) "},"
    "\"init\":{\"kind\":\"he_normal\",\"fan_in\":64,\"fan_out\":256,\"args\":[]},\"of\":\"\"},"
    "{\"name\":\"conv1.bias\",\"kind\":\"bias\",\"shape\":[" NUMBER(FAKE_CLASSES) "],\"storage\":{\"layout\":\"plain\"},\"init\":{\"kind\":\"zeros\"},\"of\":\"\"},"
    "{\"name\":\"conv1.weight.v\",\"kind\":\"state\",\"shape\":[" NUMBER(FAKE_CLASSES) ",1,8,8],\"storage\":{\"layout\":\"filter\",\"block\":" NUMBER(FAKE_CLASSES) "},"
    "\"init\":{\"kind\":\"constant\",\"args\":[0]},\"of\":\"conv1.weight\"},"
    "{\"name\":\"conv1.bias.v\",\"kind\":\"state\",\"shape\":[" NUMBER(FAKE_CLASSES) "],\"storage\":{\"layout\":\"plain\"},\"init\":{\"kind\":\"constant\",\"args\":[0]},"
    "\"of\":\"conv1.bias\"}],"
    "\"data\":{\"root\":\"data\",\"train\":{\"reader\":\"idx\",\"files\":[\"train-images\",\"train-labels\"]},"
    "\"test\":{\"reader\":\"idx\",\"files\":[\"test-images\",\"test-labels\"]},\"val\":" FAKE_VAL ","
    "\"class_names\":[],\"normalize\":\"auto\",\"augment\":[{\"name\":\"shift\",\"args\":[1]}]},"
    "\"train\":{\"epochs\":3,\"optimizer\":{\"name\":\"sgd\",\"lr\":" FAKE_LR ",\"args\":{}},\"schedule\":\"linear\","
    "\"loss\":{\"kind\":\"cross_entropy\",\"smoothing\":0.0},\"keep\":" FAKE_KEEP ",\"stop\":" FAKE_STOP ",\"seed\":1}}";

/* buffers: x, W, b -> logits; a piece is a sample. */
static void forward(void *const *buffers, int64_t n) {
  const float *x = (const float *)buffers[0] + n * P, *W = buffers[1], *b = buffers[2];
  float *z = (float *)buffers[3] + n * O;
  for (int o = 0; o < O; ++o)
    z[o] = b[o];
  for (int p = 0; p < P; ++p)
    for (int o = 0; o < O; ++o)
      z[o] += x[p] * W[p * O + o];
}

/* buffers: logits, labels -> loss, d logits.  L = 1/N sum (log sum exp z - z_y). */
static void softmaxLoss(void *const *buffers, int64_t piece) {
  const float *logits = buffers[0];
  const int32_t *labels = buffers[1];
  float *loss = buffers[2], *d = buffers[3];
  *loss = 0;
  for (int n = 0; n < N; ++n) {
    const float *z = logits + n * O;
    float top = z[0], sum = 0;
    for (int o = 1; o < O; ++o)
      top = z[o] > top ? z[o] : top;
    for (int o = 0; o < O; ++o)
      sum += expf(z[o] - top);
    *loss += (logf(sum) + top - z[labels[n]]) / N;
    for (int o = 0; o < O; ++o)
      d[n * O + o] = (expf(z[o] - top) / sum - (o == labels[n])) / N;
  }
}

/* buffers: x, d logits -> dW, db; a piece is a row of pixels. */
static void backward(void *const *buffers, int64_t row) {
  const float *x = buffers[0], *d = buffers[1];
  float *dW = buffers[2], *db = buffers[3];
  for (int p = (int)row * 8; p < (int)row * 8 + 8; ++p)
    for (int o = 0; o < O; ++o) {
      float sum = 0;
      for (int n = 0; n < N; ++n)
        sum += x[n * P + p] * d[n * O + o];
      dW[p * O + o] = sum;
    }
  for (int o = 0; row == 0 && o < O; ++o) {
    db[o] = 0;
    for (int n = 0; n < N; ++n)
      db[o] += d[n * O + o];
  }
}

/* buffers: lr, dW, db -> W, b, vW, vb; v = 0.9 v + g, w = w - lr v. */
static void update(void *const *buffers, int64_t piece) {
  const float lr = *(const float *)buffers[0];
  const float *g = buffers[1 + piece];
  float *w = buffers[3 + piece], *v = buffers[5 + piece];
  for (int i = 0; i < (piece ? O : P * O); ++i) {
    v[i] = 0.9f * v[i] + g[i];
    w[i] -= lr * v[i];
  }
}

#define IN(n) {n, CNN_F32, 0}
#define OUT(n) {n, CNN_F32, 1}
static const cnn_buffer_info forwardInfos[] = {IN(N *P), IN(P *O), IN(O), OUT(N *O)}, forwardOneInfos[] = {IN(P), IN(P *O), IN(O), OUT(O)},
                             lossInfos[] = {IN(N *O), {N, CNN_I32, 0}, OUT(1), OUT(N *O)}, backwardInfos[] = {IN(N *P), IN(N *O), OUT(P *O), OUT(O)},
                             updateInfos[] = {IN(1), IN(P *O), IN(O), OUT(P *O), OUT(O), OUT(P *O), OUT(O)};
static const cnn_kernel forwardKernel = {forward, N, "conv1", "forward:conv", 2 * N * P * O, 0, 4, forwardInfos},
                        forwardOneKernel = {forward, 1, "conv1", "forward:conv", 2 * P * O, 0, 4, forwardOneInfos},
                        lossKernel = {softmaxLoss, 1, "softmax", "forward:cross_entropy", 0, 0, 4, lossInfos},
                        backwardKernel = {backward, 8, "conv1", "backward:conv_filter_grad", 2 * N * P * O, 0, 4, backwardInfos},
                        updateKernel = {update, 2, "conv1", "update:sgd", 4 * P * O, 0, 7, updateInfos};

static int32_t trainStep(const cnn_call *call) {
  float *arena = call->arena, lr = (float)call->lr;
  void *const *t = call->tensors;
  void *f[] = {(void *)call->x, t[WEIGHT], t[BIAS], arena + LOGITS};
  cnn_rt_launch(call, &forwardKernel, f);
  void *l[] = {arena + LOGITS, (void *)call->labels, arena + LOSS, arena + D_LOGITS};
  cnn_rt_launch(call, &lossKernel, l);
  void *b[] = {(void *)call->x, arena + D_LOGITS, arena + D_WEIGHT, arena + D_BIAS};
  cnn_rt_launch(call, &backwardKernel, b);
  if (!isfinite(arena[LOSS]))
    return 1;
  void *u[] = {&lr, arena + D_WEIGHT, arena + D_BIAS, t[WEIGHT], t[BIAS], t[V_WEIGHT], t[V_BIAS]};
  cnn_rt_launch(call, &updateKernel, u);
  return 0;
}

static int32_t inferWith(const cnn_call *call, const cnn_kernel *kernel) {
  void *f[] = {(void *)call->x, call->tensors[WEIGHT], call->tensors[BIAS], (float *)call->arena + LOGITS};
  cnn_rt_launch(call, kernel, f);
  return 0;
}
static int32_t infer(const cnn_call *call) { return inferWith(call, &forwardKernel); }
static int32_t inferOne(const cnn_call *call) { return inferWith(call, &forwardOneKernel); }
static double schedule(double epoch, double epochs) { return 1 - epoch / epochs; }

static const uint64_t gradientOffsets[] = {D_WEIGHT * 4, D_BIAS * 4, UINT64_MAX, UINT64_MAX};

#define TABLES .abi_version = CNN_ABI_VERSION, .element_kind = CNN_F32, .description = description, .description_size = sizeof description - 1, \
               .train_step = {N, ARENA * 4, 0, trainStep, LOGITS * 4, LOSS * 4}, .infer = {N, ARENA * 4, 0, infer, LOGITS * 4, 0}, \
               .infer_one = {1, ARENA * 4, 0, inferOne, LOGITS * 4, 0}, .gradient_offsets = gradientOffsets, .schedule = schedule

#ifdef FAKE_LOWER_FEATURES
static const cnn_model lower = {TABLES, .cpu = "x86-64", .cpu_features = FAKE_LOWER_FEATURES};
const cnn_model cnn_the_model = {TABLES, .cpu = "x86-64-v9", .cpu_features = FAKE_CPU_FEATURES, .next = &lower};
#else
const cnn_model cnn_the_model = {TABLES, .cpu = "x86-64", .cpu_features = FAKE_CPU_FEATURES};
#endif
