/* The three functions by which libpng's reading names its writing, and so zlib's deflate: 80 KB that a program of --inference has no use for.
 * They stand in a library that is linked before libpng.a, and so take the place of its own. */
#include <png.h>
#include <stdlib.h>

/* Of png_image_free, for an image that is being written: there is none. */
void PNGAPI png_destroy_write_struct(png_structpp png, png_infopp info) {
  (void)png, (void)info;
  abort();
}

/* Of png_set_compression_buffer_size, for a writer's buffers. */
void png_free_buffer_list(void);
void png_free_buffer_list(void) { abort(); }

void PNGAPI png_save_uint_32(png_bytep bytes, png_uint_32 value) {
  for (int i = 0; i < 4; ++i)
    bytes[i] = (png_byte)(value >> (24 - 8 * i));
}
