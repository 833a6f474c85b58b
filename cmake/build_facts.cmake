# Run with cmake -P at every build: writes OUT, a header with the commit and the flags of the build, and touches it only when it changes.
# Takes SOURCE, OUT, COMPILER and FLAGS. Outside git the commit is "unknown".
set(GIT_SHA unknown)
set(GIT_DIRTY -1)
find_program(GIT git)
if(GIT)
  execute_process(COMMAND "${GIT}" rev-parse HEAD WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE failed OUTPUT_VARIABLE sha
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(GIT_SHA "${sha}")
    execute_process(COMMAND "${GIT}" status --porcelain WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE changes ERROR_QUIET)
    if(changes STREQUAL "")
      set(GIT_DIRTY 0)
    else()
      set(GIT_DIRTY 1)
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUT}" @ONLY CONTENT [[
#pragma once
#define SALTUS_GIT_SHA "@GIT_SHA@"
#define SALTUS_GIT_DIRTY @GIT_DIRTY@
#define SALTUS_COMPILER "@COMPILER@"
#define SALTUS_COMPILE_FLAGS "@FLAGS@"
]])
