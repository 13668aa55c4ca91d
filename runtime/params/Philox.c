/* Philox4x32-10 of Random123, in C: the C++ headers bring <iostream> along, and with it 300 KB of locales.
 * In: four words of counter, two of key.  Out: four random words. */
#include <Random123/philox.h>

void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  const philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
  const philox4x32_key_t k = {{key[0], key[1]}};
  const philox4x32_ctr_t out = philox4x32_R(10, c, k);
  for (int i = 0; i < 4; ++i)
    words[i] = out.v[i];
}
