/*
 * Build step: turns the script on stdin into script.h on stdout. Linked with the very Duktape object that the front is
 * linked with, because bytecode is only valid there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "duktape.h"

int main(void) {
  static char text[1 << 20];
  size_t length = fread(text, 1, sizeof text, stdin);
  duk_context *ctx = duk_create_heap_default();
  duk_push_string(ctx, "front");
  if (!ctx || duk_pcompile_lstring_filename(ctx, 0, text, length) != 0) {
    fprintf(stderr, "the lowered script is not ES5: %s\n", duk_safe_to_string(ctx, -1));
    return 1;
  }
  duk_dump_function(ctx);
  duk_size_t size;
  const unsigned char *bytes = duk_require_buffer_data(ctx, -1, &size);
  printf("static const unsigned char script[] = {");
  for (size_t i = 0; i < size; i++) printf("%s%u", i ? "," : "", bytes[i]);
  printf("};\n");
  return 0;
}
