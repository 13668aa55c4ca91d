/* What libjpeg-turbo's decoder and its dispatcher (jsimd.c) name for compression, and for decoding that JpegImage.cpp never asks for: with few
 * colours, without fancy upsampling, by another DCT than JDCT_ISLOW.  The real ones are 200 KB of a program: these stand in a library that is linked before libturbojpeg.a, and so take their place.
 * In, out: never called; the constants are looked at for their alignment. */
#define CONSTANTS(name) _Alignas(32) const char jconst_##name[32] = {0}
#define NEVER(name) \
  void name(void); \
  void name(void) { __builtin_trap(); }
#define CALL(name) NEVER(jsimd_##name)
#define ON_BOTH(name) CALL(name##_sse2) CALL(name##_avx2)
#define FROM_COLOUR(order) ON_BOTH(order##_ycc_convert) ON_BOTH(order##_gray_convert)

CONSTANTS(fdct_float_sse);
CONSTANTS(fdct_ifast_sse2);
CONSTANTS(fdct_islow_sse2);
CONSTANTS(fdct_islow_avx2);
CONSTANTS(huff_encode_one_block);
CONSTANTS(rgb_gray_convert_sse2);
CONSTANTS(rgb_gray_convert_avx2);
CONSTANTS(rgb_ycc_convert_sse2);
CONSTANTS(rgb_ycc_convert_avx2);
CONSTANTS(merged_upsample_sse2);
CONSTANTS(merged_upsample_avx2);
#define TO_COLOUR(order) ON_BOTH(h2v1_##order##merged_upsample) ON_BOTH(h2v2_##order##merged_upsample)

FROM_COLOUR(rgb)
FROM_COLOUR(extrgb)
FROM_COLOUR(extrgbx)
FROM_COLOUR(extbgr)
FROM_COLOUR(extbgrx)
FROM_COLOUR(extxbgr)
FROM_COLOUR(extxrgb)
TO_COLOUR()
TO_COLOUR(extrgb_)
TO_COLOUR(extrgbx_)
TO_COLOUR(extbgr_)
TO_COLOUR(extbgrx_)
TO_COLOUR(extxbgr_)
TO_COLOUR(extxrgb_)
ON_BOTH(h2v1_downsample)
ON_BOTH(h2v2_downsample)
ON_BOTH(convsamp)
ON_BOTH(fdct_islow)
ON_BOTH(quantize)
CALL(convsamp_float_sse2)
CALL(fdct_ifast_sse2)
CALL(fdct_float_sse)
CALL(quantize_float_sse2)
CALL(huff_encode_one_block_sse2)
CALL(encode_mcu_AC_first_prepare_sse2)
CALL(encode_mcu_AC_refine_prepare_sse2)
CONSTANTS(idct_float_sse2);
CONSTANTS(idct_ifast_sse2);
CALL(idct_float_sse2)
CALL(idct_ifast_sse2)
NEVER(jpeg_idct_float)
NEVER(jpeg_idct_ifast)
NEVER(jinit_1pass_quantizer)
NEVER(jinit_2pass_quantizer)
NEVER(jinit_merged_upsampler)
