/* Trains a small network through its C interface, saves it, loads it into a second model and predicts with that.
 * Build: cnnc examples/lib/tiny.cnn --emit=lib -o libtiny
 *        cc examples/lib/train.c -I. libtiny.a -lstdc++ -lm -lpthread -o train      (or: ... -L. -ltiny -Wl,-rpath,.)
 * In: a path for the checkpoint.  Out: the loss before and after; exit status 0 where it fell and both models answer alike. */
#include "tiny.h"
#include <stdio.h>
#include <string.h>

enum { PIXELS = TINY_CHANNELS * TINY_HEIGHT * TINY_WIDTH, STEPS = 60 };

static int complain(tiny_model *model, const char *what) {
  char text[512] = "no memory";
  tiny_last_error(model, text, sizeof text);
  fprintf(stderr, "%s: %s\n", what, text);
  return 1;
}

/* Class k is bright in its own rows. */
static void draw(float *x, int32_t *labels, int n) {
  for (int i = 0; i < n; ++i) {
    labels[i] = i % TINY_CLASSES;
    for (int p = 0; p < PIXELS; ++p)
      x[i * PIXELS + p] = (float)((p * 7 + i * 13) % 10) / 40 + (p / TINY_WIDTH * TINY_CLASSES / TINY_HEIGHT == labels[i] ? 0.5f : 0);
  }
}

int main(int argc, char **argv) {
  static float x[TINY_BATCH * PIXELS], first[TINY_BATCH * TINY_CLASSES], second[TINY_BATCH * TINY_CLASSES];
  static int32_t labels[TINY_BATCH];
  const char *path = argc > 1 ? argv[1] : "tiny.safetensors";
  tiny_model *model = NULL, *copy = NULL;
  double begin = 0, end = 0;
  int right = 0, status = 1;
  draw(x, labels, TINY_BATCH);
  if (tiny_create(&model, 2, 1) != TINY_OK) {
    complain(model, "create");
    goto done;
  }
  for (int step = 0; step < STEPS; ++step)
    if (tiny_train_step(model, x, labels, tiny_learning_rate(model, 0, 1), step ? &end : &begin) != TINY_OK) {
      complain(model, "train_step");
      goto done;
    }
  if (tiny_save(model, path) != TINY_OK || tiny_predict(model, x, TINY_BATCH, first) != TINY_OK) {
    complain(model, "save or predict");
    goto done;
  }
  if (tiny_create(&copy, 1, 2) != TINY_OK || tiny_load(copy, path) != TINY_OK || tiny_predict(copy, x, TINY_BATCH, second) != TINY_OK) {
    complain(copy, "load or predict");
    goto done;
  }
  for (int i = 0; i < TINY_BATCH; ++i) {
    int best = 0;
    for (int k = 1; k < TINY_CLASSES; ++k)
      if (first[i * TINY_CLASSES + k] > first[i * TINY_CLASSES + best])
        best = k;
    right += best == labels[i];
  }
  printf("loss %.4f -> %.4f, %d of %d right, the first is %s\n", begin, end, right, TINY_BATCH, tiny_class_name(copy, labels[0]));
  /* What is wrong is refused in words; the model goes on. */
  labels[0] = TINY_CLASSES;
  if (tiny_train_step(model, x, labels, 0.1, NULL) == TINY_BAD_DATA)
    complain(model, "as it should");
  status = !(end < begin / 2 && right > TINY_BATCH / 2 && memcmp(first, second, sizeof first) == 0);
done:
  tiny_destroy(copy);
  tiny_destroy(model);
  return status;
}
