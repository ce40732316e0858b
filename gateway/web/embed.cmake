# SPDX-License-Identifier: Apache-2.0
# Puts web assets into the binary. Included, it gives sw_embed_assets(TARGET DIRECTORY), which makes a static library of what
# DIRECTORY/assets.list names. At build time the same file runs as a script (`cmake -P`) and writes the C source, so that no tool
# but CMake is needed and the source is written anew only when an asset, the list or this file changed.

# Reads assets.list into three lists of equal length.
function(sw_read_assets directory paths_out files_out words_out)
  file(STRINGS ${directory}/assets.list lines REGEX "^/")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^(/[^ ]*) +([^ ]+) +(demo|module|script)$")
      message(FATAL_ERROR "${directory}/assets.list: want `/path file demo|module|script`, have `${line}`")
    endif()
    list(APPEND paths ${CMAKE_MATCH_1})
    list(APPEND files ${directory}/${CMAKE_MATCH_2})
    list(APPEND words ${CMAKE_MATCH_3})
  endforeach()
  set(${paths_out} ${paths} PARENT_SCOPE)
  set(${files_out} ${files} PARENT_SCOPE)
  set(${words_out} ${words} PARENT_SCOPE)
endfunction()

function(sw_embed_assets target directory)
  get_filename_component(directory ${directory} ABSOLUTE)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}/assets.c)
  # The list decides what the rule below depends on, so that a changed list is a changed configuration.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${directory}/assets.list)
  sw_read_assets(${directory} paths files words)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D DIRECTORY=${directory} -D OUTPUT=${output} -P ${directory}/embed.cmake
    DEPENDS ${files} ${directory}/assets.list ${directory}/embed.cmake
    COMMENT "Embedding web assets"
    VERBATIM)
  add_library(${target} STATIC ${output})
  target_link_libraries(${target} PUBLIC sw_options)
endfunction()

function(sw_asset_type file type_out)
  set(type_.html "text/html; charset=utf-8")
  set(type_.css "text/css; charset=utf-8")
  set(type_.js "text/javascript; charset=utf-8")
  set(type_.mjs "text/javascript; charset=utf-8")
  set(type_.svg "image/svg+xml")
  set(type_.json "application/json")
  get_filename_component(extension ${file} LAST_EXT)
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "${file}: embed.cmake knows no content type for ${extension}")
  endif()
  set(${type_out} ${type_${extension}} PARENT_SCOPE)
endfunction()

# A module as it is served: less the comments and blank lines behind its first line, and less what indents it. A module for this
# has comments on lines of their own, and no string over several lines. As a script it is a block that leaves one global behind.
function(sw_pack_module file word text_out)
  file(READ ${file} text)
  string(REGEX REPLACE "\n[ \t]*//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "\n[ \t\n]+" "\n" text "${text}")
  if(word MATCHES "^script$")
    string(REGEX REPLACE "\nexport class ([A-Za-z]+) {" "\nglobalThis.\\1 = class \\1 {" script "${text}")
    if("${script}" STREQUAL "${text}" OR script MATCHES "\n(ex|im)port ")
      message(FATAL_ERROR "${file}: a script is made of a module with one line `export class Name {`, and nothing imported")
    endif()
    set(text "'use strict';\n{\n${script}}\n")
  endif()
  set(${text_out} "${text}" PARENT_SCOPE)
endfunction()

function(sw_write_assets directory output)
  sw_read_assets(${directory} paths files words)
  string(REPEAT "." 32 sixteen_bytes)
  set(arrays "")
  set(rows "")
  foreach(path file word IN ZIP_LISTS paths files words)
    if(word MATCHES "^demo$")
      set(only_demo true)
      file(READ ${file} hex HEX)
    else()
      set(only_demo false)
      sw_pack_module(${file} ${word} text)
      string(HEX "${text}" hex)
    endif()
    if(hex STREQUAL "")
      message(FATAL_ERROR "${file} is empty, and C has no empty arrays")
    endif()
    string(SHA256 hash ${hex})
    string(SUBSTRING ${hash} 0 16 hash)
    sw_asset_type(${file} type)
    string(MAKE_C_IDENTIFIER asset${path} name)
    string(REGEX REPLACE "(${sixteen_bytes})" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND arrays "static const unsigned char ${name}[] = {\n${hex}\n};\n\n")
    string(APPEND rows "    {\"${path}\", \"${type}\", ${name}, sizeof(${name}), \"\\\"${hash}\\\"\", ${only_demo}},\n")
  endforeach()
  list(LENGTH paths count)
  file(WRITE ${output} "// SPDX-License-Identifier: Apache-2.0
/* Written by embed.cmake. */
#include \"web/assets.h\"

${arrays}const struct sw_asset sw_assets[] = {
${rows}};

const size_t sw_asset_count = ${count};
")
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  sw_write_assets(${DIRECTORY} ${OUTPUT})
endif()
