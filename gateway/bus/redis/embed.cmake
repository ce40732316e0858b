# SPDX-License-Identifier: Apache-2.0
# Puts the function library into the binary, byte for byte as `redis-cli -x FUNCTION LOAD` is given it. Included, it gives
# sw_embed_library(OUT FILE [AHEAD]): the C source that the build writes; its version is AHEAD of the file's by so many. At build time the same file runs as a script (`cmake -P`).

function(sw_embed_library source_out file)
  set(ahead 0)
  if(ARGC GREATER 2)
    set(ahead ${ARGV2})
  endif()
  get_filename_component(file ${file} ABSOLUTE)
  set(script ${CMAKE_CURRENT_SOURCE_DIR}/gateway/bus/redis/embed.cmake)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/library_source_${ahead}.c)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D FILE=${file} -D OUTPUT=${output} -D AHEAD=${ahead} -P ${script}
    DEPENDS ${file} ${script}
    COMMENT "Embedding the function library"
    VERBATIM)
  set(${source_out} ${output} PARENT_SCOPE)
endfunction()

function(sw_write_library file output ahead)
  file(READ ${file} source)
  if(NOT source MATCHES "\nlocal VERSION = ([0-9]+)")
    message(FATAL_ERROR "${file}: want a line `local VERSION = N`")
  endif()
  math(EXPR version "${CMAKE_MATCH_1} + ${ahead}")
  string(REPLACE "${CMAKE_MATCH_0}" "\nlocal VERSION = ${version}" source "${source}")
  string(HEX "${source}" hex)
  string(REPEAT "." 32 sixteen_bytes)
  string(REGEX REPLACE "(${sixteen_bytes})" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(WRITE ${output} "// SPDX-License-Identifier: Apache-2.0
/* Written by embed.cmake. */
#include \"bus/redis/library.h\"

const int sw_redis_library_version = ${version};

static const unsigned char bytes[] = {
${hex}
};

const struct sw_slice sw_redis_library_source = {(const char *)bytes, sizeof(bytes)};
")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  sw_write_library(${FILE} ${OUTPUT} ${AHEAD})
endif()
